package connectivity

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// AnyNumber is the number of a Witness's named port: whichever is asked about.
const AnyNumber = 0

// Witness is a pod that could be created, by which a path is not shut.
type Witness struct {
	Namespace string
	// Labels are the fewest that will do: what they leave out the pod must lack.
	Labels map[string]string
	// Ports are the names that ports of the pod must have, on AnyNumber.
	Ports []cluster.NamedPort
	// Key is what holds of the labels beyond what the query asks for, and opens the
	// path; another key may do as well. It is empty when every pod that the query
	// chooses gets through.
	Key []selector.Requirement
}

// String is "shop/Pod (app=backend,tier=frontend)".
func (w *Witness) String() string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(w.Labels)) {
		list = append(list, key+"="+w.Labels[key])
	}
	text := w.Namespace + "/Pod (" + strings.Join(list, ",") + ")"
	for _, p := range w.Ports {
		text += " port " + p.Name + "/" + p.Protocol.String()
	}
	return text
}

func (w *Witness) compare(o *Witness) int {
	return cmp.Or(cmp.Compare(w.Namespace, o.Namespace), cmp.Compare(w.String(), o.String()))
}

// variant is the pod as the evaluator sees it.
func (w *Witness) variant() *cluster.Variant { return possiblePod(w.Namespace, w.Labels, w.Ports) }

// possiblePod is a pod that has no address yet.
func possiblePod(namespace string, l map[string]string, ports []cluster.NamedPort) *cluster.Variant {
	w := &cluster.Workload{Ref: cluster.Ref{Namespace: namespace, Kind: "Pod"}, Labels: l}
	v := &cluster.Variant{Workload: w, Labels: l, Ports: ports, Unaddressed: true}
	w.Variants = []*cluster.Variant{v}
	return v
}

// newWitness reads what the search has found for one end.
func newWitness(namespace string, found map[string]string) *Witness {
	w := &Witness{Namespace: namespace, Labels: map[string]string{}}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		if port, ok := portOf(key); ok {
			w.Ports = append(w.Ports, port)
		} else {
			w.Labels[key] = found[key]
		}
	}
	return w
}

// unlock finds the witness's key: what the ways ask of its labels and the
// selection does not.
func (w *Witness) unlock(end int, selection []selector.Requirement, ways ...way) {
	asked := map[string]selector.Values{}
	valuesOf := func(m map[string]selector.Values, key string) selector.Values {
		if v, ok := m[key]; ok {
			return v
		}
		return selector.AnyValue()
	}
	chosen := map[string]selector.Values{}
	for _, r := range selection {
		chosen[r.Key] = r.Values
	}
	require := func(r selector.Requirement) { asked[r.Key] = valuesOf(asked, r.Key).And(r.Values) }
	for _, x := range ways {
		for _, l := range x.needs {
			if _, port := portOf(l.Key); l.Of == end && !port {
				require(l.Requirement)
			}
		}
	}
	for _, x := range ways {
		if x.subject != end {
			continue
		}
		for _, n := range x.isolators {
			// Of what keeps the netpol from selecting the pod, take what holds anyway.
			var best *selector.Requirement
			rank := func(r selector.Requirement) int {
				switch now := valuesOf(asked, r.Key).And(valuesOf(chosen, r.Key)); {
				case now.Within(r.Values):
					return 0
				case r.Values.Lacking():
					return 1
				}
				return 2
			}
			for _, s := range n.selected {
				if r := s.Requirement.Not(); r.Matches(w.Labels) && (best == nil || rank(r) < rank(*best)) {
					best = &r
				}
			}
			if best != nil && rank(*best) > 0 {
				require(*best)
			}
		}
	}
	w.Key = nil
	for _, key := range slices.Sorted(maps.Keys(asked)) {
		if valuesOf(chosen, key).Within(asked[key]) {
			continue
		}
		w.Key = append(w.Key, selector.Requirement{Key: key, Values: asked[key].And(valuesOf(chosen, key))})
	}
}
