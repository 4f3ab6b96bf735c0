package manifest

import (
	"bytes"
	"encoding/json"
	"errors"

	yamlnode "go.yaml.in/yaml/v3"
	strictjson "sigs.k8s.io/json"
)

// maxRepeats bounds how many repeated keys of one document are named.
const maxRepeats = 20

// repeat is a key that a mapping holds again.
type repeat struct {
	key         string
	line, first int
}

// repeated says which keys a document holds more than once. The last one counts,
// as for kubectl and Helm, which do not even mention it, and for the API server,
// which warns of it and refuses it only where fieldValidation is Strict.
func (l *loader) repeated(d *document) {
	if d.node == nil && !d.single() {
		return
	}
	if _, ok := d.lookup(""); !ok {
		l.note(d.at, "a key is there more than once: the last one counts")
		return
	}
	repeats := repeats(d.node, d.shift)
	for i, r := range repeats {
		if i == maxRepeats {
			l.note(d.at, "%d more keys are there twice: the last one counts", len(repeats)-maxRepeats)
			break
		}
		l.note(Location{File: d.at.File, Line: r.line}, "duplicate key %q, first on line %d: the last one counts", r.key, r.first)
	}
}

// single leaves of the repeated keys of JSON the last one, as YAML's parser does,
// and tells whether there were any: decoded into a typed object they would be
// mixed with each other.
func (d *document) single() bool {
	var value any
	twice, err := strictjson.UnmarshalStrict(d.json, &value, strictjson.DisallowDuplicateFields)
	if err != nil || len(twice) == 0 {
		return false
	}
	var out bytes.Buffer
	dec, enc := json.NewDecoder(bytes.NewReader(d.json)), json.NewEncoder(&out)
	dec.UseNumber()
	enc.SetEscapeHTML(false)
	if err := errors.Join(dec.Decode(&value), enc.Encode(value)); err != nil {
		return false
	}
	d.json = bytes.TrimSpace(out.Bytes())
	return true
}

// repeats finds them in the whole document; lines are those of the file. A merge
// key may be there as often as one likes.
func repeats(n *yamlnode.Node, shift int) []repeat {
	var out []repeat
	if n.Kind == yamlnode.MappingNode {
		first := make(map[string]int, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			if k.Kind != yamlnode.ScalarNode || k.Tag == "!!merge" {
				continue
			}
			if line, ok := first[k.Value]; ok {
				out = append(out, repeat{k.Value, shift + k.Line, shift + line})
			} else {
				first[k.Value] = k.Line
			}
		}
	}
	for _, c := range n.Content {
		out = append(out, repeats(c, shift)...)
	}
	return out
}
