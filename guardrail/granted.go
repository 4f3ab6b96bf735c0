package guardrail

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
)

// Granted is an exemption that was approved in one namespace, its home. It says nothing about
// what belongs to others: a violation passes only when each namespace that has a part in it, that
// of the object that changes and that of each end of a path, has granted it.
func (x Exemption) Granted(namespace string) Exemption {
	x.home = namespace
	return x
}

// Home is the namespace in which an exemption was granted; empty for one of the file.
func (x Exemption) Home() string { return x.home }

// granted finds the exemptions that namespaces have granted, as one.
func (s *ruleset) granted(i *instance, r *Review, v *Violation) (Exemption, bool) {
	if !i.Exemptible || !slices.ContainsFunc(s.config.Exemptions, func(x Exemption) bool { return x.home != "" }) {
		return Exemption{}, false
	}
	ends, known := endsOf(v)
	if !known || len(ends) == 0 && (i.asksModel || r.isNamespace()) {
		// It is about somebody, and does not say about whom. What a namespace's labels are for,
		// such as to which tenant it belongs, is never the namespace's alone to say.
		return Exemption{}, false
	}
	own := r.namespace()
	if own == "" {
		return Exemption{}, false
	}
	places := []string{own}
	for _, e := range ends {
		if !slices.Contains(places, e.Namespace) {
			places = append(places, e.Namespace)
		}
	}
	slices.Sort(places[1:])
	var all Exemption
	for n, place := range places {
		x, ok := s.grantedBy(place, i, r, ends)
		if !ok {
			return Exemption{}, false
		}
		if n == 0 {
			all = x
			continue
		}
		all.Name += ", " + x.Name
		all.Reason += "; " + x.Reason
	}
	return all, true
}

// grantedBy finds an exemption of one namespace.
func (s *ruleset) grantedBy(place string, i *instance, r *Review, ends []cluster.Ref) (Exemption, bool) {
	for _, x := range s.config.Exemptions {
		if x.home == place && x.holds(i.Name, r) && x.coversAt(place, r, ends) {
			return x, true
		}
	}
	return Exemption{}, false
}

// coversAt tells whether what an exemption names covers a change, and all ends that are where
// it was granted.
func (x *Exemption) coversAt(place string, r *Review, ends []cluster.Ref) bool {
	m := &x.Match
	switch {
	case !m.coversUser(r):
		return false
	case place == r.namespace() && !m.covers(r):
		return false
	case place != r.namespace() && len(m.Netpols) > 0 && len(m.Workloads) == 0:
		return false // it is about netpols of its own namespace
	case len(m.Workloads) == 0:
		return true
	}
	return !slices.ContainsFunc(ends, func(e cluster.Ref) bool { return e.Namespace == place && !m.namesWorkload(e) })
}

// endsOf are the workloads that a violation is about, by its details. They are not known when
// the details leave some out, or have one of which the namespace is not told.
func endsOf(v *Violation) (ends []cluster.Ref, known bool) {
	fields, ok := v.Details.(map[string]any)
	if !ok {
		return nil, v.Details == nil
	}
	if _, cut := fields["more"].(json.Number); cut {
		return nil, false
	}
	known = true
	for _, entry := range append(v.Each(), any(fields)) {
		about, _ := entry.(map[string]any)
		for _, key := range []string{"from", "to", "workload"} {
			if p, ok := about[key]; ok {
				known = addEnd(&ends, p) && known
			}
		}
	}
	workloads, _ := fields["workloads"].([]any)
	for _, p := range workloads {
		known = addEnd(&ends, p) && known
	}
	return ends, known
}

// addEnd adds a peer, and tells whether it is known where it is. Addresses outside the cluster
// belong to no namespace.
func addEnd(ends *[]cluster.Ref, peer any) bool {
	p, ok := peer.(map[string]any)
	if !ok {
		return false
	}
	text := func(key string) string { s, _ := p[key].(string); return strings.TrimSpace(s) }
	if text("cidr") != "" {
		return true
	}
	end := cluster.Ref{Namespace: text("namespace"), Kind: text("kind"), Name: text("name")}
	if end.Namespace == "" {
		return false
	}
	if !slices.Contains(*ends, end) {
		*ends = append(*ends, end)
	}
	return true
}
