package guardrail

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/podcullis/podcullis/connectivity"
)

// maxListed bounds how many connections the groups of one answer list.
const maxListed = 2000

// grouped is netpol.grouped(connections): those that have the same cause and target are
// one, so that a person reads "78 workloads could reach payments/db" and not 78 times the
// same. Who compares answers over time (see EvaluateInHindsight) gets each by itself: what
// a group says changes with everybody who joins it.
func (e *evaluation) grouped(args []*ast.Term) (ast.Value, error) {
	list, ok := args[0].Value.(*ast.Array)
	if !ok {
		return nil, fmt.Errorf("want an array of connections, got %s", args[0])
	}
	g := grouping{terms: map[int][]int{}, groups: map[[3]int]*group{}}
	for i := range list.Len() {
		c, ok := list.Elem(i).Value.(ast.Object)
		if !ok {
			return nil, fmt.Errorf("want connections, got %s", list.Elem(i))
		}
		if i%1000 == 0 && e.world.turn != nil && e.world.turn.over() {
			return nil, e.world.turn.err()
		}
		apart := 0
		if e.world.apart {
			apart = i + 1
		}
		if err := g.add(c, apart); err != nil {
			return nil, err
		}
	}
	var out []*ast.Term
	left := maxListed
	for _, x := range g.byTarget() {
		out = append(out, x.term(&left))
	}
	return ast.NewArray(out...), nil
}

// grouping collects the groups of one answer. Terms are known by numbers.
type grouping struct {
	terms  map[int][]int // by hash
	known  []*ast.Term
	groups map[[3]int]*group
	order  []*group
}

// group is connections with the same cause.
type group struct {
	cause       int
	from, to    []int // peers, each once, in order
	ports       connectivity.PortSet
	mixed       bool // the connections differ in their ports
	connections []ast.Object
	known       *[]*ast.Term
}

// number makes equal terms equal numbers.
func (g *grouping) number(t *ast.Term) int {
	hash := t.Value.Hash()
	for _, n := range g.terms[hash] {
		if g.known[n].Value.Compare(t.Value) == 0 {
			return n
		}
	}
	g.known = append(g.known, t)
	n := len(g.known) - 1
	g.terms[hash] = append(g.terms[hash], n)
	return n
}

// add puts a connection to those of the same cause and target.
func (g *grouping) add(c ast.Object, apart int) error {
	ports, err := portsOf(c.Get(str("ports")))
	if err != nil {
		return err
	}
	from, to := g.number(peerOf(c, "from")), g.number(peerOf(c, "to"))
	cause := g.number(causeOf(c))
	key := [3]int{cause, to, apart}
	x, ok := g.groups[key]
	if !ok {
		x = &group{cause: cause, to: []int{to}, ports: ports, known: &g.known}
		g.groups[key] = x
		g.order = append(g.order, x)
	}
	if !slices.Contains(x.from[max(0, len(x.from)-1):], from) { // they come sorted
		x.from = append(x.from, from)
	}
	x.mixed = x.mixed || !x.ports.Equal(ports)
	x.ports = x.ports.Union(ports)
	x.connections = append(x.connections, c)
	return nil
}

// byTarget brings together what the same peers reach for the same cause, on the same ports.
func (g *grouping) byTarget() []*group {
	if g.apart() {
		return g.order
	}
	var out []*group
	at := map[string]*group{}
	for _, x := range g.order {
		key := fmt.Sprint(x.cause, x.from, x.ports, x.mixed)
		same, ok := at[key]
		if !ok {
			at[key] = x
			out = append(out, x)
			continue
		}
		same.to = append(same.to, x.to...)
		same.connections = append(same.connections, x.connections...)
	}
	return out
}

func (g *grouping) apart() bool {
	for key := range g.groups {
		return key[2] != 0
	}
	return false
}

