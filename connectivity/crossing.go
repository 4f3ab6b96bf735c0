package connectivity

import (
	"slices"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// passage holds the ways through both sides, by direction. A connection needs one
// of each that agree on a port.
type passage [2][]way

// has reports whether both ways were there already.
func (p passage) has(egress, ingress way) bool {
	there := func(list []way, w way) bool {
		return slices.ContainsFunc(list, func(o way) bool { return o.impliedBy(w) })
	}
	return there(p[cluster.Egress], egress) && there(p[cluster.Ingress], ingress)
}

// cells cut ports along the ports of every way, so that within a cell a way opens
// all ports or none.
func (p passage) cells(ports PortSet) []PortSet {
	cells := []PortSet{ports}
	for _, w := range slices.Concat(p[0], p[1]) {
		var cut []PortSet
		for _, c := range cells {
			for _, part := range []PortSet{c.Intersect(w.ports), c.Subtract(w.ports)} {
				if !part.Empty() {
					cut = append(cut, part)
				}
			}
		}
		cells = cut
	}
	return cells
}

// crossing looks for pods of two namespaces, or of one and an address outside,
// between which a change opens a path.
type crossing struct {
	*possibility
	// namespaces are those of source and destination; empty outside the cluster.
	namespaces [2]string
	now        passage
	// known is set when the query was about these pods before the change, too,
	// and was is what it was then: it is asked for when something is open now.
	known bool
	was   func() passage
	// evaluate asks the plain evaluator about two pods.
	evaluate func(*evaluator, [2]*cluster.Variant) (pair, map[Reason]PortSet)
}

// door is a pair of pods that could be created, with what is open between them.
type door struct {
	ends [2]*Witness
	pair
	// undecided is set when no labels were found, nor proved not to exist.
	undecided Uncertainty
}

func (d door) sameEnds(o door) bool {
	for i := range d.ends {
		if (d.ends[i] == nil) != (o.ends[i] == nil) || (d.ends[i] != nil && d.ends[i].compare(o.ends[i]) != 0) {
			return false
		}
	}
	return d.undecided == o.undecided
}

// doors tries every way through one side with every way through the other, and
// lists a door for every port that is not shut. What is certain comes first.
func (x *crossing) doors() []door {
	var out []door
	var open, possible PortSet
	for _, certain := range []bool{true, false} {
		for _, egress := range x.now[cluster.Egress] {
			if x.options.enough(0) {
				return out
			}
			for _, ingress := range x.now[cluster.Ingress] {
				if (egress.certain && ingress.certain) != certain {
					continue
				}
				ports := egress.ports.Intersect(ingress.ports).Intersect(x.query.ports()).Subtract(open)
				if !certain {
					ports = ports.Subtract(possible)
				}
				for _, d := range x.try(egress, ingress, ports, certain) {
					d.possible = d.possible.Subtract(possible).Union(d.open.Subtract(open))
					d.open = d.open.Subtract(open)
					if d.possible.Empty() {
						continue
					}
					open, possible = open.Union(d.open), possible.Union(d.possible)
					out = append(out, d)
				}
			}
		}
	}
	return out
}

// try looks for pods that get through by two ways and would not have before.
func (x *crossing) try(egress, ingress way, ports PortSet, certain bool) []door {
	if ports.Empty() {
		return nil
	}
	choices := slices.Concat(
		[]selector.Choice{
			selector.All(selector.Of(source, x.requirements[source])...),
			selector.All(selector.Of(destination, x.requirements[destination])...),
		},
		egress.holds(), ingress.holds())
	found, m := x.search.Satisfy(2, choices...)
	if m == selector.No {
		return nil
	}
	if !x.known {
		return []door{x.door(found, m, egress, ingress, ports, certain)}
	}
	if x.was().has(egress, ingress) {
		return nil
	}
	var out []door
	for _, cell := range x.was().cells(ports) {
		if slices.ContainsFunc(out, func(d door) bool { return cell.Subtract(d.possible).Empty() }) {
			continue
		}
		if found, m := x.newly(choices, cell, certain); m != selector.No {
			out = append(out, x.door(found, m, egress, ingress, cell, certain))
		}
	}
	return out
}

// newly looks for labels that were not let through before on a cell of ports:
// every way through one side fails, or every way through the other. What is
// certain now is new when it was not certain; what is not, when it was blocked.
func (x *crossing) newly(choices []selector.Choice, cell PortSet, certain bool) ([]map[string]string, selector.Match) {
	result := selector.No
	for _, side := range x.was() {
		shut := slices.Clone(choices)
		for _, w := range side {
			if (w.certain || !certain) && !w.ports.Intersect(cell).Empty() {
				shut = append(shut, w.fails())
			}
		}
		found, m := x.search.Satisfy(2, shut...)
		if m == selector.Yes {
			return found, m
		}
		result = result.Or(m)
	}
	return nil, result
}

// door asks the plain evaluator about the pods that were found. What it does not
// confirm, and what was not found in time, is not decided, and so not shut.
func (x *crossing) door(found []map[string]string, m selector.Match, egress, ingress way, ports PortSet, certain bool) door {
	var d door
	var pods [2]*cluster.Variant
	for end, namespace := range x.namespaces {
		if namespace == "" {
			continue
		}
		d.ends[end] = &Witness{Namespace: namespace}
		if m == selector.Yes {
			d.ends[end] = newWitness(namespace, found[end])
			d.ends[end].unlock(end, x.requirements[end], egress, ingress)
		}
		pods[end] = d.ends[end].variant()
	}
	if m == selector.Yes {
		now, _ := x.evaluate(x.after, pods)
		var was pair
		var known map[Reason]PortSet
		if x.known {
			was, known = x.evaluate(x.before, pods)
		}
		d.pair = now.beyond(was, known)
		d.open = d.open.Intersect(x.query.ports())
		d.possible = d.possible.Intersect(x.query.ports())
		if certain {
			d.possible = d.open
		}
		if ports.Subtract(d.possible).Empty() {
			return d
		}
	}
	for end := range d.ends {
		if d.ends[end] != nil {
			d.ends[end] = &Witness{Namespace: x.namespaces[end]}
		}
	}
	d.undecided, d.pair = NotDecided, pair{possible: ports}
	for _, w := range []way{egress, ingress} {
		if w.reason != (Reason{}) {
			w.reason.Unknown = NotDecided
			d.because = append(d.because, Because{Reason: w.reason, Ports: ports, New: true})
		}
	}
	return d
}
