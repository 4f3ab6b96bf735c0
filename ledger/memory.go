package ledger

import (
	"bytes"
	"context"
	"strconv"
	"sync"
)

// memory is a Store of one process.
type memory struct {
	mu      sync.Mutex
	object  Object
	version uint64
}

// NewMemory is the store of consistency "local": it is gone with the process, so that
// each start begins with a barrier.
func NewMemory() Store { return &memory{} }

// Load implements Store.
func (m *memory) Load(ctx context.Context) (Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.version == 0 {
		return Object{}, ErrMissing
	}
	return m.object, ctx.Err()
}

// Save implements Store.
func (m *memory) Save(ctx context.Context, o Object) (Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.version == 0:
		return Object{}, ErrMissing
	case o.Version != m.object.Version || o.UID != m.object.UID:
		return Object{}, ErrConflict
	}
	return m.put(o), ctx.Err()
}

// Create implements Store.
func (m *memory) Create(ctx context.Context, o Object) (Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.version != 0 {
		return Object{}, ErrConflict
	}
	return m.put(o), ctx.Err()
}

func (m *memory) put(o Object) Object {
	m.version++
	m.object = Object{UID: "memory", Version: strconv.FormatUint(m.version, 10), Data: bytes.Clone(o.Data)}
	return m.object
}
