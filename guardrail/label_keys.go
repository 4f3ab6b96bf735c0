package guardrail

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// looker is something with a selector: a netpol, or a guardrail in its parameters.
type looker struct {
	by   string
	keys map[string]selector.Values
	// broken is set when it cannot be read in full: then it may look at any label.
	broken bool
}

func newLooker(by string, s selector.Selector) looker {
	requirements, _ := s.Requirements()
	l := looker{by: by, keys: map[string]selector.Values{}, broken: s.Broken()}
	for _, r := range requirements {
		l.keys[r.Key] = r.Values
	}
	return l
}

// lookers are the guardrails and exemptions of a configuration that look at labels of
// pods, and of namespaces.
type lookers struct{ pods, namespaces []looker }

func lookersOf(c *Config, instances []*instance, l *Library) (out lookers) {
	for _, in := range instances {
		by := "guardrail " + in.Name
		if parameters, err := ast.JSON(in.parameters.Value); err == nil {
			out.addFrom(by, "", parameters)
		}
		out.addMatch(by, in.Match)
		if !strings.HasPrefix(in.File, Embedded+"/") && in.constraint == nil && in.conftest == nil {
			out.addWritten(by, in.Guardrail, l.compiler)
		}
	}
	for _, x := range c.Exemptions {
		out.addMatch("exemption "+x.Name, x.Match)
	}
	return out
}

func (l *lookers) addMatch(by string, m Match) {
	if len(m.NamespaceSelector) > 0 {
		l.namespaces = append(l.namespaces, newLooker(by, m.selector))
	}
}

// addFrom finds the selectors in parameters: what is called so, and what has the form of one.
// Of such a one it is not known what it is for.
func (l *lookers) addFrom(by, name string, value any) {
	switch v := value.(type) {
	case []any:
		for _, x := range v {
			l.addFrom(by, name, x)
		}
	case map[string]any:
		_, hasLabels := v["matchLabels"]
		_, hasExpressions := v["matchExpressions"]
		switch {
		case name == "podSelector" || name == "namespaceSelector" || hasLabels || hasExpressions:
			l.add(name, newLooker(by, selectorOf(v)))
		default:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				l.addFrom(by, key, v[key])
			}
		}
	}
}

func (l *lookers) add(name string, x looker) {
	if name != "namespaceSelector" {
		l.pods = append(l.pods, x)
	}
	if name != "podSelector" {
		l.namespaces = append(l.namespaces, x)
	}
}

func selectorOf(v map[string]any) selector.Selector {
	raw, err := json.Marshal(v)
	if err != nil {
		return selector.Unknown()
	}
	s, err := parseSelector("", raw)
	if err != nil {
		return selector.Unknown()
	}
	return s
}

// addWritten finds the keys that are written down in the Rego of a guardrail that does not
// ship, or in what it shares with others: in selectors, and behind "labels".
func (l *lookers) addWritten(by string, g *Guardrail, c *ast.Compiler) {
	for _, m := range modulesOf(g, c) {
		ast.WalkTerms(m, func(t *ast.Term) bool {
			switch v := t.Value.(type) {
			case ast.Object:
				v.Foreach(func(key, value *ast.Term) {
					if name, ok := key.Value.(ast.String); ok && (name == "podSelector" || name == "namespaceSelector") {
						l.addKeys(by, string(name), writtenKeys(value))
					}
				})
			case ast.Ref:
				if key, ok := labelIn(v); ok {
					l.addKeys(by, "", []string{key})
				}
			}
			return false
		})
	}
}

// modulesOf are the module of a guardrail and what it uses of others that do not ship.
func modulesOf(g *Guardrail, c *ast.Compiler) []*ast.Module {
	out := []*ast.Module{c.Modules[g.File]}
	for i := 0; i < len(out); i++ {
		for _, file := range slices.Sorted(maps.Keys(c.Modules)) {
			m := c.Modules[file]
			if !strings.HasPrefix(file, Embedded+"/") && !slices.Contains(out, m) && uses(out[i], m) {
				out = append(out, m)
			}
		}
	}
	return out
}

