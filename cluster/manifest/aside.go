package manifest

import (
	"bytes"
	"encoding/json"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Aside is an object of a kind that the model has no use for, and that somebody asked for.
type Aside struct {
	schema.GroupVersionKind
	JSON     json.RawMessage
	Location Location
}

// aside keeps a document of a kind that the model has no use for if it is among Input.Aside.
func (l *loader) aside(d document, gvk schema.GroupVersionKind) bool {
	var compact bytes.Buffer
	wanted := slices.Contains(l.in.Aside, gvk.GroupKind()) || l.in.AsideIf != nil && l.in.AsideIf(gvk.GroupKind())
	if !wanted || json.Compact(&compact, d.json) != nil {
		return false
	}
	l.set.Asides = append(l.set.Asides, Aside{gvk, compact.Bytes(), d.at})
	return true
}
