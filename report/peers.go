package report

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// maxPeers bounds how many peers of a rule are spelt out.
const maxPeers = 3

// rulePeers are whom a rule names, as the netpol has it that is judged: after a
// kustomization or a chart has written its selectors anew.
func rulePeers(rule *cluster.NetpolRule) string {
	var words []string
	for i := range rule.Peers {
		if left := len(rule.Peers) - maxPeers; i == maxPeers && left > 1 {
			words = append(words, fmt.Sprintf("%d more", left))
			break
		}
		words = append(words, peerText(&rule.Peers[i]))
	}
	return strings.Join(words, ", or ")
}

// unlike says what the other end has in place of what a rule's selectors want.
func unlike(rule *cluster.NetpolRule, other connectivity.Peer) string {
	if other.Workload == nil || len(rule.Peers) == 0 {
		return ""
	}
	for i := range rule.Peers {
		p := &rule.Peers[i]
		switch {
		case p.Block != nil || p.Broken:
			return ""
		case p.Pods.Matches(other.Workload.Labels) != selector.No:
			return "; it is in namespace " + other.Workload.Namespace
		}
	}
	if len(other.Workload.Labels) == 0 {
		return "; it has no labels"
	}
	return "; it has " + labels.FormatLabels(other.Workload.Labels)
}

func peerText(p *cluster.NetpolPeer) string {
	switch {
	case p.Block != nil:
		text := p.Block.Prefix.String()
		for i, except := range p.Block.Except {
			if i == 0 {
				text += " except "
			} else {
				text += " "
			}
			text += except.String()
		}
		return text
	case p.Broken:
		return "a peer that does not parse"
	}
	pods, where := "every pod", "in its own namespace"
	if !p.Pods.SelectsAll() {
		pods = "pods with " + p.Pods.String()
	}
	switch {
	case p.OwnNamespace:
	case p.Namespaces.SelectsAll():
		where = "in every namespace"
	default:
		where = "in namespaces with " + p.Namespaces.String()
	}
	return pods + " " + where
}
