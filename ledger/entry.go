package ledger

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/types"

	"github.com/podcullis/podcullis/cluster"
)

// Operation is what a change does to its object.
type Operation string

// The operations. Appear and Barrier are the ledger's own: callers commit none of them.
const (
	Create Operation = "create"
	Update Operation = "update"
	Delete Operation = "delete"
	// DeleteCollection is the deletion of one object out of a collection. Such a
	// request may take as long as the API server lets any take.
	DeleteCollection Operation = "deletecollection"
	// Bind lays labels over whatever its pod is by then.
	Bind Operation = "bind"
	// Appear is a template that is gone, or says something else by now, and whose pods
	// may still come: their creation was judged while it was there. Content is the
	// template as it was.
	Appear Operation = "appear"
	// Barrier stands for all that was forgotten with a ledger that got lost.
	Barrier Operation = "barrier"
)

// Entry is one change in flight.
type Entry struct {
	// ID is its place in the order of writes; 0 before it is written.
	ID uint64 `json:"id"`
	// Ref is the key: entries of one key are alternatives. A Binding has its pod's.
	Ref cluster.Ref `json:"ref"`
	// Resource is the one whose events settle it, "networkpolicies.networking.k8s.io"
	// or "pods".
	Resource string `json:"resource,omitempty"`
	// Operation says what happens to the object.
	Operation Operation `json:"operation"`
	// UID is that of the object that is created, else that of the stored one.
	UID types.UID `json:"uid,omitempty"`
	// Base is the resourceVersion that was reviewed; empty for Create and Bind.
	Base string `json:"base,omitempty"`
	// Digest is of the content, to know a retry by.
	Digest string `json:"digest,omitempty"`
	// Content is the object after the change, compact JSON of the fields that the model
	// reads. It is nil for a deletion, and when opaque.
	Content json.RawMessage `json:"content,omitempty"`
	// Before is set when the change takes pods away that may still come (of a template:
	// see Appear): the object before it.
	Before json.RawMessage `json:"before,omitempty"`
	// Opaque is set when the content is too large: it counts as anything in its namespace.
	Opaque bool `json:"opaque,omitempty"`
	// Set is the hash of the guardrails that it was judged by. Commit sets it.
	Set string `json:"set,omitempty"`
	// Nonce is of the commit that wrote it. An older entry for the same change is no
	// sign that a write came through: it is forgotten sooner. Commit sets it.
	Nonce string `json:"nonce,omitempty"`
}

// entryKey tells an entry from all others, of a ledger that was restored, too: IDs are
// given twice then.
type entryKey struct {
	id    uint64
	nonce string
}

func (e *Entry) key() entryKey { return entryKey{e.ID, e.Nonce} }

// Place is the namespace that the entry is about; a Namespace is about itself.
func (e Entry) Place() string { return placeOf(e.Ref) }

func placeOf(r cluster.Ref) string {
	if r.Kind == "Namespace" && r.Namespace == "" {
		return r.Name
	}
	return r.Namespace
}

// same reports whether two entries are one change: a retry, or a review that the API
// server asked for twice.
func (e Entry) same(o Entry) bool {
	return e.Ref == o.Ref && e.UID == o.UID && e.Base == o.Base && e.Operation == o.Operation &&
		e.Digest == o.Digest && e.Resource == o.Resource
}

// size is what the entry takes in the document, about.
func (e Entry) size() int {
	return 256 + len(e.Ref.Namespace) + len(e.Ref.Kind) + len(e.Ref.Name) + len(e.Resource) + len(e.UID) +
		len(e.Base) + len(e.Digest) + len(e.Content) + len(e.Before) + len(e.Set) + len(e.Nonce)
}
