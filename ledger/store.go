package ledger

import (
	"context"
	"errors"
)

// Object is the one object that holds the document.
type Object struct {
	// UID is the object's own: another object of the same name is another ledger.
	UID string
	// Version is its resourceVersion, by which a write is compared and swapped.
	Version string
	// Data is the encoded document.
	Data []byte
}

// Store keeps the object.
type Store interface {
	// Load reads it as it is now, never out of a cache. ErrMissing if there is none.
	Load(context.Context) (Object, error)
	// Save replaces the version that the object names: ErrConflict if it is another by
	// now, ErrMissing if it is gone. With any other error it may have been written, or
	// may be yet.
	Save(context.Context, Object) (Object, error)
	// Create makes it: ErrConflict if there is one.
	Create(context.Context, Object) (Object, error)
}

// What a Store answers.
var (
	ErrMissing  = errors.New("there is no ledger")
	ErrConflict = errors.New("the ledger was written by somebody else")
)
