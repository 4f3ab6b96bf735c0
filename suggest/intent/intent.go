package intent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/suggest/observed"
)

// The identity of a list.
const (
	APIVersion = "podcullis.io/v1alpha1"
	Kind       = "Connections"
)

// Read reads the documents of a file, each pair of ends and range of ports as one flow.
func Read(file string, text []byte) ([]observed.Flow, error) {
	r := &reader{file: file}
	d := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc yaml.Node
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))
		}
		if err := r.document(&doc); err != nil {
			return nil, err
		}
	}
	if len(r.flows) == 0 {
		return nil, fmt.Errorf("%s: lists no connection; a list without one would cut everything", file)
	}
	return r.flows, nil
}

type reader struct {
	file  string
	flows []observed.Flow
}

func (r *reader) fault(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", r.file, n.Line, fmt.Errorf(format, args...))
}

// fieldsOf are those of a mapping, none of which is unknown or given twice.
func (r *reader) fieldsOf(n *yaml.Node, at string, known ...string) (map[string]*yaml.Node, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return nil, r.fault(n, "%s: want a mapping with %s", at, strings.Join(known, ", "))
	}
	out := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		switch {
		case !slices.Contains(known, key.Value):
			return nil, r.fault(key, "%s: unknown field %q; the fields are %s", at, key.Value, strings.Join(known, ", "))
		case out[key.Value] != nil:
			return nil, r.fault(key, "%s: %s is given twice", at, key.Value)
		}
		out[key.Value] = n.Content[i+1]
	}
	return out, nil
}

func (r *reader) document(doc *yaml.Node) error {
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return nil
	}
	root := doc.Content[0]
	f, err := r.fieldsOf(root, "document", "apiVersion", "kind", "items", "unread")
	if err != nil {
		return err
	}
	for _, x := range [][2]string{{"apiVersion", APIVersion}, {"kind", Kind}} {
		if f[x[0]] == nil || f[x[0]].Value != x[1] {
			return r.fault(root, "%s: want %s", x[0], x[1])
		}
	}
	items := f["items"]
	if items == nil || items.Kind != yaml.SequenceNode {
		return r.fault(root, "items: want a list of connections, each with from, to and ports")
	}
	for i, item := range items.Content {
		if err := r.item(item, fmt.Sprintf("items[%d]", i)); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) item(n *yaml.Node, at string) error {
	f, err := r.fieldsOf(n, at, "from", "to", "ports", "because", "unknown")
	if err != nil {
		return err
	}
	var ends [2][]observed.End
	for i, name := range []string{"from", "to"} {
		if f[name] == nil {
			return r.fault(n, "%s: %s is missing", at, name)
		}
		if ends[i], err = r.ends(f[name], at+"."+name); err != nil {
			return err
		}
	}
	if f["ports"] == nil {
		return r.fault(n, "%s: ports is missing: list them, or write ports: all", at)
	}
	ranges, err := r.ports(f["ports"], at+".ports")
	if err != nil {
		return err
	}
	for _, from := range ends[0] {
		for _, to := range ends[1] {
			for _, p := range ranges {
				r.flows = append(r.flows, observed.Flow{From: from, To: to, Protocol: p.Protocol, First: p.First, Last: p.Last, Count: 1, Listed: true, At: observed.Location{File: r.file, Line: n.Line}})
			}
		}
	}
	return nil
}

// ends reads one end, or a list of them.
func (r *reader) ends(n *yaml.Node, at string) ([]observed.End, error) {
	if n.Kind == yaml.SequenceNode {
		var out []observed.End
		for i, one := range n.Content {
			e, err := r.end(one, fmt.Sprintf("%s[%d]", at, i))
			if err != nil {
				return nil, err
			}
			out = append(out, e)
		}
		if len(out) == 0 {
			return nil, r.fault(n, "%s: an empty list is nobody", at)
		}
		return out, nil
	}
	e, err := r.end(n, at)
	return []observed.End{e}, err
}

func (r *reader) end(n *yaml.Node, at string) (observed.End, error) {
	if n.Kind == yaml.ScalarNode {
		e, err := observed.ParseEnd(n.Value)
		if err != nil {
			return e, r.fault(n, "%s: %w", at, err)
		}
		return e, nil
	}
	f, err := r.fieldsOf(n, at, "namespace", "kind", "name", "cidr", "addresses")
	if err != nil {
		return observed.End{}, err
	}
	text := func(name string) string {
		if f[name] == nil {
			return ""
		}
		return f[name].Value
	}
	var e observed.End
	switch {
	case text("cidr") != "" && text("namespace")+text("kind")+text("name") != "":
		return e, r.fault(n, "%s: cidr stands by itself", at)
	case text("cidr") != "":
		e, err = observed.ParseEnd(text("cidr"))
		if err == nil && e.Namespace != "" {
			err = fmt.Errorf("%q is not a CIDR", text("cidr"))
		}
	case text("namespace") == "" || text("name") == "":
		return e, r.fault(n, "%s: want namespace, kind and name, or cidr", at)
	case text("kind") == "":
		e = observed.End{Namespace: text("namespace"), Pod: text("name")}
	default:
		e = observed.End{Namespace: text("namespace"), Kind: text("kind"), Name: text("name")}
	}
	if err != nil {
		return e, r.fault(n, "%s: %w", at, err)
	}
	return e, nil
}

// ports reads all, one port, or a list of them.
func (r *reader) ports(n *yaml.Node, at string) ([]connectivity.PortRange, error) {
	if n.Kind == yaml.ScalarNode && n.Value == "all" {
		return connectivity.AllPorts().Ranges(), nil
	}
	if n.Kind != yaml.SequenceNode {
		p, err := r.port(n, at)
		return []connectivity.PortRange{p}, err
	}
	var out []connectivity.PortRange
	for i, one := range n.Content {
		p, err := r.port(one, fmt.Sprintf("%s[%d]", at, i))
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, r.fault(n, "%s: an empty list is no port; write ports: all for every one", at)
	}
	return connectivity.Ports(out...).Ranges(), nil
}

func (r *reader) port(n *yaml.Node, at string) (connectivity.PortRange, error) {
	first, last, protocol := n.Value, "", "TCP"
	if n.Kind == yaml.MappingNode {
		f, err := r.fieldsOf(n, at, "protocol", "port", "endPort")
		if err != nil {
			return connectivity.PortRange{}, err
		}
		for name, into := range map[string]*string{"protocol": &protocol, "port": &first, "endPort": &last} {
			if f[name] != nil {
				*into = f[name].Value
			}
		}
	} else {
		if numbers, name, named := strings.Cut(first, "/"); named {
			first, protocol = numbers, strings.ToUpper(name)
		}
		first, last, _ = strings.Cut(first, "-")
	}
	if last == "" {
		last = first
	}
	p, ok := cluster.ParseProtocol(protocol)
	a, errFirst := strconv.ParseUint(first, 10, 16)
	b, errLast := strconv.ParseUint(last, 10, 16)
	if !ok || errFirst != nil || errLast != nil || a < 1 || a > b {
		return connectivity.PortRange{}, r.fault(n, "%s: is not a port: write 5432, 5432/TCP or 8000-8080/UDP: 1 to 65535, and TCP, UDP or SCTP", at)
	}
	return connectivity.PortRange{Protocol: p, First: uint16(a), Last: uint16(b)}, nil
}
