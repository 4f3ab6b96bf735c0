package cluster

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Memory is which pods and templates were in a cluster within a while, beside those
// that are. It does not change; After makes the next one. The only pod of an operator
// is drained and comes back, an old primary is demoted before the new one is
// promoted: they are nobody new.
//
// It says that somebody was there, not that a path was open. Each remembered end
// comes with when it was last seen, and Held and ThereSince say whether what would
// make a path of it is as old as that. Time is counted in steps of After, so that no
// clock decides what came first; a clock only says what is too long ago.
type Memory struct {
	limits MemoryLimits
	// base is the newest snapshot that the memory has seen.
	base *Snapshot
	step uint64
	// spaces are those of the namespaces in which something changed, by name.
	spaces []*space
	held   int
	swept  time.Time
}

// MemoryLimits bound a memory.
type MemoryLimits struct {
	// For is how long what is gone is remembered; nothing is when it is not positive.
	For time.Duration
	// PerNamespace and Total are how many ends are remembered at most; of a namespace
	// that has too many the oldest go first.
	PerNamespace, Total int
}

// DefaultMemoryLimits remember for an hour: controllers that fail to create a pod
// back off to 17 minutes.
func DefaultMemoryLimits() MemoryLimits {
	return MemoryLimits{For: time.Hour, PerNamespace: 1000, Total: 50_000}
}

// space is what is remembered of one namespace.
type space struct {
	name string
	// changed is the step in which a netpol of the namespace or its labels last changed.
	changed uint64
	// gone is sorted by when it was last seen, the oldest first.
	gone []*Remembered
	// born are the steps in which those that are there appeared; what is missing was
	// there from the beginning.
	born map[string]uint64
}

// Remembered is a class that was there: pods, or a template, with their labels, ports
// and owner, and no addresses.
type Remembered struct {
	*Variant
	key        string
	born, last uint64
	seen       time.Time
}

// NewMemory remembers nothing of what was before a snapshot.
func NewMemory(s *Snapshot, limits MemoryLimits) *Memory {
	return &Memory{limits: limits, base: s}
}

// Len is how many ends are remembered.
func (m *Memory) Len() int {
	if m == nil {
		return 0
	}
	return m.held
}

// After is the memory once a newer snapshot is there. Its cost is that of the
// namespaces in which pods, templates or netpols changed.
func (m *Memory) After(next *Snapshot, now time.Time) *Memory {
	out := &Memory{limits: m.limits, base: next, step: m.step + 1, spaces: m.spaces, held: m.held, swept: m.swept}
	if m.limits.For <= 0 {
		return out
	}
	w := &remembering{Memory: out, owned: map[string]bool{}, now: now}
	was := m.base.shards
	for _, sh := range next.shards {
		for len(was) > 0 && was[0].namespace.Name < sh.namespace.Name {
			w.forget(was[0].namespace.Name)
			was = was[1:]
		}
		var then *shard
		if len(was) > 0 && was[0].namespace.Name == sh.namespace.Name {
			then, was = was[0], was[1:]
		}
		if then != sh {
			w.compare(then, sh)
		}
	}
	for _, sh := range was {
		w.forget(sh.namespace.Name)
	}
	if now.Sub(out.swept) >= sweepPeriod {
		w.expire(now.Add(-m.limits.For))
		out.swept = now
	}
	return out
}

// remembering is an After at work.
type remembering struct {
	*Memory
	owned map[string]bool // the spaces that this After made
	all   bool            // the list of spaces is ours
	now   time.Time
}

// sweepPeriod is how often what is too old is looked for.
const sweepPeriod = time.Second

func (m *Memory) find(name string) (int, bool) {
	return slices.BinarySearchFunc(m.spaces, name, func(sp *space, name string) int { return cmp.Compare(sp.name, name) })
}

func (m *Memory) spaceOf(name string) *space {
	if i, ok := m.find(name); ok {
		return m.spaces[i]
	}
	return nil
}

func (w *remembering) own() {
	if !w.all {
		w.spaces, w.all = slices.Clone(w.spaces), true
	}
}

// space is the one to write of a namespace.
func (w *remembering) space(name string) *space {
	w.own()
	i, found := w.find(name)
	switch {
	case !found:
		w.spaces = slices.Insert(w.spaces, i, &space{name: name, born: map[string]uint64{}})
	case !w.owned[name]:
		sp := w.spaces[i]
		w.spaces[i] = &space{name, sp.changed, slices.Clone(sp.gone), maps.Clone(sp.born)}
	}
	w.owned[name] = true
	return w.spaces[i]
}