// term is the first connection with the peers, ports and connections of all. What is
// beyond the limit is counted as more.
func (x *group) term(left *int) *ast.Term {
	listed := min(len(x.connections), max(1, *left))
	*left -= listed
	list := make([]*ast.Term, 0, listed)
	for _, c := range x.connections[:listed] {
		list = append(list, ast.NewTerm(c))
	}
	out := ast.NewObject()
	x.connections[0].Foreach(func(k, v *ast.Term) { out.Insert(k, v) })
	out.Insert(str("ports"), portsTerm(x.ports))
	out.Insert(str("connections"), ast.ArrayTerm(list...))
	if more := len(x.connections) - listed; more > 0 {
		out.Insert(str("more"), ast.IntNumberTerm(more))
	}
	if x.mixed {
		out.Insert(str("mixed"), ast.BooleanTerm(true))
	}
	for name, ends := range map[string][]int{"from": x.from, "to": x.to} {
		if len(ends) > 1 {
			out.Insert(str(name), x.several(ends))
		}
	}
	return ast.NewTerm(out)
}

// several is more than one peer as one: {many, text, brief, namespaces, ...}, where text
// names them and brief refers to them once they are named.
func (x *group) several(ends []int) *ast.Term {
	peers := make([]ast.Object, 0, len(ends))
	for _, n := range ends {
		peers = append(peers, (*x.known)[n].Value.(ast.Object))
	}
	var namespaces []string
	for _, p := range peers {
		if ns := textOf(p, "namespace"); ns != "" {
			namespaces = append(namespaces, ns)
		}
	}
	slices.Sort(namespaces)
	namespaces = slices.Compact(namespaces)
	text, brief := wordsOf(peers, namespaces)
	out := ast.NewObject()
	for _, key := range []string{"hostNetwork", "witness", "key"} { // see causeOf: all have the same
		if v := peers[0].Get(str(key)); v != nil {
			out.Insert(str(key), v)
		}
	}
	if textOf(peers[0], "cidr") != "" {
		out.Insert(str("cidr"), str(text))
	} else if _, witness := isWitness(peers[0]); !witness {
		out.Insert(str("name"), str(brief))
	}
	out.Insert(str("many"), ast.IntNumberTerm(len(peers)))
	out.Insert(str("text"), str(text))
	out.Insert(str("brief"), str(brief))
	list := make([]*ast.Term, 0, len(namespaces))
	for _, ns := range namespaces {
		list = append(list, str(ns))
	}
	out.Insert(str("namespaces"), ast.ArrayTerm(list...))
	return ast.NewTerm(out)
}

// maxExamples is how many peers, or namespaces, are named as an example.
const maxExamples = 3

func wordsOf(peers []ast.Object, namespaces []string) (text, brief string) {
	if textOf(peers[0], "cidr") != "" {
		var blocks []netip.Prefix
		for _, p := range peers {
			if block, err := netip.ParsePrefix(textOf(p, "cidr")); err == nil {
				blocks = append(blocks, block)
			}
		}
		if all := connectivity.Anywhere(); slices.Equal(blocks, all[:]) {
			return "any address outside the cluster", "those addresses"
		}
		return connectivity.AddressesText(blocks), "those addresses"
	}
	where := "namespace " + strings.Join(namespaces, "")
	if n := len(namespaces); n > maxExamples {
		where = fmt.Sprintf("%d namespaces (such as %s)", n, and(namespaces[:maxExamples]))
	} else if n > 1 {
		where = "namespaces " + and(namespaces)
	}
	if labels, witness := isWitness(peers[0]); witness {
		return "pods in " + where + labels, "those pods"
	}
	names := make([]string, 0, len(peers))
	for _, p := range peers {
		names = append(names, fmt.Sprintf("%s/%s/%s", textOf(p, "namespace"), textOf(p, "kind"), textOf(p, "name")))
	}
	brief = fmt.Sprintf("the %d workloads", len(peers))
	if len(names) <= maxExamples {
		return and(names), brief
	}
	if n := len(namespaces); n > 1 {
		where = fmt.Sprintf("%d namespaces", n)
	}
	return fmt.Sprintf("%d workloads in %s (such as %s)", len(peers), where, and(examples(names))), brief
}

// examples are a few of the names, of as many namespaces as possible.
func examples(names []string) []string {
	var first, others []string
	seen := map[string]bool{}
	for _, n := range names {
		namespace, _, _ := strings.Cut(n, "/")
		if seen[namespace] {
			others = append(others, n)
		} else {
			first = append(first, n)
		}
		seen[namespace] = true
	}
	return append(first, others...)[:maxExamples]
}

