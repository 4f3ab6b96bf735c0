package guardrail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"go4.org/netipx"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// What a question may come to: exceptions are taken apart into selections that need none.
const (
	maxQueries = 128
	maxParts   = 128
)

// endpoints are from or to of a question about paths: one endpoint, or a list of them.
type endpoints struct {
	list []endpoint
	many bool
}

func (e *endpoints) UnmarshalJSON(raw []byte) error {
	if e.many = bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")); e.many {
		if err := decodeStrict(raw, &e.list); err != nil {
			return err
		}
		if len(e.list) == 0 {
			return fmt.Errorf("an empty list asks about nobody; {} selects every workload")
		}
		return nil
	}
	e.list = make([]endpoint, 1)
	return decodeStrict(raw, &e.list[0])
}

// selections are what each endpoint comes to.
func (e *endpoints) selections(side string) (out [][]connectivity.Selection, err error) {
	for i, x := range e.list {
		at := side
		if e.many {
			at = fmt.Sprintf("%s[%d]", side, i)
		}
		parts, err := x.selections()
		if err != nil {
			return nil, fmt.Errorf("%s.%w", at, err)
		}
		out = append(out, parts)
	}
	return out, nil
}

// place chooses workloads by selectors, or addresses outside the cluster.
type place struct {
	selectorPair
	CIDR string `json:"cidr"`
}

// endpoint is a place, or all that is outside, less some places.
type endpoint struct {
	place
	Outside bool    `json:"outside"`
	Except  []place `json:"except"`
}

func (p place) block() (netip.Prefix, error) {
	if p.NamespaceSelector != nil || p.PodSelector != nil {
		return netip.Prefix{}, fmt.Errorf("cidr: cannot stand beside namespaceSelector or podSelector")
	}
	block, err := netip.ParsePrefix(p.CIDR)
	if err != nil {
		return block, fmt.Errorf("cidr: %q is not a CIDR such as 10.0.0.0/8", p.CIDR)
	}
	return block.Masked(), nil
}

func (e endpoint) selections() ([]connectivity.Selection, error) {
	switch {
	case e.Outside && (e.CIDR != "" || e.NamespaceSelector != nil || e.PodSelector != nil):
		return nil, fmt.Errorf("outside: stands alone, or beside except; a list has room for the pods, too")
	case e.Outside:
		all := connectivity.Anywhere()
		return e.addresses(all[:]...)
	case e.CIDR != "":
		block, err := e.block()
		if err != nil {
			return nil, err
		}
		return e.addresses(block)
	}
	return e.workloads()
}

// addresses are blocks without the exceptions, by the fewest blocks.
func (e endpoint) addresses(blocks ...netip.Prefix) ([]connectivity.Selection, error) {
	var set netipx.IPSetBuilder
	for _, b := range blocks {
		set.AddPrefix(b)
	}
	for i, x := range e.Except {
		if x.CIDR == "" {
			return nil, fmt.Errorf("except[%d]: want a cidr, as what it is an exception from are addresses", i)
		}
		block, err := x.block()
		if err != nil {
			return nil, fmt.Errorf("except[%d].%w", i, err)
		}
		set.RemovePrefix(block)
	}
	left, err := set.IPSet()
	if err != nil {
		return nil, err
	}
	var out []connectivity.Selection
	for _, b := range left.Prefixes() {
		out = append(out, connectivity.Selection{Block: b})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("except: leaves nobody")
	}
	return out, e.tooMany(len(out))
}

func (e endpoint) tooMany(parts int) error {
	if parts > maxParts {
		return fmt.Errorf("except: comes to more than %d selections; name fewer labels or blocks", maxParts)
	}
	return nil
}

// pairOfSelectors is a selectorPair as it is edited; a missing selector is one without
// requirements.
type pairOfSelectors struct{ namespaces, pods metav1.LabelSelector }

