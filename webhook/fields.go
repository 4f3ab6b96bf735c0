package webhook

import (
	"bytes"
	"iter"
)

// fields are the members of a JSON object that matter; nil means all of them. The
// same fields are meant of each element of an array.
//
// Most of an object is of no interest here (environment, volumes, managedFields),
// and decoding it is what answering costs most. So it is left out before: the
// decoder reads what is left as it would have read the whole.
type fields map[string]fields

// prune is the value with only those members. What is no JSON stays as it is, for
// the decoder to say so.
func (f fields) prune(value []byte) []byte {
	out := make([]byte, 0, min(len(value), 2048))
	return f.append(out, value)
}

func (f fields) append(out, value []byte) []byte {
	switch {
	case f == nil || len(value) == 0:
		return append(out, value...)
	case value[0] == '{':
		out = append(out, '{')
		first := true
		for key, member := range members(value) {
			inner, wanted := f[string(plainKey(key))]
			if !wanted {
				continue
			}
			if !first {
				out = append(out, ',')
			}
			first = false
			out = append(append(out, key...), ':')
			out = inner.append(out, member)
		}
		return append(out, '}')
	case value[0] == '[':
		out = append(out, '[')
		first := true
		for element := range elements(value) {
			if !first {
				out = append(out, ',')
			}
			first = false
			out = f.append(out, element)
		}
		return append(out, ']')
	}
	return append(out, value...)
}

// members yields the keys, quoted, and the values of an object that is valid JSON.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for i := skipSpace(object, 1); i < len(object) && object[i] == '"'; {
			keyEnd := stringEnd(object, i)
			start := skipSpace(object, skipSpace(object, keyEnd)+1) // behind the colon
			end := valueEnd(object, start)
			if !yield(object[i:keyEnd], object[start:end]) {
				return
			}
			i = skipSpace(object, skipSpace(object, end)+1) // behind the comma
		}
	}
}

// elements yields the elements of an array that is valid JSON.
func elements(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := skipSpace(array, 1); i < len(array) && array[i] != ']'; {
			end := valueEnd(array, i)
			if !yield(array[i:end]) {
				return
			}
			i = skipSpace(array, skipSpace(array, end)+1)
		}
	}
}

// valueEnd returns the index behind the value that starts at i.
func valueEnd(data []byte, i int) int {
	depth := 0
	for ; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = stringEnd(data, i) - 1
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 {
				return i // of what is around it
			}
			depth--
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(data)
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && bytes.IndexByte([]byte(" \t\r\n"), data[i]) >= 0 {
		i++
	}
	return i
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
