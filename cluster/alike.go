package cluster

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// alike is the classes of every workload of a shard, for one list of keys.
type alike struct {
	keys    *Keys
	classes map[*Workload][]*Variant
}

// Classes joins the variants of a workload that no netpol of the snapshot can
// tell apart: they differ only in addresses and in labels that no selector
// mentions, such as pod-template-hash or a StatefulSet's pod names. Without it two workloads of n
// replicas would cost n*n comparisons. A class has the addresses of all its
// variants and the labels of one; it names no pods.
func (s *Snapshot) Classes(w *Workload) []*Variant {
	sh, keys := s.shard(w.Namespace), s.SelectorKeys()
	if len(w.Variants) < 2 && !keys.Split(w.Variants) {
		return w.Variants
	}
	if sh == nil {
		return Join(w.Variants, keys)
	}
	known := sh.fold().alike.Load()
	if known == nil || known.keys != keys {
		known = &alike{keys: keys, classes: map[*Workload][]*Variant{}}
		for _, w := range sh.fold().sorted {
			if len(w.Variants) >= 2 || keys.Split(w.Variants) {
				known.classes[w] = Join(w.Variants, keys)
			}
		}
		sh.fold().alike.Store(known)
	}
	if classes, ok := known.classes[w]; ok {
		return classes
	}
	return Join(w.Variants, keys)
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

// classOf is equal for variants of one workload that differ only in their
// addresses and in labels other than the given keys.
func classOf(v *Variant, keys *Keys) string {
	var b strings.Builder
	write := func(s string) {
		b.Write(binary.AppendUvarint(nil, uint64(len(s))))
		b.WriteString(s)
	}
	for i, k := range keys.Names {
		if value, ok := v.Labels[k]; ok {
			b.Write(binary.AppendUvarint(nil, uint64(i)))
			write(value)
		}
	}
	b.WriteString("|")
	for _, p := range v.Ports {
		write(p.Name)
		b.Write([]byte{byte(p.Protocol), byte(p.Port >> 8), byte(p.Port)})
	}
	if v.HostNetwork {
		b.WriteString("|host")
	}
	if keys.generated && v.maker != nil {
		fmt.Fprintf(&b, "|%+v", *v.maker)
	}
	return b.String()
}
