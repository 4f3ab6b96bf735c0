package cluster

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	kjson "sigs.k8s.io/json"
)

// MemoryCopy is a memory as one replica hands it to another that starts: what is
// remembered, and as much of what was there as it takes to tell who was there with
// whom. As JSON it is read strictly, and one that cannot be true is an error.
type MemoryCopy struct{ memoryCopy }

type memoryCopy struct {
	Version    int             `json:"version"`
	Step       uint64          `json:"step"`
	Namespaces []namespaceCopy `json:"namespaces,omitempty"`
}

// copyVersion is the form of a copy. Replicas of two forms do not copy from each other.
const copyVersion = 1

// maxCopiedStep leaves room to go on counting.
const maxCopiedStep = 1 << 62

type namespaceCopy struct {
	Name string `json:"name"`
	UID  string `json:"uid,omitempty"`
	// Held is the fingerprint of its netpols and labels; empty when there is none.
	Held    string `json:"held,omitempty"`
	Changed uint64 `json:"changed,omitempty"`
	// There are the classes that are there, by fingerprint, with the step of their birth.
	There map[string]uint64 `json:"there,omitempty"`
	Gone  []classCopy       `json:"gone,omitempty"`
}

// classCopy is a Remembered. All that it names is in its namespace.
type classCopy struct {
	Membership membershipCopy `json:"membership"`
	Workload   objectCopy     `json:"workload"`
	Parent     *objectCopy    `json:"parent,omitempty"`
	Labels     labels.Set     `json:"labels,omitempty"`
	// Alike says that the workload has the same labels, as most have.
	Alike       bool       `json:"alike,omitempty"`
	Ports       []portCopy `json:"ports,omitempty"`
	HostNetwork bool       `json:"hostNetwork,omitempty"`
	Template    *nameCopy  `json:"template,omitempty"`
	Maker       *makerCopy `json:"maker,omitempty"`
	Born        uint64     `json:"born,omitempty"`
	Last        uint64     `json:"last"`
	// Ago is how long ago it was seen: two nodes need not agree what time it is.
	Ago time.Duration `json:"ago"`
}

type nameCopy struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

type membershipCopy struct {
	nameCopy
	Group      string `json:"group,omitempty"`
	UID        string `json:"uid,omitempty"`
	Unmodelled bool   `json:"unmodelled,omitempty"`
}

type objectCopy struct {
	nameCopy
	Labels labels.Set `json:"labels,omitempty"`
	Maker  *makerCopy `json:"maker,omitempty"`
}

type portCopy struct {
	Name     string `json:"name,omitempty"`
	Protocol string `json:"protocol"`
	Port     uint16 `json:"port"`
}

type makerCopy struct {
	Kind        string `json:"kind,omitempty"`
	Name        string `json:"name,omitempty"`
	First       int32  `json:"first,omitempty"`
	Indexed     bool   `json:"indexed,omitempty"`
	OwnSelector bool   `json:"ownSelector,omitempty"`
	Unbound     bool   `json:"unbound,omitempty"`
	Ordinal     int32  `json:"ordinal,omitempty"`
	One         bool   `json:"one,omitempty"`
}

// Export is a copy of the memory.
func (m *Memory) Export(now time.Time) MemoryCopy {
	out := memoryCopy{Version: copyVersion}
	if m.Len() == 0 {
		return MemoryCopy{out} // who was there with nobody does not matter
	}
	out.Step = m.step
	for _, sh := range m.base.shards {
		sp := m.spaceOf(sh.namespace.Name)
		if sp == nil {
			sp = &space{}
		}
		n := namespaceCopy{Name: sh.namespace.Name, UID: sh.namespace.UID, Held: sh.fingerprint(), Changed: sp.changed, There: map[string]uint64{}}
		for key := range sh.allClasses() {
			n.There[fingerprintOf(key)] = sp.born[key]
		}
		for _, r := range sp.gone {
			n.Gone = append(n.Gone, r.copied(now))
		}
		out.Namespaces = append(out.Namespaces, n)
	}
	return MemoryCopy{out}
}

// NewMemoryFrom goes on with a copy of another replica's memory, beside a snapshot of
// one's own, which may be somewhat older or newer than what the other had seen. What
// is not the same in both counts as having changed just now, so that no more is
// remembered of it than the other would.
func NewMemoryFrom(base *Snapshot, limits MemoryLimits, c MemoryCopy, now time.Time) *Memory {
	m := NewMemory(base, limits)
	if limits.For <= 0 || c.Step == 0 {
		return m
	}
	m.step = c.Step + 1
	copies := make(map[string]namespaceCopy, len(c.Namespaces))
	for _, n := range c.Namespaces {
		copies[n.Name] = n
	}
	for _, sh := range base.shards {
		n := copies[sh.namespace.Name]
		if n.UID != sh.namespace.UID {
			n = namespaceCopy{}
		}
		sp := m.resumed(sh, n)
		sp.gone = m.recall(n, now)
		m.held += len(sp.gone)
		m.spaces = append(m.spaces, sp)
	}
	return m
}

