package cluster

import (
	"iter"
	"net/netip"

	"go4.org/netipx"

	"github.com/podcullis/podcullis/cluster/selector"
)

// fewPeers is up to how many peers a rule is looked through one by one.
const fewPeers = 16

// peerIndex finds those peers of a rule that may match a pod. Whoever writes ten thousand
// of them shall not make everybody else look through them.
type peerIndex struct {
	// byLabel are the peers that ask for a label with one of some values.
	byLabel map[labelled][]*NetpolPeer
	// asking are, beside that, those that ask for a label which pods may be yet to get.
	asking []*NetpolPeer
	// rest are those that ask for nothing of that sort, or that cannot be read.
	rest []*NetpolPeer
	// blocks stand for all peers that are blocks: one a family.
	blocks []*NetpolPeer
}

type labelled struct{ key, value string }

// Many reports whether the rule has so many peers that it is worth to look for them by
// the pod.
func (r *NetpolRule) Many() bool { return r.index != nil }

// MayMatch calls do with the peers that may match the pods of a variant, until it says no.
// Of a rule with many peers each block is part of one that is all of them.
func (r *NetpolRule) MayMatch(v *Variant, do func(*NetpolPeer) bool) {
	if r.index == nil || v.Unread()&UnreadLabels != 0 {
		for i := range r.Peers {
			if !do(&r.Peers[i]) {
				return
			}
		}
		return
	}
	if !r.MayMatchByLabels(v, do) {
		return
	}
	for _, list := range [][]*NetpolPeer{r.Others(), r.Blocks()} {
		for _, p := range list {
			if !do(p) {
				return
			}
		}
	}
}

// MayMatchByLabels is MayMatch for the peers that are found by a label of the pods alone.
func (r *NetpolRule) MayMatchByLabels(v *Variant, do func(*NetpolPeer) bool) bool {
	for key, value := range v.Labels {
		for _, p := range r.index.byLabel[labelled{key, value}] {
			if !do(p) {
				return false
			}
		}
	}
	if v.maker == nil {
		return true
	}
	for _, p := range r.index.asking {
		if !do(p) {
			return false
		}
	}
	return true
}

// Others are the peers, of a rule with many, that no label finds; none of them is a block
// that can be read.
func (r *NetpolRule) Others() []*NetpolPeer { return r.index.rest }

// Blocks are all blocks of a rule with many peers, as one a family.
func (r *NetpolRule) Blocks() []*NetpolPeer { return r.index.blocks }

func (x *peerIndex) fill(peers []NetpolPeer) {
	x.byLabel = map[labelled][]*NetpolPeer{}
	var all netipx.IPSetBuilder
	blocks := false
	for i := range peers {
		p := &peers[i]
		switch {
		case p.Block != nil && !p.Broken:
			all.AddSet(p.Block.Set())
			blocks = true
		case p.Block != nil || p.Broken || !x.byOneLabel(p):
			x.rest = append(x.rest, p)
		}
	}
	if !blocks {
		return
	}
	set, err := all.IPSet()
	if err != nil {
		x.rest = nil
		for i := range peers {
			x.rest = append(x.rest, &peers[i])
		}
		return
	}
	for _, family := range []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)} {
		if set.OverlapsPrefix(family) {
			x.blocks = append(x.blocks, &NetpolPeer{Block: &IPBlock{Prefix: family, set: set}})
		}
	}
}

// byOneLabel enters a peer under a label that it asks for; false when there is none.
func (x *peerIndex) byOneLabel(p *NetpolPeer) bool {
	key, values, ok := p.Pods.OneOfMany()
	if !ok {
		return false
	}
	if p.Pods.AsksForGenerated() {
		x.asking = append(x.asking, p)
	}
	for _, value := range values {
		at := labelled{key, value}
		x.byLabel[at] = append(x.byLabel[at], p)
	}
	return true
}

// newPeerIndex is that of a rule; nil for one with few peers.
func newPeerIndex(peers []NetpolPeer) *peerIndex {
	if len(peers) <= fewPeers {
		return nil
	}
	x := &peerIndex{}
	x.fill(peers)
	return x
}

// fewExcepts is up to how many exceptions of a block are looked through one by one.
const fewExcepts = 8

// indexed is the block, prepared where it has many exceptions.
func (b *IPBlock) indexed() *IPBlock {
	if len(b.Except) > fewExcepts {
		b.set = b.Set()
	}
	return b
}

// Set are the addresses of the block. nil for none.
func (b *IPBlock) Set() *netipx.IPSet {
	if b.set != nil {
		return b.set
	}
	var all netipx.IPSetBuilder
	all.AddPrefix(b.Prefix)
	for _, e := range b.Except {
		all.RemovePrefix(e)
	}
	set, err := all.IPSet()
	if err != nil {
		return nil
	}
	return set
}

// withoutEqual is the list without peers that it has already: generated netpols, and hostile
// ones, say the same ever again. What cannot be read stays, to be counted.
func withoutEqual(peers []NetpolPeer) []NetpolPeer {
	if len(peers) <= fewPeers {
		return peers
	}
	type said struct {
		own        bool
		namespaces selector.Key
		pods       selector.Key
		block      netip.Prefix
	}
	known := make(map[said]bool, len(peers))
	out := make([]NetpolPeer, 0, len(peers))
	for i := range peers {
		p := &peers[i]
		if !p.Broken && (p.Block == nil || len(p.Block.Except) == 0) {
			x := said{own: p.OwnNamespace, namespaces: p.Namespaces.Key(), pods: p.Pods.Key()}
			if p.Block != nil {
				x.block = p.Block.Prefix
			}
			if known[x] {
				continue
			}
			known[x] = true
		}
		out = append(out, *p)
	}
	return append(make([]NetpolPeer, 0, len(out)), out...)
}

// AddressPeers are the peers that can match an address outside the cluster: the blocks, of a
// rule with many peers as one a family, and what cannot be read.
func (r *NetpolRule) AddressPeers() iter.Seq[*NetpolPeer] {
	return func(yield func(*NetpolPeer) bool) {
		if r.index == nil {
			for i := range r.Peers {
				if p := &r.Peers[i]; (p.Block != nil || p.Broken) && !yield(p) {
					return
				}
			}
			return
		}
		for _, list := range [][]*NetpolPeer{r.index.blocks, r.index.rest} {
			for _, p := range list {
				if (p.Block != nil || p.Broken) && !yield(p) {
					return
				}
			}
		}
	}
}
