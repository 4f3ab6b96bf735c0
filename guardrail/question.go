package guardrail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// selectorPair chooses workloads as a netpol's peer does; a missing selector
// selects all.
type selectorPair struct {
	NamespaceSelector json.RawMessage `json:"namespaceSelector"`
	PodSelector       json.RawMessage `json:"podSelector"`
}

func (p selectorPair) selection() (connectivity.Selection, error) {
	namespaces, err := parseSelector("namespaceSelector", p.NamespaceSelector)
	if err != nil {
		return connectivity.Selection{}, err
	}
	pods, err := parseSelector("podSelector", p.PodSelector)
	return connectivity.Selection{Namespaces: namespaces, Pods: pods}, err
}

type portQuestion struct {
	Protocol string `json:"protocol"`
	Port     int    `json:"port"`
	EndPort  int    `json:"endPort"`
}

// pathQuestion is {from, to, ports?, scope?, unknown?} as it was read.
type pathQuestion struct {
	// From and To are the elements of each side, in order, each as what it comes to.
	From, To [][]connectivity.Selection
	// Queries ask for all of it.
	Queries []connectivity.Query
}

// parsePathQuestion reads {from, to, ports?, scope?, unknown?}.
func parsePathQuestion(t *ast.Term) (out pathQuestion, err error) {
	q, err := out.parse(t)
	if err != nil {
		return out, err
	}
	for _, from := range slices.Concat(out.From...) {
		for _, to := range slices.Concat(out.To...) {
			if from.Block.IsValid() && to.Block.IsValid() {
				continue // nothing in the cluster has a say
			}
			q.From, q.To = from, to
			out.Queries = append(out.Queries, q)
		}
	}
	switch {
	case len(out.Queries) == 0:
		return out, fmt.Errorf("from and to: one of them must be in the cluster, both are a cidr")
	case len(out.Queries) > maxQueries:
		return out, fmt.Errorf("from and to: with their lists and exceptions they come to %d questions, and at most %d are asked; let except name fewer labels or blocks", len(out.Queries), maxQueries)
	}
	return out, nil
}

// parse reads all but which ends are asked about together.
func (out *pathQuestion) parse(t *ast.Term) (connectivity.Query, error) {
	var in struct {
		From, To *endpoints
		Ports    []portQuestion `json:"ports"`
		Scope    string         `json:"scope"`
		Unknown  struct {
			Blocked []connectivity.Uncertainty `json:"blocked"`
		} `json:"unknown"`
	}
	var q connectivity.Query
	if err := decodeTerm(t, &in); err != nil {
		return q, err
	}
	if in.From == nil || in.To == nil {
		return q, fmt.Errorf("from and to: both are needed; {} selects every workload")
	}
	switch in.Scope {
	case "", "existing":
	case "possible":
		q.Scope = connectivity.Possible
	default:
		return q, fmt.Errorf("scope: %q is not supported; use existing or possible", in.Scope)
	}
	for i, u := range in.Unknown.Blocked {
		if !slices.Contains(connectivity.Uncertainties(), u) {
			return q, fmt.Errorf("unknown.blocked[%d]: %q is not a reason; the reasons are %s", i, u, join(connectivity.Uncertainties()))
		}
	}
	q.Blocked = in.Unknown.Blocked
	var err error
	if out.From, err = in.From.selections("from"); err != nil {
		return q, err
	}
	if out.To, err = in.To.selections("to"); err != nil {
		return q, err
	}
	for i, p := range in.Ports {
		r, err := p.portRange()
		if err != nil {
			return q, fmt.Errorf("ports[%d].%w", i, err)
		}
		q.Ports = q.Ports.Union(connectivity.Ports(r))
	}
	return q, nil
}

func join(reasons []connectivity.Uncertainty) string {
	var out []string
	for _, r := range reasons {
		out = append(out, string(r))
	}
	return strings.Join(out, ", ")
}

func (p portQuestion) portRange() (connectivity.PortRange, error) {
	r := connectivity.PortRange{Protocol: cluster.TCP, First: 1, Last: 65535}
	if p.Protocol != "" {
		protocol, ok := cluster.ParseProtocol(p.Protocol)
		if !ok {
			return r, fmt.Errorf("protocol: %q is not supported; use TCP, UDP or SCTP", p.Protocol)
		}
		r.Protocol = protocol
	}
	if p.Port == 0 && p.EndPort == 0 {
		return r, nil
	}
	last := p.EndPort
	if last == 0 {
		last = p.Port
	}
	if p.Port < 1 || last > 65535 || last < p.Port {
		return r, fmt.Errorf("port: %d to %d is not a range within 1 to 65535", p.Port, last)
	}
	r.First, r.Last = uint16(p.Port), uint16(last)
	return r, nil
}

func parseDirections(names []string) ([]cluster.Direction, error) {
	if len(names) == 0 {
		return []cluster.Direction{cluster.Ingress, cluster.Egress}, nil
	}
	var out []cluster.Direction
	for _, n := range names {
		switch {
		case strings.EqualFold(n, "Ingress"):
			out = append(out, cluster.Ingress)
		case strings.EqualFold(n, "Egress"):
			out = append(out, cluster.Egress)
		default:
			return nil, fmt.Errorf("directions: %q is not supported; use Ingress or Egress", n)
		}
	}
	return out, nil
}

// parseSelector reads a metav1.LabelSelector, strictly; a missing one selects all.
func parseSelector(field string, raw json.RawMessage) (selector.Selector, error) {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return selector.Everything(), nil
	}
	var s metav1.LabelSelector
	if err := decodeStrict(raw, &s); err != nil {
		return selector.Selector{}, fmt.Errorf("%s: %w", field, err)
	}
	compiled, err := selector.New(s)
	if err != nil {
		return selector.Selector{}, fmt.Errorf("%s: %w", field, err)
	}
	return compiled, nil
}

func nameSelector(namespace string) metav1.LabelSelector {
	return metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": namespace}}
}

// decodeTerm reads a Rego value; an unknown field is an error, because a misspelt
// selector would select everything.
func decodeTerm(t *ast.Term, into any) error {
	v, err := ast.JSON(t.Value)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return decodeStrict(raw, into)
}
