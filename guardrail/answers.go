package guardrail

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	kjson "sigs.k8s.io/json"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

var errTooMany = fmt.Errorf("more than %d connections: ask about fewer peers", maxConnections)

func (e *evaluation) opened(args []*ast.Term) (ast.Value, error) {
	q, err := e.pathQuestion(args[0])
	if err != nil {
		return nil, err
	}
	all := e.world.opened(q.key, q.parsed.Queries)
	if all, err = bounded(e.world, all); err != nil {
		return nil, err
	}
	var out []*ast.Term
	for _, c := range own(e, e.homes.opened, q.key, all, func(c connectivity.Connection) cluster.Ref { return e.homeOf(c, e.concerns) }) {
		out = append(out, connectionTerm(c))
	}
	return ast.NewArray(out...), nil
}

func (e *evaluation) open(args []*ast.Term) (ast.Value, error) {
	q, err := e.pathQuestion(args[0])
	if err != nil {
		return nil, err
	}
	all := e.world.open(q.key, q.parsed.Queries)
	if all, err = bounded(e.world, all); err != nil {
		return nil, err
	}
	var out []*ast.Term
	for _, c := range all {
		out = append(out, connectionTerm(c))
	}
	return ast.NewArray(out...), nil
}

func (e *evaluation) exposed(args []*ast.Term) (ast.Value, error) {
	q, err := e.world.asking.exposures.read(args[0], parseExposureQuestion)
	if err != nil {
		return nil, err
	}
	var out []*ast.Term
	all := e.world.exposed(q.key, q.parsed.which, q.parsed.directions)
	for _, x := range own(e, e.homes.exposed, q.key, all, func(x connectivity.Exposure) cluster.Ref { return e.objectOf(x.Workload) }) {
		out = append(out, exposureTerm(x))
	}
	return ast.NewArray(out...), nil
}

func (e *evaluation) isolation(args []*ast.Term) (ast.Value, error) {
	var in struct {
		Namespace   string          `json:"namespace"`
		PodSelector json.RawMessage `json:"podSelector"`
		Labels      labels.Set      `json:"labels"`
	}
	if err := decodeTerm(args[0], &in); err != nil {
		return nil, err
	}
	if in.Namespace == "" {
		return nil, errors.New("namespace: missing; give the namespace to look at")
	}
	pods, err := parseSelector("podSelector", in.PodSelector)
	if err != nil {
		return nil, err
	}
	namespace, err := selector.New(nameSelector(in.Namespace))
	if err != nil {
		return nil, err
	}
	var out []*ast.Term
	for _, i := range connectivity.Isolated(e.After, connectivity.Selection{Namespaces: namespace, Pods: pods}) {
		if in.Labels == nil || labels.Equals(in.Labels, i.Workload.Labels) {
			out = append(out, isolationTerm(i))
		}
	}
	return ast.NewArray(out...), nil
}

func (e *evaluation) selects(args []*ast.Term) (ast.Value, error) {
	if _, ok := args[0].Value.(ast.Object); !ok {
		return nil, fmt.Errorf("want a NetworkPolicy, got %s; of a DELETE it is in oldObject", args[0])
	}
	v, err := ast.JSON(args[0].Value)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	// Read as the API server does: its fields are more than ours in a later version.
	var np networkingv1.NetworkPolicy
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, &np); err != nil {
		return nil, err
	}
	compiled, err := cluster.FromAPI(&np)
	if err != nil {
		return nil, err
	}
	netpol, ok := compiled.(*cluster.Netpol)
	if !ok {
		return nil, fmt.Errorf("want a NetworkPolicy, got a %s", compiled.Ref().Kind)
	}
	return netpolSelectionTerm(connectivity.Selects(e.After, netpol)).Value, nil
}

func (e *evaluation) namespaces([]*ast.Term) (ast.Value, error) {
	var out []*ast.Term
	for ns := range e.After.Namespaces() {
		out = append(out, objectTerm("name", str(ns.Name), "labels", labelsTerm(ns.Labels), "terminating", ast.BooleanTerm(ns.Terminating())))
	}
	return ast.NewArray(out...), nil
}

func (e *evaluation) workloads(args []*ast.Term) (ast.Value, error) {
	namespace, err := stringOf(args[0])
	if err != nil {
		return nil, err
	}
	var out []*ast.Term
	for w := range e.After.Workloads(namespace) {
		out = append(out, workloadTerm(w))
	}
	return ast.NewArray(out...), nil
}

func (e *evaluation) netpols(args []*ast.Term) (ast.Value, error) {
	namespace, err := stringOf(args[0])
	if err != nil {
		return nil, err
	}
	var out []*ast.Term
	for _, n := range e.After.Netpols(namespace) {
		isolates := []*ast.Term{}
		for _, d := range []cluster.Direction{cluster.Egress, cluster.Ingress} {
			if n.Isolates[d] {
				isolates = append(isolates, str(d.String()))
			}
		}
		out = append(out, objectTerm(
			"namespace", str(n.Namespace),
			"name", str(n.Name),
			"podSelector", str(n.Selector.String()),
			"isolates", ast.ArrayTerm(isolates...),
			"ingressRules", ast.IntNumberTerm(len(n.Rules[cluster.Ingress])),
			"egressRules", ast.IntNumberTerm(len(n.Rules[cluster.Egress])),
		))
	}
	return ast.NewArray(out...), nil
}

func stringOf(t *ast.Term) (string, error) {
	s, ok := t.Value.(ast.String)
	if !ok {
		return "", fmt.Errorf("want a string, got %s", t)
	}
	return string(s), nil
}