func uses(m, other *ast.Module) bool {
	found := false
	ast.WalkRefs(m, func(r ast.Ref) bool {
		found = found || r.HasPrefix(other.Package.Path)
		return found
	})
	return found
}

func (l *lookers) addKeys(by, name string, keys []string) {
	for _, key := range keys {
		l.add(name, looker{by: by, keys: map[string]selector.Values{key: selector.Present()}})
	}
}

// writtenKeys are the keys of a selector in Rego, whose values may be variables.
func writtenKeys(t *ast.Term) (keys []string) {
	s, ok := t.Value.(ast.Object)
	if !ok {
		return nil
	}
	if l := s.Get(str("matchLabels")); l != nil {
		if o, ok := l.Value.(ast.Object); ok {
			o.Foreach(func(key, _ *ast.Term) { keys = appendText(keys, key) })
		}
	}
	if l := s.Get(str("matchExpressions")); l != nil {
		if a, ok := l.Value.(*ast.Array); ok {
			a.Foreach(func(x *ast.Term) {
				if o, ok := x.Value.(ast.Object); ok {
					keys = appendText(keys, o.Get(str("key")))
				}
			})
		}
	}
	return keys
}

func appendText(list []string, t *ast.Term) []string {
	if t == nil {
		return list
	}
	if s, ok := t.Value.(ast.String); ok {
		return append(list, string(s))
	}
	return list
}

// labelIn is the key in a reference such as object.metadata.labels.team.
func labelIn(r ast.Ref) (string, bool) {
	for i := 1; i+1 < len(r); i++ {
		key, ok := r[i+1].Value.(ast.String)
		if ok && r[i].Equal(str("labels")) {
			return string(key), true
		}
	}
	return "", false
}

// keyQuestion is that of netpol.label_keys.
type keyQuestion struct {
	Of        string   `json:"of"`
	Namespace string   `json:"namespace"`
	Keys      []string `json:"keys"`
}

// labelKeys is netpol.label_keys(question).
func (e *evaluation) labelKeys(args []*ast.Term) (ast.Value, error) {
	var q keyQuestion
	if err := decodeTerm(args[0], &q); err != nil {
		return nil, err
	}
	found := keysFound{question: q, by: map[string]*keyFound{}}
	switch {
	case q.Of == "pods":
		found.add(e.lookers.pods...)
		e.eachNetpol(func(n *cluster.Netpol) { found.addNetpol(n, q.Namespace) })
	case q.Of == "namespaces" && q.Namespace == "":
		found.add(e.lookers.namespaces...)
		e.eachNetpol(found.addNamespacesOf)
	case q.Of == "namespaces":
		return nil, errors.New("namespace: is for pods; what is asked about namespaces is asked about all of them")
	default:
		return nil, fmt.Errorf("of: %q is not supported; use pods or namespaces", q.Of)
	}
	return found.term(), nil
}

func (e *evaluation) eachNetpol(yield func(*cluster.Netpol)) {
	for ns := range e.After.Namespaces() {
		for _, n := range e.After.Netpols(ns.Name) {
			yield(n)
		}
	}
}

// keysFound collects who looks at which key.
type keysFound struct {
	question keyQuestion
	by       map[string]*keyFound
}

// keyFound is a key that something looks at: for some values, or for whether it is there.
type keyFound struct {
	by     map[string]bool
	values map[string]bool
	any    bool
}

// anyKey stands for every key, where something does not parse and no keys were asked about.
const anyKey = "*"

func (f *keysFound) add(all ...looker) {
	for _, l := range all {
		if l.broken {
			for _, key := range f.asked(anyKey) {
				f.at(key, l.by).any = true
			}
		}
		for key, values := range l.keys {
			if len(f.question.Keys) == 0 || slices.Contains(f.question.Keys, key) {
				f.at(key, l.by).take(values)
			}
		}
	}
}