// resumed is the space of a namespace of which there is a copy, or an empty one.
func (m *Memory) resumed(sh *shard, n namespaceCopy) *space {
	sp := &space{name: sh.namespace.Name, changed: m.step, born: map[string]uint64{}}
	if n.Held != "" && n.Held == sh.fingerprint() {
		sp.changed = n.Changed
	}
	for key := range sh.allClasses() {
		born, known := n.There[fingerprintOf(key)]
		if !known {
			born = m.step
		}
		if born > 0 {
			sp.born[key] = born
		}
	}
	return sp
}

// recall is what is remembered of a namespace, within the limits.
func (m *Memory) recall(n namespaceCopy, now time.Time) []*Remembered {
	var out []*Remembered
	for _, c := range n.Gone {
		if c.Ago <= m.limits.For {
			out = append(out, c.remembered(n.Name, now))
		}
	}
	slices.SortStableFunc(out, func(a, b *Remembered) int { return cmp.Or(a.seen.Compare(b.seen), cmp.Compare(a.last, b.last)) })
	room := max(0, min(m.limits.PerNamespace, m.limits.Total-m.held))
	return slices.Clone(out[max(0, len(out)-room):])
}

// allClasses are all that a memory would keep of a namespace if it went.
func (s *shard) allClasses() map[string]*class {
	out := map[string]*class{}
	for _, w := range s.fold().sorted {
		s.classes(w, out)
	}
	return out
}

// fingerprint is equal for namespaces with the same labels and netpols. One with a
// netpol that cannot be written has none, and is like no other.
func (s *shard) fingerprint() string {
	sum := sha256.New()
	write := func(v any) bool {
		b, err := json.Marshal(v)
		sum.Write(b)
		return err == nil
	}
	if !write(s.namespace.Implied) || !write(s.namespace.Labels) {
		return ""
	}
	for _, n := range s.order() {
		d, ok := n.Draft()
		if !ok || !write(d.object.Name) || !write(d.object.Spec) {
			return ""
		}
	}
	in := s.enter()
	for _, e := range in.services {
		if !write(e.Pods.String()) || !write(e.plain()) {
			return ""
		}
	}
	if len(in.ingresses)+len(in.routes) > 0 && (!write(in.ingresses) || !write(in.routes)) {
		return ""
	}
	return short(sum.Sum(nil))
}

func fingerprintOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return short(sum[:])
}

func short(sum []byte) string { return hex.EncodeToString(sum[:16]) }

func (r *Remembered) copied(now time.Time) classCopy {
	w := r.Workload
	out := classCopy{
		Membership: membershipCopy{nameOfRef(r.Membership.Workload), r.Membership.Group, r.Membership.UID, r.Membership.Unmodelled},
		Workload:   objectCopy{nameCopy: nameOfRef(w.Ref), Labels: w.Labels},
		Labels:     r.Labels, HostNetwork: r.HostNetwork, Maker: r.maker.copied(),
		Born: r.born, Last: r.last, Ago: max(0, now.Sub(r.seen)),
	}
	if maps.Equal(w.Labels, r.Labels) {
		out.Alike, out.Workload.Labels = true, nil
	}
	if w.Parent != (Ref{}) {
		out.Parent = &objectCopy{nameOfRef(w.Parent), w.ParentLabels, w.parentMaker.copied()}
	}
	for _, p := range r.Ports {
		out.Ports = append(out.Ports, portCopy{p.Name, p.Protocol.String(), p.Port})
	}
	for _, ref := range r.Templates {
		template := nameOfRef(ref)
		out.Template = &template
	}
	return out
}

func (c *classCopy) remembered(namespace string, now time.Time) *Remembered {
	w := &Workload{Ref: c.Workload.in(namespace), Labels: c.Workload.Labels}
	if c.Alike {
		w.Labels = c.Labels
	}
	if c.Parent != nil {
		w.Parent, w.ParentLabels, w.parentMaker = c.Parent.in(namespace), c.Parent.Labels, c.Parent.Maker.maker()
	}
	v := &Variant{
		Workload:   w,
		Membership: Membership{Workload: c.Membership.in(namespace), Group: c.Membership.Group, UID: c.Membership.UID, Unmodelled: c.Membership.Unmodelled},
		Labels:     c.Labels, HostNetwork: c.HostNetwork, Unaddressed: true, maker: c.Maker.maker(),
	}
	for _, p := range c.Ports {
		protocol, _ := ParseProtocol(p.Protocol) // check has seen it
		v.Ports = append(v.Ports, NamedPort{p.Name, protocol, p.Port})
	}
	which := ""
	if c.Template != nil {
		ref := c.Template.in(namespace)
		v.Templates, which = []Ref{ref}, ref.String()
	}
	return &Remembered{Variant: v, key: v.classKey(which), born: c.Born, last: c.Last, seen: now.Add(-c.Ago)}
}

