package webhook

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// fields are the members of a JSON object that matter; nil means all of them. The
// same fields are meant of each element of an array.
type fields map[string]fields

// prune is the value with only those members. What is no JSON stays as it is, for
// the decoder to say so.
func (f fields) prune(value []byte) []byte {
	// The review that it is of was read before, strictly.
	tokens := jsontext.NewDecoder(bytes.NewBuffer(value), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	out, err := f.append(make([]byte, 0, min(len(value), 2048)), tokens)
	if err != nil {
		return value
	}
	return out
}

// append adds the next value, as far as it matters.
func (f fields) append(out []byte, tokens *jsontext.Decoder) ([]byte, error) {
	kind := tokens.PeekKind()
	if f == nil || (kind != '{' && kind != '[') {
		value, err := tokens.ReadValue()
		return append(out, value...), err
	}
	if _, err := tokens.ReadToken(); err != nil {
		return out, err
	}
	if kind == '[' {
		return f.appendElements(append(out, '['), tokens)
	}
	return f.appendMembers(append(out, '{'), tokens)
}

func (f fields) appendMembers(out []byte, tokens *jsontext.Decoder) ([]byte, error) {
	for first := true; tokens.PeekKind() != '}'; {
		name, err := tokens.ReadValue()
		if err != nil {
			return out, err
		}
		plain, err := jsontext.AppendUnquote(nil, name)
		if err != nil {
			return out, err
		}
		inner, wanted := f[string(plain)]
		if !wanted {
			if err := tokens.SkipValue(); err != nil {
				return out, err
			}
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(append(out, name...), ':')
		if out, err = inner.append(out, tokens); err != nil {
			return out, err
		}
	}
	_, err := tokens.ReadToken()
	return append(out, '}'), err
}

func (f fields) appendElements(out []byte, tokens *jsontext.Decoder) ([]byte, error) {
	for first := true; tokens.PeekKind() != ']'; first = false {
		if !first {
			out = append(out, ',')
		}
		var err error
		if out, err = f.append(out, tokens); err != nil {
			return out, err
		}
	}
	_, err := tokens.ReadToken()
	return append(out, ']'), err
}

// What cluster.FromAPI reads of each kind.
var (
	metaFields = fields{"name": nil, "generateName": nil, "namespace": nil, "uid": nil, "labels": nil, "ownerReferences": nil, "deletionTimestamp": nil, "finalizers": nil}
	specFields = fields{
		"hostNetwork": nil, "nodeName": nil, "containers": {"ports": nil}, "initContainers": {"ports": nil, "restartPolicy": nil},
	}
	templateFields = fields{"metadata": metaFields, "spec": specFields}
	jobFields      = fields{"selector": nil, "template": templateFields, "completionMode": nil, "manualSelector": nil}
)

// fieldsOf are the members that matter of an object of a modelled kind.
func fieldsOf(kind string) fields {
	f := fields{"apiVersion": nil, "kind": nil, "metadata": metaFields}
	switch kind {
	case "Pod":
		f["spec"], f["status"] = specFields, fields{"phase": nil, "podIP": nil, "podIPs": nil}
	case "CronJob":
		f["spec"] = fields{"jobTemplate": {"spec": jobFields}}
	case "Job":
		f["spec"] = jobFields
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController":
		f["spec"] = fields{"selector": nil, "ordinals": nil, "template": templateFields}
	default:
		return nil
	}
	return f
}
