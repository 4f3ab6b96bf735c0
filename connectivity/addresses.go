package connectivity

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// maxNamedBlocks bounds how many blocks of a set are named.
const maxNamedBlocks = 8

// AddressesText names a set of addresses outside the cluster as people write it, by the
// fewest blocks: "10.0.0.0/8", "anywhere but 10.0.0.0/8, 172.16.0.0/12",
// "10.0.0.0/8 but 10.1.0.0/16". Anywhere is every address of the family that the blocks
// behind it are of, and with "(IPv6 included)" of both. Both families are joined by "and".
func AddressesText(blocks []netip.Prefix) string {
	var families []string
	for _, all := range Anywhere() {
		var own []netip.Prefix
		for _, b := range blocks {
			if b.Addr().Is4() == all.Addr().Is4() {
				own = append(own, b.Masked())
			}
		}
		if len(own) > 0 {
			families = append(families, familyText(all, disjoint(own)))
		}
	}
	if len(families) < 2 || !strings.Contains(families[0], " but ") {
		return strings.Join(families, " and ")
	}
	if families[1] == Anywhere()[1].String() && !strings.Contains(families[0], "; and ") {
		return families[0] + " (IPv6 included)"
	}
	return strings.Join(families, "; and ") // what follows a "but" would read as part of it
}

// disjoint are the fewest blocks of the same addresses, sorted.
func disjoint(blocks []netip.Prefix) []netip.Prefix {
	set := setOf(blocks[0])
	for _, b := range blocks[1:] {
		set = union(set, setOf(b))
	}
	return set.Prefixes()
}

// familyText names a set of one family.
func familyText(all netip.Prefix, blocks []netip.Prefix) string {
	var parts []string
	named, left := 0, 0
	for _, n := range describe(all, blocks) {
		if named >= maxNamedBlocks {
			left += 1 + len(n.but)
			continue
		}
		text := n.block.String()
		if n.block == all && len(n.but) > 0 && all.Addr().Is4() {
			text = "anywhere"
		}
		named++
		if room := max(1, maxNamedBlocks-named); len(n.but) > room+1 {
			text += fmt.Sprintf(" but %s and %d more blocks", join(n.but[:room]), len(n.but)-room)
		} else if len(n.but) > 0 {
			text += " but " + join(n.but)
		}
		named += len(n.but)
		parts = append(parts, text)
	}
	text := strings.Join(parts, ", ")
	if slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(p, " but ") }) {
		text = strings.Join(parts, "; and ") // what follows a "but" would read as part of it
	}
	if left > 0 {
		text += fmt.Sprintf(" and %d more blocks", left)
	}
	return text
}

func join(blocks []netip.Prefix) string {
	var out []string
	for _, b := range blocks {
		out = append(out, b.String())
	}
	return strings.Join(out, ", ")
}

// described is a block without some blocks in it.
type described struct {
	block netip.Prefix
	but   []netip.Prefix
}

// describe says what a set of addresses is by the fewest blocks that are in it or out of
// it, where the longest one that holds an address counts.
func describe(all netip.Prefix, blocks []netip.Prefix) []described {
	var out []described
	var walk func(t *trie, isIn bool, within int)
	walk = func(t *trie, isIn bool, within int) {
		if t.cost[rank(isIn)] == 0 {
			return
		}
		if t.turns(isIn) {
			isIn = !isIn
			if isIn {
				out = append(out, described{block: t.block})
				within = len(out) - 1
			} else {
				out[within].but = append(out[within].but, t.block)
			}
		}
		for _, half := range t.halves {
			walk(half, isIn, within)
		}
	}
	walk(newTrie(all, blocks), false, -1)
	return out
}

// trie is a block of addresses, cut in halves while a set has a part of it only.
type trie struct {
	block  netip.Prefix
	halves []*trie
	// cost is how many blocks it takes to say which of its addresses are in the set, when
	// the others around it are out (0) or in (1).
	cost [2]int
}

func rank(isIn bool) int {
	if isIn {
		return 1
	}
	return 0
}

// turns tells whether the block itself is named, beside others around it that are in or out.
func (t *trie) turns(isIn bool) bool {
	if len(t.halves) == 0 {
		return t.cost[rank(isIn)] > 0
	}
	apart := t.halves[0].cost[rank(isIn)] + t.halves[1].cost[rank(isIn)]
	whole := 1 + t.halves[0].cost[rank(!isIn)] + t.halves[1].cost[rank(!isIn)]
	return whole < apart || whole == apart && t.block.Bits() == 0 // "anywhere but" reads best
}

// newTrie takes the blocks of the set that lie in a block, sorted and disjoint.
func newTrie(block netip.Prefix, blocks []netip.Prefix) *trie {
	t := &trie{block: block}
	switch {
	case len(blocks) == 0:
		t.cost = [2]int{0, 1}
		return t
	case blocks[0].Bits() <= block.Bits():
		t.cost = [2]int{1, 0}
		return t
	}
	low, high := halves(block)
	at := slices.IndexFunc(blocks, func(b netip.Prefix) bool { return !low.Overlaps(b) })
	if at < 0 {
		at = len(blocks)
	}
	t.halves = []*trie{newTrie(low, blocks[:at]), newTrie(high, blocks[at:])}
	for s := range t.cost {
		t.cost[s] = min(t.halves[0].cost[s]+t.halves[1].cost[s], 1+t.halves[0].cost[1-s]+t.halves[1].cost[1-s])
	}
	return t
}

func halves(block netip.Prefix) (low, high netip.Prefix) {
	bits := block.Bits()
	a := block.Addr().AsSlice()
	low, _ = block.Addr().Prefix(bits + 1)
	a[bits/8] |= 0x80 >> (bits % 8)
	addr, _ := netip.AddrFromSlice(a)
	return low, netip.PrefixFrom(addr, bits+1)
}