// forget drops a namespace, which takes its memories with it.
func (w *remembering) forget(name string) {
	if i, found := w.find(name); found {
		w.own()
		w.held -= len(w.spaces[i].gone)
		w.spaces = slices.Delete(w.spaces, i, i+1)
		delete(w.owned, name)
	}
}

func (w *remembering) compare(was, now *shard) {
	name := now.namespace.Name
	if was != nil && was.namespace.UID != now.namespace.UID && !was.namespace.Implied {
		w.forget(name)
		was = nil
	}
	if was == nil {
		was = newShard(name)
		w.space(name).changed = w.step
	}
	if was.ordering != now.ordering || was.entering != now.entering || !maps.Equal(was.namespace.Labels, now.namespace.Labels) {
		w.space(name).changed = w.step
	}
	if was.folding == now.folding {
		return
	}
	gone, come := differing(was, now)
	if len(gone) == 0 && len(come) == 0 {
		return
	}
	sp := w.space(name)
	born := map[string]uint64{}
	for key, v := range come {
		born[key] = w.born(sp, was, now, v)
	}
	for key, v := range gone {
		w.remember(sp, key, v)
		delete(sp.born, key)
	}
	maps.Copy(sp.born, born)
}

// born is when a class that has appeared was first there: now, unless it is pods that
// only have another owner than before.
func (w *remembering) born(sp *space, was, now *shard, v *class) uint64 {
	first := uint64(0)
	for _, name := range v.pods {
		p, q := now.pods[name], was.pods[name]
		if p == nil || q == nil || p.UID != q.UID || p.HostNetwork != q.HostNetwork || !maps.Equal(p.Labels, q.Labels) || !slices.Equal(p.Ports, q.Ports) {
			return w.step
		}
		then := Variant{Membership: was.belongingOf(q).membership, Labels: q.Labels, Ports: q.Ports, HostNetwork: q.HostNetwork}
		which := ""
		if then.Membership == (Membership{}) {
			which = was.alone(name)
		}
		first = max(first, sp.born[then.classKey(which)])
	}
	if len(v.pods) == 0 {
		return w.step
	}
	return first
}

func (w *remembering) remember(sp *space, key string, v *class) {
	if v.Membership == (Membership{}) || v.Unread() != 0 {
		return // who belongs to nobody is somebody new each time, and so is who may be anybody
	}
	if i := slices.IndexFunc(sp.gone, func(r *Remembered) bool { return r.key == key }); i >= 0 {
		sp.gone = slices.Delete(sp.gone, i, i+1)
		w.held--
	}
	if len(sp.gone) > 0 && (len(sp.gone) >= w.limits.PerNamespace || w.held >= w.limits.Total) {
		sp.gone = slices.Delete(sp.gone, 0, 1)
		w.held--
	}
	if w.held < w.limits.Total {
		sp.gone = append(sp.gone, &Remembered{Variant: v.Variant, key: key, born: sp.born[key], last: w.step - 1, seen: w.now})
		w.held++
	}
}

// expire drops what was last seen too long ago.
func (w *remembering) expire(oldest time.Time) {
	for _, sp := range slices.Clone(w.spaces) {
		old := 0
		for old < len(sp.gone) && sp.gone[old].seen.Before(oldest) {
			old++
		}
		if old > 0 {
			sp := w.space(sp.name)
			sp.gone = slices.Delete(sp.gone, 0, old)
			w.held -= old
		}
	}
}

// differing are the classes, pods and templates apart, that one folding has and the
// other has not.
func differing(was, now *shard) (gone, come map[string]*class) {
	gone, come = map[string]*class{}, map[string]*class{}
	a, b := was.fold().sorted, now.fold().sorted
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || (len(a) > 0 && a[0].Ref.Compare(b[0].Ref) < 0):
			was.classes(a[0], gone)
			a = a[1:]
		case len(a) == 0 || a[0].Ref.Compare(b[0].Ref) > 0:
			now.classes(b[0], come)
			b = b[1:]
		default:
			if a[0] != b[0] {
				was.classes(a[0], gone)
				now.classes(b[0], come)
			}
			a, b = a[1:], b[1:]
		}
	}
	for key := range gone {
		if _, still := come[key]; still {
			delete(gone, key)
			delete(come, key)
		}
	}
	return gone, come
}

// class is what a memory would keep of some pods, or of a template.
type class struct {
	*Variant
	pods []string
}

