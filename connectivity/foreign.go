package connectivity

import (
	"net/netip"
	"slices"

	"github.com/podcullis/podcullis/cluster"
)

// mayRestrict tells whether an object of another policy API may close, for the pods
// of a namespace, what netpols leave open.
func (e *evaluator) mayRestrict(namespace string) bool {
	may, known := e.closing[namespace]
	if !known {
		for f := range e.snapshot.Foreign() {
			may = may || f.Restricts(namespace)
		}
		put(&e.closing, namespace, may)
	}
	return may
}

// novel is what two ends of a path have that they had not before, whichever earlier
// pair it was that had it.
func (t *transition) novel(now, was pair, known map[Reason]PortSet, from, to *cluster.Workload, f, g sides) pair {
	namespaces := [2]string{cluster.Egress: from.Namespace, cluster.Ingress: to.Namespace}
	return novelty{
		now: func(d cluster.Direction) []ground { return t.after.groundsBetween(d, f.now, g.now) },
		was: func(d cluster.Direction) []ground {
			var out []ground
			t.earlier(f, g, func(from, to []*cluster.Variant) { out = append(out, t.before.groundsBetween(d, from, to)...) })
			return out
		},
		known: known,
		doubted: func() PortSet {
			var out PortSet
			t.earlier(f, g, func(from, to []*cluster.Variant) {
				from, to = sameNetwork(from, f.now), sameNetwork(to, g.now)
				if len(from) > 0 && len(to) > 0 {
					out = out.Union(t.before.between(from, to).possible)
				}
			})
			return out
		},
		restricted: func(d cluster.Direction) bool { return t.before.mayRestrict(namespaces[d]) },
		covers:     t.before.says,
	}.opened(now, was)
}

// sameNetwork are the ends that are on the host's network as others are now, or not.
func sameNetwork(was, now []*cluster.Variant) []*cluster.Variant {
	var out []*cluster.Variant
	for _, v := range was {
		if slices.ContainsFunc(now, func(n *cluster.Variant) bool { return n.HostNetwork == v.HostNetwork }) {
			out = append(out, v)
		}
	}
	return out
}

// novelOutside is novel for one workload and an address outside the cluster.
func (t *transition) novelOutside(d cluster.Direction, now, was pair, w *cluster.Workload, subjects, before []*cluster.Variant, a netip.Addr) pair {
	known := map[Reason]PortSet{}
	for _, b := range was.because {
		known[b.Reason] = b.Ports
	}
	only := func(grounds func() []ground) func(cluster.Direction) []ground {
		return func(o cluster.Direction) []ground {
			if o != d {
				return nil
			}
			return grounds()
		}
	}
	return novelty{
		now:        only(func() []ground { return t.after.groundsOutside(d, subjects, a) }),
		was:        only(func() []ground { return t.before.groundsOutside(d, before, a) }),
		known:      known,
		restricted: func(o cluster.Direction) bool { return o == d && t.before.mayRestrict(w.Namespace) },
		covers:     t.before.says,
	}.opened(now, was)
}