func nameOfRef(r Ref) nameCopy { return nameCopy{r.Kind, r.Name} }

func (n nameCopy) in(namespace string) Ref { return Ref{namespace, n.Kind, n.Name} }

func (m *maker) copied() *makerCopy {
	if m == nil {
		return nil
	}
	return &makerCopy{m.kind, m.name, m.first, m.indexed, m.ownSelector, m.unbound, m.ordinal, m.one}
}

func (c *makerCopy) maker() *maker {
	if c == nil {
		return nil
	}
	return &maker{kind: c.Kind, name: c.Name, first: c.First, indexed: c.Indexed, ownSelector: c.OwnSelector, unbound: c.Unbound, ordinal: c.Ordinal, one: c.One}
}

// MarshalJSON implements json.Marshaler.
func (c MemoryCopy) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(c.memoryCopy)
	if err != nil {
		return nil, fmt.Errorf("write a copy of the memory: %w", err)
	}
	return b, nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *MemoryCopy) UnmarshalJSON(b []byte) error {
	var read memoryCopy
	strict, err := kjson.UnmarshalStrict(b, &read)
	if err := errors.Join(append(strict, err)...); err != nil {
		return fmt.Errorf("read a copy of the memory: %w", err)
	}
	if err := read.check(); err != nil {
		return fmt.Errorf("copy of the memory: %w", err)
	}
	c.memoryCopy = read
	return nil
}

// check finds what no replica says. It is written by one that is trusted, and read by
// one that must not be made to remember what was not.
func (c *memoryCopy) check() error {
	if c.Version != copyVersion {
		return fmt.Errorf("version must be %d, got %d", copyVersion, c.Version)
	}
	if c.Step > maxCopiedStep {
		return fmt.Errorf("step must be at most %d, got %d", uint64(maxCopiedStep), c.Step)
	}
	seen := map[string]bool{}
	for i := range c.Namespaces {
		n := &c.Namespaces[i]
		if n.Name == "" || seen[n.Name] {
			return fmt.Errorf("namespaces[%d]: name must be there, and once, got %q", i, n.Name)
		}
		seen[n.Name] = true
		if err := n.check(c.Step); err != nil {
			return fmt.Errorf("namespace %q: %w", n.Name, err)
		}
	}
	return nil
}

func (n *namespaceCopy) check(step uint64) error {
	if n.Changed > step {
		return fmt.Errorf("changed must be at most the step %d, got %d", step, n.Changed)
	}
	for key, born := range n.There {
		if born > step {
			return fmt.Errorf("there: %q must be born at the step %d or before, got %d", key, step, born)
		}
	}
	seen := map[string]bool{}
	for i := range n.Gone {
		c := &n.Gone[i]
		if err := c.check(step); err != nil {
			return fmt.Errorf("gone[%d]: %w", i, err)
		}
		key := c.remembered(n.Name, time.Time{}).key
		if seen[key] {
			return fmt.Errorf("gone[%d]: %s %q with the same labels is there twice", i, c.Membership.Kind, c.Membership.Name)
		}
		seen[key] = true
	}
	return nil
}

func (c *classCopy) check(step uint64) error {
	if c.Born > c.Last || c.Last >= step {
		return fmt.Errorf("born %d, last %d and the step %d must be in this order", c.Born, c.Last, step)
	}
	if c.Ago < 0 {
		return fmt.Errorf("ago must not be negative, got %d", c.Ago)
	}
	names := []nameCopy{c.Membership.nameCopy, c.Workload.nameCopy}
	makers := []*makerCopy{c.Maker}
	if c.Parent != nil {
		names, makers = append(names, c.Parent.nameCopy), append(makers, c.Parent.Maker)
	}
	if c.Template != nil {
		names = append(names, *c.Template)
	}
	for _, n := range names {
		if n.Kind == "" || n.Name == "" {
			return fmt.Errorf("membership, workload, parent and template need a kind and a name, got %q and %q", n.Kind, n.Name)
		}
	}
	for _, m := range makers {
		if m != nil && (m.First < 0 || m.Ordinal < 0) {
			return fmt.Errorf("ordinals must not be negative, got %d and %d", m.First, m.Ordinal)
		}
	}
	for _, p := range c.Ports {
		if _, ok := ParseProtocol(p.Protocol); !ok {
			return fmt.Errorf("protocol must be TCP, UDP or SCTP, got %q", p.Protocol)
		}
	}
	return nil
}