func and(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// isWitness tells whether a peer is a pod that could be created, and with which labels.
func isWitness(p ast.Object) (labels string, witness bool) {
	if p.Get(str("witness")) == nil {
		return "", false
	}
	l, _ := valueOf(p, "labels").(ast.Object)
	switch {
	case l == nil:
		return "", true
	case l.Len() == 0:
		labels = " without labels"
	default:
		var list []string
		l.Foreach(func(k, v *ast.Term) { list = append(list, textIn(k)+"="+textIn(v)) })
		slices.Sort(list)
		labels = " with labels " + strings.Join(list, ",")
	}
	if ports, _ := valueOf(p, "namedPorts").(*ast.Array); ports != nil && ports.Len() > 0 {
		var names []string
		ports.Foreach(func(t *ast.Term) {
			if o, ok := t.Value.(ast.Object); ok {
				names = append(names, textOf(o, "name"))
			}
		})
		labels += " and a port named " + strings.Join(names, " and ")
	}
	return labels, true
}

// causeOf is what connections have in common that go into one group: all but who they are
// between, of the reasons only those that are told, and what sort of peers they are.
func causeOf(c ast.Object) *ast.Term {
	out := ast.NewObject()
	byNamespace := false
	c.Foreach(func(k, v *ast.Term) {
		switch textIn(k) {
		case "from", "to", "ports":
		case "because":
			v, byNamespace = tellingOf(v)
			out.Insert(k, v)
		default:
			out.Insert(k, v)
		}
	})
	for _, name := range []string{"from", "to"} {
		p, _ := peerOf(c, name).Value.(ast.Object)
		if p == nil {
			continue
		}
		labels, witness := isWitness(p)
		sort := objectTerm("host", p.Get(str("hostNetwork")), "witness", ast.BooleanTerm(witness), "labels", str(labels), "key", p.Get(str("key")),
			"outside", ast.BooleanTerm(textOf(p, "cidr") != ""))
		if byNamespace {
			sort.Value.(ast.Object).Insert(str("namespace"), str(textOf(p, "namespace")))
		}
		out.Insert(str(name), sort)
	}
	return ast.NewTerm(out)
}

// tellingOf are the reasons that are new, or all where none is, without their ports; and
// whether one of them speaks of a peer's namespace.
func tellingOf(because *ast.Term) (telling *ast.Term, byNamespace bool) {
	list, ok := because.Value.(*ast.Array)
	if !ok {
		return because, false
	}
	var all, news []*ast.Term
	list.Foreach(func(t *ast.Term) {
		o, _ := t.Value.(ast.Object)
		if o == nil {
			return
		}
		byNamespace = byNamespace || textOf(o, "unknown") == string(connectivity.NamespaceUnknown)
		all = append(all, t)
		if o.Get(str("new")) != nil {
			news = append(news, t)
		}
	})
	if len(news) > 0 {
		return ast.ArrayTerm(news...), byNamespace
	}
	return ast.ArrayTerm(all...), byNamespace
}

func peerOf(c ast.Object, name string) *ast.Term {
	if p := c.Get(str(name)); p != nil {
		if _, ok := p.Value.(ast.Object); ok {
			return p
		}
	}
	return objectTerm()
}

func portsOf(t *ast.Term) (out connectivity.PortSet, err error) {
	if t == nil {
		return out, nil
	}
	list, ok := t.Value.(*ast.Array)
	if !ok {
		return out, fmt.Errorf("ports: want an array, got %s", t)
	}
	for i := range list.Len() {
		var p portQuestion
		if err := decodeTerm(list.Elem(i), &p); err != nil {
			return out, fmt.Errorf("ports[%d]: %w", i, err)
		}
		r, err := p.portRange()
		if err != nil {
			return out, fmt.Errorf("ports[%d].%w", i, err)
		}
		out = out.Union(connectivity.Ports(r))
	}
	return out, nil
}

func valueOf(o ast.Object, key string) ast.Value {
	if t := o.Get(str(key)); t != nil {
		return t.Value
	}
	return nil
}

func textOf(o ast.Object, key string) string { return textIn(o.Get(str(key))) }

func textIn(t *ast.Term) string {
	if t == nil {
		return ""
	}
	s, _ := t.Value.(ast.String)
	return string(s)
}
