package reviewtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// Depth is how deep a review of a test may be nested; a Mutator makes deeper ones.
const Depth = 64

// Mutator changes JSON so that it mostly stays JSON.
type Mutator struct {
	random *rand.Rand
	top    *node
	bytes  bool // some of the text is changed without regard for JSON
}

// node is one value. The members of an object are in order, and may have one name twice.
type node struct {
	names    []string // of an object: quoted
	children []*node
	bracket  byte   // '{', '[' or 0
	text     string // of anything else
}

// NewMutator is one of a text.
func NewMutator(t testing.TB, body []byte, random *rand.Rand) *Mutator {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	return &Mutator{random: random, top: parseNode(t, d)}
}

func parseNode(t testing.TB, d *json.Decoder) *node {
	t.Helper()
	token, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	opening, ok := token.(json.Delim)
	if !ok {
		text, err := json.Marshal(token)
		if err != nil {
			t.Fatal(err)
		}
		return &node{text: string(text)}
	}
	n := &node{bracket: byte(opening)}
	for d.More() {
		if n.bracket == '{' {
			name, err := d.Token()
			if err != nil {
				t.Fatal(err)
			}
			n.names = append(n.names, fmt.Sprintf("%q", name))
		}
		n.children = append(n.children, parseNode(t, d))
	}
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) all() []*node {
	out := []*node{n}
	for _, c := range n.children {
		out = append(out, c.all()...)
	}
	return out
}

func (n *node) clone() *node {
	out := *n
	out.names = append([]string(nil), n.names...)
	out.children = nil
	for _, c := range n.children {
		out.children = append(out.children, c.clone())
	}
	return &out
}

// scalars are values that decoders may read differently.
var scalars = []string{
	`null`, `true`, `false`, `""`, `"x"`, `"TCP"`, `0`, `-0`, `-1`, `80`, `8e1`, `1.0`, `65536`, `2147483648`, `4294967297`, `1e400`, `123456789012345678901234567890`,
	`"\u0061"`, `"\ud800"`, `"\ud83d\ude00"`, `"\u0000"`, "\"\xff\"", "\"\xed\xa0\x80\"", `"2026-11-27T19:11:40Z"`, `"2026-11-27T19:11:40.123+01:00"`, `"now"`, `"10.0.0.0/8"`, `"1"`,
}

// knownNames are of fields that are read.
var knownNames = []string{
	"metadata", "name", "generateName", "namespace", "uid", "labels", "ownerReferences", "controller", "finalizers", "deletionTimestamp", "creationTimestamp", "resourceVersion",
	"spec", "status", "template", "selector", "matchLabels", "matchExpressions", "key", "operator", "values", "hostNetwork", "nodeName", "containers", "initContainers", "ports",
	"containerPort", "protocol", "port", "endPort", "restartPolicy", "podIPs", "ip", "phase", "jobTemplate", "completionMode", "manualSelector", "ordinals", "start",
	"podSelector", "namespaceSelector", "ipBlock", "cidr", "except", "ingress", "egress", "from", "to", "policyTypes", "kind", "request", "object", "oldObject", "dryRun", "options",
	"userInfo", "groups", "extra", "operation", "requestKind", "requestResource",
}

func (m *Mutator) oneOf(list []string) string { return list[m.random.IntN(len(list))] }

// Change changes one thing.
func (m *Mutator) Change() {
	all := m.top.all()
	n := all[m.random.IntN(len(all))]
	other := all[m.random.IntN(len(all))].clone()
	at := 0
	if len(n.children) > 0 {
		at = m.random.IntN(len(n.children))
	}
	isObject := n.bracket == '{' && len(n.children) > 0
	switch m.random.IntN(12) {
	case 0, 1:
		*n = node{text: m.oneOf(scalars)}
	case 2:
		*n = *other
	case 3:
		*n = node{bracket: '[', children: []*node{n.clone()}}
	case 4:
		if n.bracket != 0 {
			*n = node{bracket: n.bracket}
		}
	case 5, 6:
		if n.bracket == '{' {
			if m.random.IntN(2) == 0 {
				other = &node{text: m.oneOf(scalars)}
			}
			n.names = append(n.names, fmt.Sprintf("%q", m.oneOf(knownNames)))
			n.children = append(n.children, other)
		}
	case 7:
		if isObject { // twice, perhaps by another spelling
			name := n.names[at]
			if m.random.IntN(2) == 0 && len(name) > 2 {
				name = fmt.Sprintf(`"\u%04x%s`, name[1], name[2:])
			}
			n.names = append(n.names, name)
			n.children = append(n.children, other)
		}
	case 8:
		if isObject {
			n.names = append(n.names[:at:at], n.names[at+1:]...)
		}
		if len(n.children) > 0 {
			n.children = append(n.children[:at:at], n.children[at+1:]...)
		}
	case 9:
		if isObject {
			n.names[at] = []string{strings.ToUpper(n.names[at]), strings.ToLower(n.names[at]), fmt.Sprintf("%q", m.oneOf(knownNames))}[m.random.IntN(3)]
		}
	case 10:
		for range m.random.IntN(2 * Depth) {
			n.children, n.names, n.bracket, n.text = []*node{n.clone()}, nil, '[', ""
		}
	case 11:
		m.bytes = m.random.IntN(4) == 0
		if len(n.children) > 1 { // another order
			m.random.Shuffle(len(n.children), func(i, j int) {
				n.children[i], n.children[j] = n.children[j], n.children[i]
				if n.bracket == '{' {
					n.names[i], n.names[j] = n.names[j], n.names[i]
				}
			})
		}
	}
}

// Text is the JSON, with some space between its tokens.
func (m *Mutator) Text() []byte {
	random := rand.New(rand.NewPCG(7, uint64(len(m.top.all()))))
	var out bytes.Buffer
	space := func() { out.WriteString([]string{"", "", "", " ", "\n", "\t\r "}[random.IntN(6)]) }
	var write func(*node)
	write = func(n *node) {
		space()
		if n.bracket == 0 {
			out.WriteString(n.text)
			space()
			return
		}
		out.WriteByte(n.bracket)
		for i, c := range n.children {
			if i > 0 {
				out.WriteByte(',')
			}
			if n.bracket == '{' {
				space()
				out.WriteString(n.names[i])
				space()
				out.WriteByte(':')
			}
			write(c)
		}
		space()
		out.WriteByte(n.bracket + 2)
		space()
	}
	write(m.top)
	text := out.Bytes()
	if m.bytes && len(text) > 0 {
		at := random.IntN(len(text))
		switch random.IntN(3) {
		case 0:
			text = text[:at]
		case 1:
			text[at] = byte(random.UintN(256))
		case 2:
			text = append(text, '{')
		}
	}
	return text
}
