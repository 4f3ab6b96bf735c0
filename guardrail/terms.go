package guardrail

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// This file writes connectivity's answers as Rego values, in the forms that
// guardrail authors rely on.

func str(s string) *ast.Term { return ast.StringTerm(s) }

// objectTerm takes pairs of a key and a *ast.Term; a nil term leaves the key out.
func objectTerm(pairs ...any) *ast.Term {
	o := ast.NewObject()
	for i := 0; i < len(pairs); i += 2 {
		if t, ok := pairs[i+1].(*ast.Term); ok && t != nil {
			o.Insert(str(pairs[i].(string)), t)
		}
	}
	return ast.NewTerm(o)
}

func labelsTerm(l labels.Set) *ast.Term {
	o := ast.NewObject()
	for k, v := range l {
		o.Insert(str(k), str(v))
	}
	return ast.NewTerm(o)
}

func workloadTerm(w *cluster.Workload) *ast.Term {
	return objectTerm("namespace", str(w.Namespace), "kind", str(w.Kind), "name", str(w.Name), "labels", labelsTerm(w.Labels))
}

func peerTerm(p connectivity.Peer) *ast.Term {
	if p.Workload != nil {
		t := workloadTerm(p.Workload)
		if slices.ContainsFunc(p.Workload.Variants, func(v *cluster.Variant) bool { return v.HostNetwork }) {
			t.Value.(ast.Object).Insert(str("hostNetwork"), ast.BooleanTerm(true))
		}
		return t
	}
	if p.Witness != nil {
		return witnessTerm(p.Witness)
	}
	return objectTerm("cidr", str(p.CIDR.String()))
}

// witnessTerm is a pod that could be created. It has no name; its labels are left
// out when the search for them was given up.
func witnessTerm(w *connectivity.Witness) *ast.Term {
	var l *ast.Term
	if w.Labels != nil {
		l = labelsTerm(w.Labels)
	}
	var key, ports []*ast.Term
	for _, r := range w.Key {
		for _, e := range r.Expression() {
			values := make([]*ast.Term, 0, len(e.Values))
			for _, v := range e.Values {
				values = append(values, str(v))
			}
			key = append(key, objectTerm("key", str(e.Key), "operator", str(e.Operator), "values", ast.ArrayTerm(values...)))
		}
	}
	for _, p := range w.Ports {
		ports = append(ports, objectTerm("name", str(p.Name), "protocol", str(p.Protocol.String())))
	}
	return objectTerm("namespace", str(w.Namespace), "kind", str("Pod"), "name", str(""), "labels", l,
		"witness", ast.BooleanTerm(true), "key", ast.ArrayTerm(key...), "namedPorts", ast.ArrayTerm(ports...))
}

func connectionTerm(c connectivity.Connection) *ast.Term {
	because := make([]*ast.Term, 0, len(c.Because))
	for _, b := range c.Because {
		because = append(because, becauseTerm(b))
	}
	var unknown *ast.Term
	if c.Unknown != "" {
		unknown = str(string(c.Unknown))
	}
	return objectTerm("from", peerTerm(c.From), "to", peerTerm(c.To), "ports", portsTerm(c.Ports), "unknown", unknown, "because", ast.ArrayTerm(because...))
}

func portsTerm(s connectivity.PortSet) *ast.Term {
	var out []*ast.Term
	for _, r := range s.Ranges() {
		out = append(out, objectTerm("protocol", str(r.Protocol.String()), "port", ast.IntNumberTerm(int(r.First)), "endPort", ast.IntNumberTerm(int(r.Last))))
	}
	return ast.ArrayTerm(out...)
}

func becauseTerm(b connectivity.Because) *ast.Term {
	var netpol, rule, notIsolated, unknown, overPods, restricted, isNew *ast.Term
	if b.Netpol != (cluster.Ref{}) {
		netpol = netpolTerm(b.Netpol)
		if !b.NotIsolated {
			rule = ast.IntNumberTerm(b.Rule)
		}
	}
	if b.NotIsolated {
		notIsolated = ast.BooleanTerm(true)
	}
	if b.Unknown != "" {
		unknown = str(string(b.Unknown))
	}
	if b.OverPods {
		overPods = ast.BooleanTerm(true)
	}
	if b.Restricted {
		restricted = ast.BooleanTerm(true)
	}
	if b.New {
		isNew = ast.BooleanTerm(true)
	}
	return objectTerm("direction", str(b.Direction.String()), "netpol", netpol, "rule", rule,
		"notIsolated", notIsolated, "unknown", unknown, "overPods", overPods, "restricted", restricted, "new", isNew)
}

