package cluster

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
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

// Group is the API group of the object's kind; empty for the core group.
func (c Change) Group() string {
	object := c.After
	if object == nil {
		object = c.Before
	}
	switch o := object.(type) {
	case nil:
		return ""
	case *Netpol:
		return "networking.k8s.io"
	case *Template:
		return o.Group
	case *Foreign:
		return o.Group
	}
	return EntryGroup(object.Ref().Kind)
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
		return ok && before.meansAs(after)
	case *Template:
		before, ok := c.Before.(*Template)
		return ok && before.meansAs(after)
	case *Netpol:
		if before, ok := c.Before.(*Netpol); ok && before.differs(after) {
			return false
		}
	}
	return reflect.DeepEqual(sameButDocument(c.Before), sameButDocument(c.After))
}

// meansAs compares all but the addresses. It is asked several times of most reviews.
func (p *Pod) meansAs(o *Pod) bool {
	return p.Namespace == o.Namespace && p.Name == o.Name && p.UID == o.UID &&
		maps.Equal(p.Labels, o.Labels) && slices.Equal(p.Owners, o.Owners) && slices.Equal(p.Ports, o.Ports) && slices.Equal(p.Declared, o.Declared) &&
		p.HostNetwork == o.HostNetwork && p.Bound == o.Bound && p.Unread == o.Unread && p.digest == o.digest &&
		p.DeletedAt.Equal(o.DeletedAt) && p.Gone == o.Gone
}

func (t *Template) meansAs(o *Template) bool {
	return t.Namespace == o.Namespace && t.Group == o.Group && t.Kind == o.Kind && t.Name == o.Name && t.UID == o.UID &&
		maps.Equal(t.Labels, o.Labels) && maps.Equal(t.ObjectLabels, o.ObjectLabels) && t.Selector.meansAs(o.Selector) &&
		slices.Equal(t.Owners, o.Owners) && slices.Equal(t.Ports, o.Ports) && slices.Equal(t.Declared, o.Declared) && t.HostNetwork == o.HostNetwork &&
		t.DeletedAt.Equal(o.DeletedAt) && t.Orphans == o.Orphans && t.FirstOrdinal == o.FirstOrdinal && t.Indexed == o.Indexed &&
		t.OwnSelector == o.OwnSelector && t.Unread == o.Unread && t.digest == o.digest
}

// differs is true for most that are not the same, without walking through all of both.
func (n *Netpol) differs(o *Netpol) bool {
	return n.Isolates != o.Isolates || n.Selector.Key() != o.Selector.Key() || n.Over != o.Over || n.digest != o.digest ||
		slices.ContainsFunc([]Direction{Egress, Ingress}, func(d Direction) bool {
			return !slices.EqualFunc(n.Rules[d], o.Rules[d], func(a, b NetpolRule) bool {
				return a.AnyPeer == b.AnyPeer && a.AnyPort == b.AnyPort && len(a.Peers) == len(b.Peers) && slices.Equal(a.Ports, b.Ports)
			})
		})
}

// meansAs tells a selector that is missing from one that is empty.
func (s OwnSelector) meansAs(o OwnSelector) bool {
	return (s.labels == nil) == (o.labels == nil) && maps.Equal(s.labels, o.labels) && s.size == o.size &&
		(s.rest == nil && o.rest == nil || reflect.DeepEqual(s.rest, o.rest))
}
