package remedy

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// String is "ingress rule 1".
func (r ruleAt) String() string { return fmt.Sprintf("%s rule %d", r.direction, r.rule+1) }

// leave says how a selector is narrowed to what a requirement does not match.
func leave(r metav1.LabelSelectorRequirement, out, in string) string {
	values := strings.Join(r.Values, " or ")
	switch r.Operator {
	case metav1.LabelSelectorOpIn:
		return fmt.Sprintf("leave the pods with %s=%s %s", r.Key, values, out)
	case metav1.LabelSelectorOpNotIn:
		return fmt.Sprintf("leave only the pods with %s=%s %s", r.Key, values, in)
	case metav1.LabelSelectorOpExists:
		return fmt.Sprintf("leave the pods with a label %s %s", r.Key, out)
	}
	return fmt.Sprintf("leave only the pods with a label %s %s", r.Key, in)
}

func peerText(p cluster.NetpolPeer) string {
	switch {
	case p.Block != nil:
		return "ipBlock " + p.Block.Prefix.String()
	case p.OwnNamespace:
		return fmt.Sprintf("podSelector %s", p.Pods)
	}
	return fmt.Sprintf("namespaceSelector %s, podSelector %s", p.Namespaces, p.Pods)
}

// text joins what is to be done, object by object.
func (s *search) text(edits []edit) string {
	var objects []cluster.Ref
	parts := map[cluster.Ref][]string{}
	for _, e := range edits {
		if !slices.Contains(objects, e.object) {
			objects = append(objects, e.object)
		}
		parts[e.object] = append(parts[e.object], e.text)
	}
	var out []string
	for _, o := range objects {
		text := strings.Join(parts[o], ", and ")
		if o != s.review.Change.Ref() {
			text = fmt.Sprintf("first, in %s %s/%s, which this change does not touch, %s", o.Kind, o.Namespace, o.Name, text)
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

// Summary is the remedy in one line: what to do, and what it costs.
func (r Remedy) Summary() string {
	text := r.Text
	for _, more := range []string{r.Cost(), r.Unless} {
		if more != "" {
			text += "; " + more
		}
	}
	return text
}

// Cost says what an edit leaves of what the change opens, and names what it closes.
func (r Remedy) Cost() string {
	var parts []string
	switch lost := len(r.Lost); {
	case r.Opened == 0:
	case r.Kept == 0 && lost == 0:
		return "it opens nothing else"
	case r.Kept == 0:
		parts = append(parts, fmt.Sprintf("keeps none of the %d connections that it opens", r.Opened))
	default:
		parts = append(parts, fmt.Sprintf("keeps %d of the %d connections that it opens", r.Kept, r.Opened))
	}
	if lost := r.LostText(); lost != "" {
		parts = append(parts, "closes "+lost)
	}
	return strings.Join(parts, ", ")
}

// Advice is what a person reads: the summary, and the changed parts in YAML.
func (r Remedy) Advice() string {
	var b strings.Builder
	b.WriteString(r.Summary())
	for _, e := range r.Edits {
		if e.Part == "" {
			continue
		}
		if (len(r.Edits) > 1 || !e.Own) && !e.New {
			fmt.Fprintf(&b, "\n  # %s %s/%s", e.Object.Kind, e.Object.Namespace, e.Object.Name)
		}
		for line := range strings.SplitSeq(e.Part, "\n") {
			b.WriteString("\n  " + line)
		}
	}
	return b.String()
}

// maxNamed is how many of the connections that are lost are named.
const maxNamed = 2

// LostText names what is closed beside what is forbidden; "" for nothing.
func (r Remedy) LostText() string { return Named(r.Lost) }

// Named names the first of some connections and counts the others, those with the same
// ends and ports as one; "" for none.
func Named(list []connectivity.Connection) string {
	groups := groupsOf(list)
	var out []string
	for i, g := range groups {
		if i == maxNamed {
			return fmt.Sprintf("%s and %d more", strings.Join(out, "; "), rest(groups[i:], func(g *lostGroup) int { return len(g.from) * len(g.to) }))
		}
		out = append(out, fmt.Sprintf("%s to %s on %s", join(few(g.from)), join(few(g.to)), g.ports))
	}
	return strings.Join(out, "; ")
}

// few are the first of many names.
func few(names []string) []string {
	if len(names) > 3 {
		return append(slices.Clone(names[:2]), fmt.Sprintf("%d more", len(names)-2))
	}
	return names
}

// lostGroup are connections from the same peers to the same ones, on the same ports.
type lostGroup struct {
	from, to []string
	ports    string
}

const outsideText = "any address outside the cluster"

func groupsOf(list []connectivity.Connection) []*lostGroup {
	var byTarget []*lostGroup
	for _, l := range setsOf(list) {
		i := slices.IndexFunc(byTarget, func(g *lostGroup) bool { return g.to[0] == l.to && g.ports == l.ports })
		if i < 0 {
			byTarget = append(byTarget, &lostGroup{to: []string{l.to}, ports: l.ports})
			i = len(byTarget) - 1
		}
		byTarget[i].from = append(byTarget[i].from, l.from)
	}
	var groups []*lostGroup
	for _, g := range byTarget {
		i := slices.IndexFunc(groups, func(o *lostGroup) bool { return o.ports == g.ports && slices.Equal(o.from, g.from) })
		if i < 0 {
			groups = append(groups, g)
			continue
		}
		groups[i].to = append(groups[i].to, g.to...)
	}
	return groups
}

// lostSet is a connection that is lost; blocks that behave alike are one peer for people.
type lostSet struct {
	from, to, ports string
	blocks          []netip.Prefix
}

func setsOf(list []connectivity.Connection) []*lostSet {
	var out []*lostSet
	at := map[lostKey]*lostSet{}
	for _, l := range list {
		s := &lostSet{from: l.From.String(), to: l.To.String(), ports: l.Ports.String()}
		key := lostKey{s.from, s.to, s.ports}
		block := l.From.CIDR
		switch {
		case l.From.Workload == nil && l.From.Witness == nil:
			key.from = outsideText
		case l.To.Workload == nil && l.To.Witness == nil:
			key.to, block = outsideText, l.To.CIDR
		}
		if known, ok := at[key]; ok {
			known.blocks = append(known.blocks, block)
			continue
		}
		s.blocks = append(s.blocks, block)
		at[key] = s
		out = append(out, s)
	}
	for key, s := range at {
		switch outsideText {
		case key.from:
			s.from = addressesText(s.blocks)
		case key.to:
			s.to = addressesText(s.blocks)
		}
	}
	return out
}

type lostKey struct{ from, to, ports string }

func addressesText(blocks []netip.Prefix) string {
	all := connectivity.Anywhere()
	if slices.Equal(blocks, all[:]) {
		return outsideText
	}
	return connectivity.AddressesText(blocks)
}

func rest[T any](list []T, count func(T) int) int {
	n := 0
	for _, x := range list {
		n += count(x)
	}
	return n
}

func join(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// maxLine is the longest YAML, in bytes, that is written in one line.
const maxLine = 140

// changedPart is what differs between a netpol and its draft, in YAML: the podSelector,
// the policyTypes, the rules of a direction.
func changedPart(is *cluster.Netpol, d *cluster.Draft) (yaml string, same bool) {
	was, ok := is.Draft()
	if !ok {
		return "", false
	}
	before, after := was.Spec(), d.Spec()
	var parts []string
	add := func(name string, is, was any) {
		if !reflect.DeepEqual(is, was) {
			parts = append(parts, yamlOf(name, is))
		}
	}
	add("podSelector", after.PodSelector, before.PodSelector)
	slices.Sort(before.PolicyTypes)
	slices.Sort(after.PolicyTypes)
	slices.Reverse(before.PolicyTypes) // Ingress first, as people write it
	slices.Reverse(after.PolicyTypes)
	add("policyTypes", after.PolicyTypes, before.PolicyTypes)
	add("ingress", orEmpty(after.Ingress), orEmpty(before.Ingress))
	add("egress", orEmpty(after.Egress), orEmpty(before.Egress))
	return strings.Join(parts, "\n"), len(parts) == 0
}

// orEmpty makes no difference between no rule and no list of rules.
func orEmpty[T any](rules []T) []T { return append([]T{}, rules...) }

// yamlOf writes a field in one line if that is short enough to be read.
func yamlOf(name string, value any) string {
	raw, err := json.Marshal(map[string]any{name: value})
	if err != nil {
		return ""
	}
	return short(raw)
}

// short writes JSON as YAML with as much in one line as can be read there.
func short(raw []byte) string {
	block, err := yaml.JSONToYAML(raw)
	if err != nil {
		return ""
	}
	var node yamlv3.Node
	if yamlv3.Unmarshal(block, &node) != nil || len(node.Content) == 0 {
		return strings.TrimSpace(string(block))
	}
	for depth := range maxBlockDepth { // as much in one line as can be read there
		flow(node.Content[0], depth)
		var out strings.Builder
		e := yamlv3.NewEncoder(&out)
		e.SetIndent(2)
		e.CompactSeqIndent()
		if e.Encode(&node) != nil {
			break
		}
		text := strings.TrimSpace(out.String())
		if !slices.ContainsFunc(strings.Split(text, "\n"), func(l string) bool { return len(l) > maxLine }) {
			return text
		}
	}
	return strings.TrimSpace(string(block))
}

// shortManifest writes an object as YAML, each part in one line that can be read there.
func shortManifest(raw []byte) string {
	block, err := yaml.JSONToYAML(raw)
	if err != nil {
		return ""
	}
	var node yamlv3.Node
	if yamlv3.Unmarshal(block, &node) != nil || len(node.Content) == 0 {
		return strings.TrimSpace(string(block))
	}
	for _, field := range node.Content[0].Content {
		fold(field)
	}
	var out strings.Builder
	e := yamlv3.NewEncoder(&out)
	e.SetIndent(2)
	e.CompactSeqIndent()
	if e.Encode(&node) != nil {
		return strings.TrimSpace(string(block))
	}
	return strings.TrimSpace(out.String())
}

// fold writes a part in one line if that is short enough, else its parts.
func fold(n *yamlv3.Node) {
	if n.Kind == yamlv3.ScalarNode {
		return
	}
	flow(n, 0)
	n.Style = yamlv3.FlowStyle
	if text, err := yamlv3.Marshal(n); err == nil && len(text) <= maxLine {
		return
	}
	n.Style = 0
	for _, c := range n.Content {
		fold(c)
	}
}

// maxBlockDepth is how many levels at most are written in lines of their own before all is.
const maxBlockDepth = 5

// flow writes what is deeper than some levels in one line each.
func flow(n *yamlv3.Node, depth int) {
	for _, c := range n.Content {
		if c.Kind == yamlv3.ScalarNode {
			continue
		}
		c.Style = 0
		if depth == 0 {
			c.Style = yamlv3.FlowStyle
		}
		flow(c, max(depth-1, 0))
	}
}
