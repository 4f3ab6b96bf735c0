package connectivity

import (
	"cmp"
	"slices"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// ClosedPath is a path that is not there: ports on which some pod of one peer does
// not reach some pod of another. All its ports are blocked, or all are unknown.
type ClosedPath struct {
	From, To Peer
	Ports    PortSet
	// Unknown is empty when the ports are blocked; else why they are not proved open.
	Unknown Uncertainty
	// New is set when the query chose no such pair of peers before: one of them
	// is new.
	New bool
	// Because is what keeps the path shut, egress first; never empty.
	Because []Obstacle
	// Lost are the reasons that let the path through before and do not now.
	Lost []Reason
}

// Obstacle is what keeps a path from being open on one side: a netpol that
// isolates that side and has no rule for the path. It is comparable.
type Obstacle struct {
	Direction cluster.Direction
	// Netpol is zero when no netpol has a say, but an Unknown.
	Netpol cluster.Ref
	// Unknown says why it may let the path through after all.
	Unknown Uncertainty
	// New is set when it did not stand in the way of these peers before.
	New bool
}

func compareObstacles(a, b Obstacle) int {
	return cmp.Or(cmp.Compare(a.Direction, b.Direction), a.Netpol.Compare(b.Netpol), cmp.Compare(a.Unknown, b.Unknown))
}

func compareClosures(a, b ClosedPath) int {
	return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To), cmp.Compare(a.Unknown, b.Unknown))
}

// Closed lists the paths that a change closes: open before and not proved open
// after, or unknown before and blocked after. It is the counterpart of Opened,
// for paths that must be there: a path counts as open only where every pod of one
// peer reaches every pod of the other, and where a policy API that the model does
// not understand may restrict it, it is unknown. Between peers that were not
// there, or not chosen, before the change, every port counts as open before.
//
// Peers are chosen and compared as Opened does it, except that a pod which was relabelled
// away from its controller answers for its own labels only: so is one quarantined.
func Closed(before, after *cluster.Snapshot, q Query, o Options) []ClosedPath {
	c := &closing{
		transition: &transition{before: newEvaluator(before, o).asking(q), after: newEvaluator(after, o).asking(q), query: q, options: o, delta: o.since(after, before)},
		before:     newDemander(before, q, o),
		after:      newDemander(after, q, o),
	}
	out := q.closedDoubtfully(after, c.closed())
	slices.SortStableFunc(out, compareClosures)
	return out
}

// Blocked lists the paths of a snapshot that are not proved open, sorted: what
// Closed lists about the change that creates everything.
func Blocked(s *cluster.Snapshot, q Query, o Options) []ClosedPath {
	return Closed(&cluster.Snapshot{}, s, q, o)
}

// closing is a transition seen by somebody who needs the paths.
type closing struct {
	*transition
	before, after *demander
}

func (c *closing) closed() []ClosedPath {
	q := c.query
	if q.From.external() && q.To.external() {
		return nil
	}
	affected := c.affected()
	var out []ClosedPath
	switch {
	case q.From.external():
		for _, to := range q.To.ownLabels(c.chosenAmong(q.To, affected)) {
			if c.options.enough(len(out)) {
				break
			}
			out = append(out, c.closedOutside(cluster.Ingress, to, q.To, q.From)...)
		}
	case q.To.external():
		for _, from := range q.From.ownLabels(c.chosenAmong(q.From, affected)) {
			if c.options.enough(len(out)) {
				break
			}
			out = append(out, c.closedOutside(cluster.Egress, from, q.From, q.To)...)
		}
	default:
		out = c.closedBetween(affected)
	}
	return out
}

// closedBetween looks at the pairs with an affected workload on either side, as
// openedBetween does.
func (c *closing) closedBetween(affected map[*cluster.Workload]bool) []ClosedPath {
	q := c.query
	isFrom, isTo := q.From.ownLabels(c.chosenAmong(q.From, affected)), q.To.ownLabels(c.chosenAmong(q.To, affected))
	var out []ClosedPath
	if len(isTo) > 0 {
		for _, from := range q.From.ownLabels(c.choose(q.From, everyone)) {
			if c.options.enough(len(out)) {
				return out
			}
			for _, to := range isTo {
				out = append(out, c.closedPair(from, to)...)
			}
		}
	}
	if len(isFrom) > 0 {
		for _, to := range q.To.ownLabels(c.choose(q.To, everyone)) {
			if affected[to.workload] {
				continue // seen above
			}
			if c.options.enough(len(out)) {
				return out
			}
			for _, from := range isFrom {
				out = append(out, c.closedPair(from, to)...)
			}
		}
	}
	return out
}

func (c *closing) closedPair(from, to chosen) []ClosedPath {
	all, isNew := newShortfall(), true
	for f, g := range c.pairs(from, to) {
		now := c.after.between(f.now, g.now)
		if c.query.ports().Subtract(now.open).Empty() {
			continue
		}
		was := unhindered()
		if len(f.was) > 0 && len(g.was) > 0 {
			was = c.before.between(f.was, g.was)
		}
		short := now.short(was)
		isNew = isNew && (len(f.was) == 0 || len(g.was) == 0 || short.empty(c.query.ports()))
		all.add(short)
	}
	return all.closures(Peer{Workload: from.workload}, Peer{Workload: to.workload}, c.query.ports(), isNew)
}

func (c *closing) closedOutside(d cluster.Direction, subject chosen, inside, outside Selection) []ClosedPath {
	var short []stretch[shortfall]
	isNew := true
	for _, ends := range c.sidesOf(inside, c.sideOf(d), subject) {
		was := []stretch[demand]{{setOf(outside.Block), unhindered()}}
		if len(ends.was) > 0 {
			was = c.before.outside(d, ends.was, outside.Block)
		}
		for _, now := range c.after.outside(d, ends.now, outside.Block) {
			for _, then := range was {
				if both := intersection(now.addresses, then.addresses); both != nil {
					x := now.is.short(then.is)
					isNew = isNew && (len(ends.was) == 0 || x.empty(c.query.ports()))
					short = overlayShortfall(short, stretch[shortfall]{both, x})
				}
			}
		}
	}
	return closuresOutside(short, d, subject.workload, c.query.ports(), isNew)
}

// ownLabels leaves out the pods that a selection chooses only by the template
// they were relabelled away from.
func (s Selection) ownLabels(list []chosen) []chosen {
	return slices.DeleteFunc(list, func(c chosen) bool {
		return c.workload.Parent != (cluster.Ref{}) && !slices.ContainsFunc(c.variants, func(v *cluster.Variant) bool {
			return v.Matches(s.Pods) != selector.No
		})
	})
}
