package report

import (
	"fmt"
	"net/netip"

	"github.com/podcullis/podcullis/connectivity"
)

// folded is something about two peers; where one of them is outside the cluster, it is
// that of all blocks of addresses of a family about which the same is said.
type folded[T any] struct {
	first    T
	from, to string
	blocks   []netip.Prefix
	members  []int
}

// fold brings together what is said alike about blocks of addresses, so that a rule with
// exceptions is one line and not a line for each of the forty blocks between them.
func fold[T any](list []T, ends func(T) (from, to connectivity.Peer), alike func(T) string) []*folded[T] {
	var out []*folded[T]
	known := map[string]*folded[T]{}
	for i, x := range list {
		from, to := ends(x)
		f := &folded[T]{first: x, from: from.String(), to: to.String(), members: []int{i}}
		block, inward := outsideOf(from, to)
		if !block.IsValid() {
			out = append(out, f)
			continue
		}
		other := f.from
		if inward {
			other = f.to
		}
		key := fmt.Sprint(inward, block.Addr().Is4(), other, alike(x))
		if same, ok := known[key]; ok {
			same.blocks, same.members = append(same.blocks, block), append(same.members, i)
			continue
		}
		f.blocks = append(f.blocks, block)
		known[key] = f
		out = append(out, f)
	}
	for _, f := range out {
		if len(f.blocks) < 2 {
			continue
		}
		from, to := ends(f.first)
		if _, inward := outsideOf(from, to); inward {
			f.from = connectivity.AddressesText(f.blocks)
		} else {
			f.to = connectivity.AddressesText(f.blocks)
		}
	}
	return out
}

// outsideOf is the end that is outside the cluster, and whether that is where it begins.
func outsideOf(from, to connectivity.Peer) (block netip.Prefix, inward bool) {
	if from.CIDR.IsValid() {
		return from.CIDR, true
	}
	return to.CIDR, false
}

func connectionEnds(c connectivity.Connection) (from, to connectivity.Peer) { return c.From, c.To }

func differenceEnds(d connectivity.Difference) (from, to connectivity.Peer) { return d.From, d.To }

func foldConnections(list []connectivity.Connection) []*folded[connectivity.Connection] {
	return fold(list, connectionEnds,
		func(c connectivity.Connection) string { return portsText(c) + " " + becauseText(c.Because) })
}

func foldDifferences(list []connectivity.Difference) []*folded[connectivity.Difference] {
	return fold(list, differenceEnds,
		func(d connectivity.Difference) string {
			return fmt.Sprint(d.Unknown, d.Turned, d.Before, "|", d.After, "|", becauseText(d.GainedBy), "|", becauseText(d.LostBy), "|", causeText(d.Causes))
		})
}

// Lines is how many lines a table of connections has.
func Lines(list []connectivity.Connection) int { return len(foldConnections(list)) }

// peersOf are the ends of what is at one place of a list, for machines: a block, beside
// which it says of which set of addresses it is.
func peersOf[T any](all []*folded[T], ends func(T) (from, to connectivity.Peer), list []T) [][2]jsonPeer {
	out := make([][2]jsonPeer, len(list))
	for _, f := range all {
		for _, i := range f.members {
			from, to := ends(list[i])
			out[i] = [2]jsonPeer{peerOf(from), peerOf(to)}
			if len(f.blocks) < 2 {
				continue
			}
			if _, inward := outsideOf(from, to); inward {
				out[i][0].Addresses = f.from
			} else {
				out[i][1].Addresses = f.to
			}
		}
	}
	return out
}