func netpolTerm(r cluster.Ref) *ast.Term { return str(r.Namespace + "/" + r.Name) }

func netpolTerms(refs []cluster.Ref) *ast.Term {
	out := make([]*ast.Term, 0, len(refs))
	for _, r := range refs {
		out = append(out, netpolTerm(r))
	}
	return ast.ArrayTerm(out...)
}

func exposureTerm(x connectivity.Exposure) *ast.Term {
	return objectTerm("workload", workloadTerm(x.Workload), "direction", str(x.Direction.String()),
		"new", ast.BooleanTerm(x.New), "hostNetwork", ast.BooleanTerm(x.HostNetwork), "by", netpolTerms(x.By), "partly", netpolTerms(x.Partly), "unknown", unknownTerm(x.Unknown))
}

func isolationTerm(i connectivity.Isolation) *ast.Term {
	side := func(d cluster.Direction) *ast.Term {
		isolated := i.Isolated[d] == selector.Yes
		return objectTerm("isolated", ast.BooleanTerm(isolated), "by", netpolTerms(i.By[d]), "unknown", unknownTerm(i.Unknown[d]))
	}
	return objectTerm("workload", workloadTerm(i.Workload), "ingress", side(cluster.Ingress), "egress", side(cluster.Egress))
}

// netpolSelectionTerm is {workloads, ingress: [rule], egress: [rule]}.
func netpolSelectionTerm(s connectivity.NetpolSelection) *ast.Term {
	rules := func(d cluster.Direction) *ast.Term {
		out := make([]*ast.Term, 0, len(s.Rules[d]))
		for _, r := range s.Rules[d] {
			out = append(out, ruleSelectionTerm(r))
		}
		return ast.ArrayTerm(out...)
	}
	return objectTerm("workloads", matchedTerms(s.Workloads), "ingress", rules(cluster.Ingress), "egress", rules(cluster.Egress))
}

func ruleSelectionTerm(r connectivity.RuleSelection) *ast.Term {
	blocks := make([]*ast.Term, 0, len(r.Blocks))
	for _, b := range r.Blocks {
		except := make([]*ast.Term, 0, len(b.Except))
		for _, x := range b.Except {
			except = append(except, str(x.String()))
		}
		blocks = append(blocks, objectTerm("cidr", str(b.Prefix.String()), "except", ast.ArrayTerm(except...)))
	}
	named := make([]*ast.Term, 0, len(r.Named))
	for _, n := range r.Named {
		resolved := make([]*ast.Term, 0, len(n.Resolved))
		for _, x := range n.Resolved {
			resolved = append(resolved, objectTerm("workload", workloadTerm(x.Workload), "ports", portsTerm(x.Ports)))
		}
		named = append(named, objectTerm("name", str(n.Name), "protocol", str(n.Protocol.String()), "resolved", ast.ArrayTerm(resolved...)))
	}
	ports := r.Ports
	if r.AnyPort {
		ports = connectivity.AllPorts()
	}
	return objectTerm(
		"anyPeer", ast.BooleanTerm(r.AnyPeer), "workloads", matchedTerms(r.Workloads), "blocks", ast.ArrayTerm(blocks...),
		"anyPort", ast.BooleanTerm(r.AnyPort), "ports", portsTerm(ports), "namedPorts", ast.ArrayTerm(named...),
	)
}

// matchedTerms are workloads, with what is not certain about them.
func matchedTerms(list []connectivity.Matched) *ast.Term {
	out := make([]*ast.Term, 0, len(list))
	for _, m := range list {
		t := workloadTerm(m.Workload)
		o := t.Value.(ast.Object)
		if m.Unknown != "" {
			o.Insert(str("unknown"), str(string(m.Unknown)))
		}
		if m.OverPods {
			o.Insert(str("overPods"), ast.BooleanTerm(true))
		}
		out = append(out, t)
	}
	return ast.ArrayTerm(out...)
}
