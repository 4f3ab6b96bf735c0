package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Limits of the document. It is written several times a second, and etcd keeps each
// version until it compacts.
const (
	// MaxSize is how large the document may be.
	MaxSize = 64 << 10
	// MaxEntries and MaxShare are a namespace's part of it, so that one that is busy, or
	// means harm, does not keep the others waiting.
	MaxEntries = 16
	MaxShare   = 8 << 10
	// A namespace may have a quarter of what is left, so that several which take all that they
	// can get leave some, and of the last part each has no more than one small entry.
	reserve    = 8 << 10
	firstEntry = 1 << 10
	// MaxGone is its part for what may yet appear, which stays for longer.
	MaxGone = 24 << 10
	// MaxContent is how much of an object an entry holds; what is larger is opaque.
	MaxContent = 4 << 10
)

const schema = 1

// Floor is what a snapshot has to hold of one resource.
type Floor struct {
	// Version is the resourceVersion of an event of that resource.
	Version string `json:"version"`
	// Newest is the largest ID of an entry that was freed with it.
	Newest uint64 `json:"newest"`
}

// Document is what the object holds.
type Document struct {
	Schema int `json:"schema"`
	// Sequence counts the writes.
	Sequence uint64 `json:"sequence"`
	// Next is the ID that the next entry gets. IDs are never given twice.
	Next    uint64  `json:"next"`
	Entries []Entry `json:"entries,omitempty"`
	// Floors are by resource.
	Floors map[string]Floor `json:"floors,omitempty"`
}

// errGarbled is for a document that is none: whatever it held is lost.
var errGarbled = errors.New("the ledger does not hold a document")

// Encode writes the document for the object.
func (d *Document) Encode() ([]byte, error) {
	data, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode ledger: %w", err)
	}
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: the ledger would take %d bytes, and may take %d", ErrFull, len(data), MaxSize)
	}
	return data, nil
}

// Decode reads what the object holds. It never takes a document that it does not
// understand for one that is empty.
func Decode(data []byte) (*Document, error) {
	var header struct {
		Schema *int `json:"schema"`
	}
	if err := json.Unmarshal(data, &header); err != nil {
		return nil, fmt.Errorf("%w: %w", errGarbled, err)
	}
	if header.Schema == nil {
		return nil, fmt.Errorf("%w: it has no schema", errGarbled)
	}
	if *header.Schema != schema {
		return nil, fmt.Errorf("%w: its schema is %d, and this version of Podcullis knows %d", ErrForeign, *header.Schema, schema)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields() // what we would drop when we write it again
	d := &Document{}
	if err := decoder.Decode(d); err != nil {
		return nil, fmt.Errorf("%w: %w", errGarbled, err)
	}
	if err := d.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", errGarbled, err)
	}
	// JSON has many ways to say a thing twice, of which all but one get lost.
	if again, err := json.Marshal(d); err != nil || !bytes.Equal(again, data) {
		return nil, fmt.Errorf("%w: nobody but Podcullis should write it", errGarbled)
	}
	return d, nil
}

func (d *Document) validate() error {
	if d.Sequence == 0 || d.Next == 0 {
		return errors.New("sequence or next is missing")
	}
	last := uint64(0)
	for i, e := range d.Entries {
		if e.ID <= last || e.ID >= d.Next {
			return fmt.Errorf("entries[%d].id is %d, want more than %d and less than next, %d", i, e.ID, last, d.Next)
		}
		last = e.ID
		if !e.Operation.known() {
			return fmt.Errorf("entries[%d].operation is %q", i, e.Operation)
		}
		if e.Operation != Barrier && (e.Ref.Kind == "" || e.Ref.Name == "" || e.Place() == "" || e.Resource == "") {
			return fmt.Errorf("entries[%d] names no object", i)
		}
	}
	for resource, f := range d.Floors {
		if _, err := strconv.ParseUint(f.Version, 10, 64); err != nil || f.Newest >= d.Next {
			return fmt.Errorf("floors[%q] is %+v", resource, f)
		}
	}
	return nil
}

func (o Operation) known() bool {
	switch o {
	case Create, Update, Delete, DeleteCollection, Bind, Appear, Barrier:
		return true
	}
	return false
}
