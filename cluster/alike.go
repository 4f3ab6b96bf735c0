package cluster

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// alike is the classes of a workload, for what some keys mention of its labels.
type alike struct {
	keys    *Keys  // for which it was made or seen to be right
	matters string // see Keys.matterTo
	classes []*Variant
}

// Classes joins the variants of a workload that no netpol of the snapshot can
// tell apart: they differ only in addresses and in labels that no selector
// mentions, such as pod-template-hash or a StatefulSet's pod names. Without it two workloads of n
// replicas would cost n*n comparisons. A class has the addresses of all its
// variants and the labels of one; it names no pods. keys are those of its namespace.
func (w *Workload) Classes(keys *Keys) []*Variant {
	if len(w.Variants) < 2 && !keys.Split(w.Variants) {
		return w.Variants
	}
	known := w.alike.Load()
	if known != nil && slices.Equal(known.keys.parts, keys.parts) {
		return known.classes
	}
	now := &alike{keys: keys, matters: keys.matterTo(w)}
	if known != nil && known.matters == now.matters {
		now.classes = known.classes
	} else {
		now.classes = Join(w.Variants, keys)
	}
	w.alike.Store(now)
	return now.classes
}

// matterTo is equal for keys that make the same classes of a workload: it is what they
// mention of the labels that its pods have, or may get.
func (k *Keys) matterTo(w *Workload) string {
	var b text
	for _, key := range w.labelKeys() {
		if k.Has(key) {
			b.write(key)
		}
	}
	if k.Generated() {
		b.WriteString("|generated")
	}
	for i, v := range w.Variants {
		if list := k.ordinalsOf(v); len(list) > 0 {
			fmt.Fprintf(&b, "|%d:%v", i, list)
		}
	}
	return b.String()
}

// labelKeys are those of the labels of its variants, sorted.
func (w *Workload) labelKeys() []string {
	if known := w.keys.Load(); known != nil {
		return *known
	}
	keys := map[string]bool{}
	for _, v := range w.Variants {
		for k := range v.Labels {
			keys[k] = true
		}
	}
	out := slices.Sorted(maps.Keys(keys))
	w.keys.Store(&out)
	return out
}

// Join is Classes for some variants of a workload. What a netpol can tell apart
// within one variant is first taken apart, see Split.
func Join(variants []*Variant, keys *Keys) []*Variant {
	variants = Split(variants, keys)
	if len(variants) < 2 {
		return variants
	}
	index := make(map[string]int, len(variants))
	copied := map[int]bool{} // whether out[i] is ours to write
	var out []*Variant
	for _, v := range variants {
		class := classOf(v, keys)
		i, ok := index[class]
		if !ok {
			index[class] = len(out)
			out = append(out, v)
			continue
		}
		if !copied[i] {
			first := *out[i]
			first.IPs, first.Pods, first.Templates, first.first = slices.Clone(first.IPs), nil, nil, out[i].self()
			out[i], copied[i] = &first, true
		}
		out[i].IPs = append(out[i].IPs, v.IPs...)
		out[i].Unaddressed = out[i].Unaddressed || v.Unaddressed
	}
	return out
}

// text is a key of a map under construction.
type text struct{ strings.Builder }

// write adds a string of which the end can be told.
func (t *text) write(s string) {
	var length [binary.MaxVarintLen64]byte
	t.Write(length[:binary.PutUvarint(length[:], uint64(len(s)))])
	t.WriteString(s)
}

// classOf is equal for variants of one workload that differ only in their
// addresses and in labels other than the given keys. It looks at the labels, which are
// as many as whoever made the pods likes, and not at the keys: those are everybody's.
func classOf(v *Variant, keys *Keys) string {
	var few [16]string // the labels of nearly every pod
	mentioned := few[:0]
	for k := range v.Labels {
		if keys.Has(k) {
			mentioned = append(mentioned, k)
		}
	}
	slices.Sort(mentioned)
	var b text
	for _, k := range mentioned {
		b.write(k)
		b.write(v.Labels[k])
	}
	b.WriteString("|")
	for _, p := range v.Ports {
		b.write(p.Name)
		b.Write([]byte{byte(p.Protocol), byte(p.Port >> 8), byte(p.Port)})
	}
	if v.HostNetwork {
		b.WriteString("|host")
	}
	if v.maker != nil && (keys.Generated() || v.Unread() != 0) {
		fmt.Fprintf(&b, "|%+v", *v.maker)
	}
	return b.String()
}
