package connectivity

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
)

// classes joins the variants that no netpol can tell apart: they differ only in
// labels that no selector mentions, such as a StatefulSet's pod names. Without it
// two workloads of n replicas would cost n*n comparisons.
func (e *evaluator) classes(variants []*cluster.Variant) []*cluster.Variant {
	if len(variants) < 3 { // the usual: a template and its pods
		return variants
	}
	key := listKey{&variants[0], len(variants)}
	out, ok := e.joined[key]
	if !ok {
		out = e.join(variants)
		e.joined[key] = out
	}
	return out
}

// listKey is the identity of a list, which nobody changes once it is made.
type listKey struct {
	first **cluster.Variant
	n     int
}

func (e *evaluator) join(variants []*cluster.Variant) []*cluster.Variant {
	keys := e.snapshot.SelectorKeys()
	index := make(map[string]int, len(variants))
	shared := map[int]bool{} // whether out[i] is a copy already
	var out []*cluster.Variant
	for _, v := range variants {
		class := classOf(v, keys)
		i, ok := index[class]
		if !ok {
			index[class] = len(out)
			out = append(out, v)
			continue
		}
		if !shared[i] {
			first := *out[i]
			first.IPs, first.Pods = slices.Clone(first.IPs), nil
			out[i], shared[i] = &first, true
		}
		out[i].IPs = append(out[i].IPs, v.IPs...)
		out[i].Unaddressed = out[i].Unaddressed || v.Unaddressed
	}
	return out
}

// classOf is equal for variants that differ only in their addresses and in labels
// other than the given keys.
func classOf(v *cluster.Variant, keys []string) string {
	var b strings.Builder
	write := func(s string) {
		b.Write(binary.AppendUvarint(nil, uint64(len(s))))
		b.WriteString(s)
	}
	write(v.Workload.String())
	for i, k := range keys {
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
	return b.String()
}