func (f *keysFound) asked(otherwise ...string) []string {
	if len(f.question.Keys) > 0 {
		return f.question.Keys
	}
	return otherwise
}

func (f *keysFound) at(key, by string) *keyFound {
	k := f.by[key]
	if k == nil {
		k = &keyFound{by: map[string]bool{}, values: map[string]bool{}}
		f.by[key] = k
	}
	k.by[by] = true
	return k
}

func (k *keyFound) take(v selector.Values) {
	k.any = k.any || v.Lacking() != v.Others() || len(k.values)+len(v.Listed()) > maxLabelValues
	if !k.any {
		for _, value := range v.Listed() {
			k.values[value] = true
		}
	}
}

// matters reports whether a selector may look at what is asked about; it is cheap.
func (f *keysFound) matters(s selector.Selector) bool {
	return len(f.question.Keys) == 0 || s.Broken() || slices.ContainsFunc(f.question.Keys, s.Mentions)
}

func (f *keysFound) addSelector(n *cluster.Netpol, s selector.Selector) {
	if f.matters(s) {
		f.add(newLooker("NetworkPolicy "+n.Namespace+"/"+n.Name, s))
	}
}

// addNetpol takes a netpol as far as it sees the pods of a namespace.
func (f *keysFound) addNetpol(n *cluster.Netpol, namespace string) {
	own := namespace == "" || n.Namespace == namespace
	if own {
		f.addSelector(n, n.Selector)
	}
	for p := range n.Peers() {
		if p.Block == nil && (own || !p.OwnNamespace) {
			f.addSelector(n, readable(p, p.Pods))
		}
	}
}

// addNamespacesOf takes a netpol as far as it looks at labels of namespaces.
func (f *keysFound) addNamespacesOf(n *cluster.Netpol) {
	for p := range n.Peers() {
		if p.Block == nil && !p.OwnNamespace {
			f.addSelector(n, readable(p, p.Namespaces))
		}
	}
}

func readable(p *cluster.NetpolPeer, s selector.Selector) selector.Selector {
	if p.Broken {
		return s.Doubted()
	}
	return s
}

// Of one key at most so many of what looks at it, and of the values that matter, are told.
const (
	maxLabelLookers = 10
	maxLabelValues  = 100
)

func (f *keysFound) term() ast.Value {
	var out []*ast.Term
	for _, key := range slices.Sorted(maps.Keys(f.by)) {
		k := f.by[key]
		by := slices.Sorted(maps.Keys(k.by))
		var more, present *ast.Term
		if n := len(by) - maxLabelLookers; n > 0 {
			by, more = by[:maxLabelLookers], ast.IntNumberTerm(n)
		}
		if k.any {
			present = ast.BooleanTerm(true)
		}
		values := stringsTerm(slices.Sorted(maps.Keys(k.values)))
		out = append(out, objectTerm("key", str(key), "by", stringsTerm(by), "more", more, "values", values, "any", present))
	}
	return ast.NewArray(out...)
}

// labels is cluster.labels().
func (e *evaluation) labels([]*ast.Term) (ast.Value, error) {
	of, before := labelsOf(e.Change.Before)
	ofAfter, after := labelsOf(e.Change.After)
	if of == "" {
		of = ofAfter
	}
	if of == "" {
		return nil, nil
	}
	term := func(o cluster.Object, l labels.Set) *ast.Term {
		if o == nil {
			return nil
		}
		return labelsTerm(l)
	}
	return objectTerm("of", str(of), "before", term(e.Change.Before, before), "after", term(e.Change.After, after)).Value, nil
}

// labelsOf are the labels by which selectors choose an object, or the pods that it makes.
func labelsOf(o cluster.Object) (of string, l labels.Set) {
	switch o := o.(type) {
	case *cluster.Namespace:
		return "namespaces", o.Labels
	case *cluster.Pod:
		return "pods", o.Labels
	case *cluster.Template:
		return "pods", o.Labels
	}
	return "", nil
}