// classes adds what a memory would keep of a workload. Who belongs to nobody is a
// class by itself.
func (s *shard) classes(w *Workload, to map[string]*class) {
	for _, v := range w.Variants {
		kept := Variant{
			Workload:   &Workload{Ref: w.Ref, Labels: w.Labels, Parent: w.Parent, ParentLabels: w.ParentLabels, parentMaker: w.parentMaker},
			Membership: v.Membership, Labels: v.Labels, Ports: v.Ports, HostNetwork: v.HostNetwork, Unaddressed: true, maker: v.maker,
		}
		if v.Membership == (Membership{}) {
			for _, name := range v.Pods {
				to[v.classKey(s.alone(name))] = &class{&kept, []string{name}}
			}
		} else if len(v.Pods) > 0 {
			to[v.classKey("")] = &class{&kept, v.Pods}
		}
		for _, ref := range v.Templates {
			template := kept
			template.Templates = []Ref{ref}
			to[v.classKey(ref.String())] = &class{&template, nil}
		}
	}
}

// alone is the part of the key of a pod that belongs to nobody.
func (s *shard) alone(pod string) string {
	p, ok := s.pods[pod]
	if !ok {
		return pod
	}
	return pod + " " + p.UID
}

// classKey tells classes of a namespace apart; which is empty for pods that belong
// to somebody.
func (v *Variant) classKey(which string) string {
	return traits{v.Membership, v.Labels, v.Ports, v.HostNetwork, nil}.key() + "\x05" + which
}

// WithMemory is the same snapshot with what is remembered beside it.
func (s *Snapshot) WithMemory(m *Memory) *Snapshot {
	out := *s
	out.memory = m
	return &out
}

// Memory is what is remembered beside the snapshot; nil for nothing.
func (s *Snapshot) Memory() *Memory { return s.memory }

// Remembered are the classes of a membership that were there and are not.
func (s *Snapshot) Remembered(m Membership) []*Remembered {
	if s.memory == nil || m == (Membership{}) {
		return nil
	}
	sp := s.memory.spaceOf(m.Workload.Namespace)
	if sp == nil {
		return nil
	}
	var out []*Remembered
	for _, r := range sp.gone {
		if r.Membership == m {
			out = append(out, r)
		}
	}
	return out
}

// Held reports whether the netpols, entries and labels of a namespace are as they were
// when a remembered class was last seen.
func (s *Snapshot) Held(namespace string, r *Remembered) bool {
	now, then := s.shard(namespace), s.memory.base.shard(namespace)
	if now == nil || then == nil || now.ordering != then.ordering || now.entering != then.entering || !maps.Equal(now.namespace.Labels, then.namespace.Labels) {
		return false // the snapshot is ahead of the memory
	}
	sp := s.memory.spaceOf(namespace)
	return sp == nil || sp.changed <= r.last
}

// ThereSince reports whether the class of a variant of the snapshot has been there
// since a remembered class was last seen.
func (s *Snapshot) ThereSince(v *Variant, r *Remembered) bool {
	sh, sp := s.memory.base.shard(v.Workload.Namespace), s.memory.spaceOf(v.Workload.Namespace)
	if sh == nil {
		return false
	}
	old := func(which string) bool { return sp == nil || sp.born[v.classKey(which)] <= r.last }
	if v.Membership == (Membership{}) {
		return !slices.ContainsFunc(v.Pods, func(name string) bool { // each of them
			x := s.memory.base.VariantOf(v.Workload.Namespace, name)
			return x == nil || !x.alike(v) || s.shard(v.Workload.Namespace).alone(name) != sh.alone(name) || !old(sh.alone(name))
		})
	}
	return slices.ContainsFunc(s.memory.base.Kin(v.Membership), func(x *Variant) bool {
		if !x.alike(v) {
			return false
		}
		if len(v.Pods) > 0 && len(x.Pods) > 0 && old("") {
			return true
		}
		return slices.ContainsFunc(v.Templates, func(ref Ref) bool { return slices.Contains(x.Templates, ref) && old(ref.String()) })
	})
}

func (v *Variant) alike(o *Variant) bool {
	return v.HostNetwork == o.HostNetwork && v.Membership == o.Membership && maps.Equal(v.Labels, o.Labels) && slices.Equal(v.Ports, o.Ports)
}

// Together reports whether two remembered classes were there at the same time, and
// the netpols and labels of their namespaces are as they were then.
func (s *Snapshot) Together(a, b *Remembered) bool {
	if max(a.born, b.born) > min(a.last, b.last) {
		return false
	}
	first := a
	if b.last < a.last {
		first = b
	}
	return s.Held(a.Workload.Namespace, first) && s.Held(b.Workload.Namespace, first)
}
