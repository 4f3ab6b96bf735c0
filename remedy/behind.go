package remedy

import (
	"fmt"
	"slices"

	"github.com/podcullis/podcullis/cluster"
)

// behind are edits of address blocks that may hold the pods', in rules that no path names:
// beside what is open for certain they are not seen, and without that they are in its way.
func (w narrowing) behind() []edit {
	var out []edit
	for _, d := range []cluster.Direction{cluster.Ingress, cluster.Egress} {
		if len(w.subjects[d]) == 0 {
			continue
		}
		for i, rule := range slices.Backward(w.netpol.Rules[d]) {
			at := ruleAt{d, i}
			block := slices.IndexFunc(rule.Peers, func(p cluster.NetpolPeer) bool { return p.Block != nil })
			if block < 0 || len(w.peers[at]) > 0 || len(out) == maxDepth {
				continue
			}
			e := edit{object: w.netpol.Ref(), rank: rankRemove, text: "remove " + at.String(), last: 1 + i, netpol: func(draft *cluster.Draft) bool {
				draft.RemoveRule(d, i)
				return true
			}}
			if len(rule.Peers) > 1 {
				e.text, e.last = fmt.Sprintf("remove the peer %s from %s", peerText(rule.Peers[block]), at), 0
				e.netpol = func(draft *cluster.Draft) bool { return draft.RemovePeer(d, i, block) }
			}
			out = append(out, e)
		}
	}
	return out
}
