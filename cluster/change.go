package cluster

import (
	"fmt"
	"maps"
	"reflect"
)

// Change is one create, update or delete of one object. Before is nil for a
// create, After is nil for a delete.
type Change struct {
	Before Object
	After  Object
}

// Ref is the identity of the object that changes.
func (c Change) Ref() Ref {
	if c.After != nil {
		return c.After.Ref()
	}
	if c.Before != nil {
		return c.Before.Ref()
	}
	return Ref{}
}

func (c Change) validate() error {
	switch {
	case c.Before == nil && c.After == nil:
		return fmt.Errorf("a change needs an object before or after it")
	case c.Before != nil && c.After != nil && c.Before.Ref() != c.After.Ref():
		return fmt.Errorf("a change is about one object, got %s before and %s after", c.Before.Ref(), c.After.Ref())
	}
	return nil
}

// Idle reports whether the change leaves everything as it was that a netpol can
// depend on. The address of a pod does not count: no request decides it.
func (c Change) Idle() bool {
	if c.Before == nil || c.After == nil {
		return c.Before == nil && c.After == nil
	}
	switch after := c.After.(type) {
	case *Namespace:
		before, ok := c.Before.(*Namespace)
		return ok && maps.Equal(before.Labels, after.Labels) && before.digest == after.digest
	case *Pod:
		before, ok := c.Before.(*Pod)
		if !ok {
			return false
		}
		b, a := *before, *after
		b.IPs, a.IPs = nil, nil
		return reflect.DeepEqual(b, a)
	}
	return reflect.DeepEqual(c.Before, c.After)
}
