package guardrail

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// Local are the guardrails of which an inventory can be taken by namespaces: what they say
// of an object depends on that object and on connections, and so on the two namespaces of
// each. Of the others, Elsewhere, a change anywhere may change what they say of any.
func (f InForce) Local() InForce {
	return f.part(func(i *instance) *instance { return only(i, i.isLocal(&f.set.asking)) })
}

// Elsewhere are the guardrails that are not Local.
func (f InForce) Elsewhere() InForce {
	return f.part(func(i *instance) *instance { return only(i, !i.isLocal(&f.set.asking)) })
}

// None tells whether no guardrail is left.
func (f InForce) None() bool { return len(f.instances) == 0 }

func only(i *instance, keep bool) *instance {
	if keep {
		return i
	}
	return nil
}

func (i *instance) isLocal(a *asking) bool {
	if i.asksModel || i.readsOccasion || i.needsEntries() {
		return false
	}
	if !strings.HasPrefix(i.File, Embedded+"/") {
		return true // it asks nothing
	}
	return i.gated && !slices.ContainsFunc(i.gates, func(g gate) bool {
		switch g.builtin.name {
		case "netpol.barriers": // an inventory knows no before
			return false
		case "netpol.opened":
			q, err := a.paths.read(g.args[0], parsePathQuestion)
			return err != nil || slices.ContainsFunc(q.parsed.Queries, func(q connectivity.Query) bool { return q.Scope != connectivity.Existing })
		case "netpol.closed", "netpol.exposed":
			return false
		}
		return true
	})
}

// Touched are the namespaces of which an inventory may say something else than before, when
// nothing has changed but in some of them: these, and those to or from which something has
// opened or closed there, or is so for another reason. The guardrails are Local ones.
func (f InForce) Touched(ctx context.Context, was, now *cluster.Snapshot, within map[string]bool) (map[string]bool, error) {
	t := f.lane.newTurn(ctx)
	defer t.end()
	t.inBackground()
	out := maps.Clone(within)
	empty := &cluster.Snapshot{}
	then, next := f.set.world(t, empty, was), f.set.world(t, empty, now)
	then.options.Only, next.options.Only = within, within
	asked := map[string]bool{}
	for _, i := range f.instances {
		for _, g := range i.gates {
			key := g.builtin.name + " " + g.args[0].String()
			if asked[key] {
				continue
			}
			asked[key] = true
			a, err := then.answered(g)
			if err != nil {
				return nil, err
			}
			b, err := next.answered(g)
			if err != nil {
				return nil, err
			}
			differing(a, b, out)
		}
		if err := t.err(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

var errNotLocal = errors.New("not a question about connections")

// answered are the answers to the question of a gate.
func (w *world) answered(g gate) ([]answer, error) {
	var out []answer
	switch g.builtin.name {
	case "netpol.barriers":
	case "netpol.exposed": // of their own namespaces only
	case "netpol.opened":
		q, err := w.asking.paths.read(g.args[0], parsePathQuestion)
		if err != nil {
			return nil, err
		}
		all := w.opened(q.key, q.parsed.Queries)
		if len(all) > maxConnections {
			return nil, errTooMany
		}
		for _, c := range all {
			out = append(out, answer{c.From, c.To, fmt.Sprint(seen(c.From), seen(c.To), c.Unknown, c.Ports, c.Because)})
		}
	case "netpol.closed":
		queries, trusted, err := parseDemand(g.args[0])
		if err != nil {
			return nil, err
		}
		o := w.options
		o.NothingRestricts = trusted
		for _, q := range queries {
			for _, c := range connectivity.Closed(w.before, w.after, q, o) {
				out = append(out, answer{c.From, c.To, fmt.Sprint(seen(c.From), seen(c.To), c.Unknown, c.Ports, c.New, c.Because, c.Lost)})
			}
		}
		if len(out) > maxConnections {
			return nil, errTooMany
		}
	default:
		return nil, errNotLocal
	}
	return out, nil
}

// answer is one of a list; all of it that a guardrail can see is in text.
type answer struct {
	from, to connectivity.Peer
	text     string
}

// seen is what a guardrail sees of a peer.
func seen(p connectivity.Peer) string {
	if p.Workload == nil {
		return p.String()
	}
	host := slices.ContainsFunc(p.Workload.Variants, func(v *cluster.Variant) bool { return v.HostNetwork })
	return fmt.Sprint(p, p.Workload.Labels, host)
}

// differing adds the namespaces of what is in one list and not in the other.
func differing(a, b []answer, out map[string]bool) {
	texts := func(list []answer) map[string]bool {
		all := make(map[string]bool, len(list))
		for i := range list {
			all[list[i].text] = true
		}
		return all
	}
	add := func(list []answer, other map[string]bool) {
		for i := range list {
			if other[list[i].text] {
				continue
			}
			for _, p := range []connectivity.Peer{list[i].from, list[i].to} {
				if p.Workload != nil {
					out[p.Workload.Namespace] = true
				}
			}
		}
	}
	add(a, texts(b))
	add(b, texts(a))
}
