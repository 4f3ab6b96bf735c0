package connectivity_test

import (
	"encoding/json"

	networkingv1 "k8s.io/api/networking/v1"
)

// What stands behind a path, rule by rule.

// sameRuleBehind: a path that was unknown is open now by a rule that it had
// then, too. The kubelet wrote the address that an ipBlock holds, say: that was
// judged when it arose.
func (d *readDelta) sameRuleBehind(m *moment, was, now [2]*someone, p probe) bool {
	if was[0].end.hostNetwork != now[0].end.hostNetwork || was[1].end.hostNetwork != now[1].end.hostNetwork {
		return false // that resolves nothing
	}
	for _, direction := range []networkingv1.PolicyType{networkingv1.PolicyTypeEgress, networkingv1.PolicyTypeIngress} {
		then := m.rulesBehind(direction, was[0].end, was[1].end, p)
		same := false
		for rule, level := range d.after.rulesBehind(direction, now[0].end, now[1].end, p) {
			same = same || (level == open.level && then[rule] > blocked.level)
		}
		if !same {
			return false
		}
	}
	return true
}

// rulesBehind is what lets a pair through on one side, by what the rules say
// about the pair and the port, and how surely.
func (m *moment) rulesBehind(direction networkingv1.PolicyType, from, to *refPod, on probe) map[string]int {
	subject, peer := from, to
	if direction == networkingv1.PolicyTypeIngress {
		subject, peer = to, from
	}
	if subject.hostNetwork || m.isolated(direction, subject) == blocked {
		return map[string]int{"not isolated": open.level}
	}
	out := map[string]int{}
	if direction == networkingv1.PolicyTypeIngress && peer.hostNetwork {
		out["node-exception"] = 1
	}
	for _, np := range m.netpols {
		if namespaceOf(np) != subject.namespace {
			continue
		}
		for _, p := range typesOf(np) {
			if p != direction {
				continue
			}
			for _, rule := range rulesOf(np, direction) {
				selects := selectorMatches(&np.Spec.PodSelector, subject.labels)
				for key, level := range m.partsOf(np, rule, refEnd{pod: peer}, refEnd{pod: to}, on) {
					out[key] = max(out[key], selects.and(level).level)
				}
			}
		}
	}
	return out
}

func (m *moment) partsOf(np *networkingv1.NetworkPolicy, rule refRule, peer, to refEnd, on probe) map[string]truth {
	out := map[string]truth{}
	peers := map[string]truth{"anybody": open}
	if len(rule.peers) > 0 {
		peers = map[string]truth{}
		for _, p := range rule.peers {
			peers[written(p)] = m.peerMatches(np, p, peer)
		}
	}
	ports := map[string]truth{"any port": open}
	if len(rule.ports) > 0 {
		ports = map[string]truth{}
		for _, p := range rule.ports {
			ports[written(p)] = portMatches(p, to, on.protocol, on.port)
		}
	}
	for p, matches := range peers {
		for port, on := range ports {
			if both := matches.and(on); both.level > 0 {
				out[p+port] = both
			}
		}
	}
	return out
}

func written(o any) string {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(text)
}