// workloads takes exceptions apart: all but those with a=1 and b=2 are those without a=1,
// and those with a=1 and without b=2. So whatever knows selectors knows exceptions.
func (e endpoint) workloads() ([]connectivity.Selection, error) {
	base, err := e.selectors()
	if err != nil {
		return nil, err
	}
	parts := []pairOfSelectors{base}
	for i, x := range e.Except {
		if x.CIDR != "" {
			return nil, fmt.Errorf("except[%d].cidr: want selectors, as what it is an exception from are pods", i)
		}
		without, err := x.selectors()
		if err != nil {
			return nil, fmt.Errorf("except[%d].%w", i, err)
		}
		if parts = without.takenFrom(parts); len(parts) == 0 {
			return nil, fmt.Errorf("except[%d]: chooses all that there is, so that nobody is left", i)
		}
		if err := e.tooMany(len(parts)); err != nil {
			return nil, err
		}
	}
	var out []connectivity.Selection
	for _, p := range parts {
		s, err := p.selection()
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func (p selectorPair) selectors() (out pairOfSelectors, err error) {
	for _, s := range []struct {
		field string
		raw   json.RawMessage
		into  *metav1.LabelSelector
	}{{"namespaceSelector", p.NamespaceSelector, &out.namespaces}, {"podSelector", p.PodSelector, &out.pods}} {
		if _, err := parseSelector(s.field, s.raw); err != nil {
			return out, err
		}
		if len(s.raw) > 0 && !bytes.Equal(s.raw, []byte("null")) {
			if err := decodeStrict(s.raw, s.into); err != nil {
				return out, fmt.Errorf("%s: %w", s.field, err)
			}
		}
	}
	return out, nil
}

func (p pairOfSelectors) selection() (out connectivity.Selection, err error) {
	if out.Namespaces, err = selector.New(p.namespaces); err != nil {
		return out, fmt.Errorf("namespaceSelector: %w", err)
	}
	if out.Pods, err = selector.New(p.pods); err != nil {
		return out, fmt.Errorf("podSelector: %w", err)
	}
	return out, nil
}

// takenFrom are parts without what the selectors choose.
func (p pairOfSelectors) takenFrom(parts []pairOfSelectors) []pairOfSelectors {
	var out []pairOfSelectors
	add := func(part pairOfSelectors) {
		if satisfiable(part.namespaces) && satisfiable(part.pods) {
			out = append(out, part)
		}
	}
	for _, rest := range parts {
		for _, r := range requirementsOf(p.namespaces) {
			add(pairOfSelectors{with(rest.namespaces, opposite(r)), rest.pods})
			rest.namespaces = with(rest.namespaces, r)
		}
		for _, r := range requirementsOf(p.pods) {
			add(pairOfSelectors{rest.namespaces, with(rest.pods, opposite(r))})
			rest.pods = with(rest.pods, r)
		}
	}
	return out
}

// satisfiable tells whether some labels meet all requirements: they are looked at key by
// key, as no requirement is about two.
func satisfiable(s metav1.LabelSelector) bool {
	byKey := map[string][]metav1.LabelSelectorRequirement{}
	for _, r := range requirementsOf(s) {
		byKey[r.Key] = append(byKey[r.Key], r)
	}
	for _, list := range byKey {
		has := func(o metav1.LabelSelectorOperator) func(metav1.LabelSelectorRequirement) bool {
			return func(r metav1.LabelSelectorRequirement) bool { return r.Operator == o }
		}
		in := slices.IndexFunc(list, has(metav1.LabelSelectorOpIn))
		present := in >= 0 || slices.ContainsFunc(list, has(metav1.LabelSelectorOpExists))
		if present && slices.ContainsFunc(list, has(metav1.LabelSelectorOpDoesNotExist)) {
			return false
		}
		fits := func(value string) bool {
			return !slices.ContainsFunc(list, func(r metav1.LabelSelectorRequirement) bool {
				listed := slices.Contains(r.Values, value)
				return r.Operator == metav1.LabelSelectorOpIn && !listed || r.Operator == metav1.LabelSelectorOpNotIn && listed
			})
		}
		if in >= 0 && !slices.ContainsFunc(list[in].Values, fits) {
			return false
		}
	}
	return true
}

func requirementsOf(s metav1.LabelSelector) (out []metav1.LabelSelectorRequirement) {
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		out = append(out, metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpIn, Values: []string{s.MatchLabels[key]}})
	}
	return append(out, s.MatchExpressions...)
}

func with(s metav1.LabelSelector, r metav1.LabelSelectorRequirement) metav1.LabelSelector {
	s.MatchExpressions = append(slices.Clone(s.MatchExpressions), r)
	return s
}

// opposite is the requirement that a set of labels meets when it does not meet this one.
func opposite(r metav1.LabelSelectorRequirement) metav1.LabelSelectorRequirement {
	r.Operator = map[metav1.LabelSelectorOperator]metav1.LabelSelectorOperator{
		metav1.LabelSelectorOpIn:           metav1.LabelSelectorOpNotIn,
		metav1.LabelSelectorOpNotIn:        metav1.LabelSelectorOpIn,
		metav1.LabelSelectorOpExists:       metav1.LabelSelectorOpDoesNotExist,
		metav1.LabelSelectorOpDoesNotExist: metav1.LabelSelectorOpExists,
	}[r.Operator]
	return r
}
