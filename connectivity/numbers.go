package connectivity

import "github.com/podcullis/podcullis/cluster"

// fewPorts is up to how many ports of a rule it is cheaper to read them again.
const fewPorts = 16

// numbered are the ports of a rule that are the same for every destination.
type numbered struct{ ports, broken PortSet }

// portsOf is portsOf, which it asks once a question about a rule of many ports without
// names: a rule with a thousand of them is met for each pair of pods that it matches.
func (e *evaluator) portsOf(r *cluster.NetpolRule, destination *cluster.Variant) (ports, broken PortSet) {
	if r.AnyPort || len(r.Ports) <= fewPorts {
		return portsOf(r, destination)
	}
	known, ok := e.numbers[r]
	if !ok {
		if !hasNames(r) {
			known = &numbered{}
			known.ports, known.broken = portsOf(r, nil)
		}
		put(&e.numbers, r, known)
	}
	if known == nil {
		return portsOf(r, destination)
	}
	return known.ports, known.broken
}

func hasNames(r *cluster.NetpolRule) bool {
	for _, p := range r.Ports {
		if !p.Broken && p.Name != "" {
			return true
		}
	}
	return false
}
