package ledger

import (
	"time"

	"github.com/podcullis/podcullis/cluster"
)

// observed is what an observation says about entries.
type observed struct {
	resource string
	ref      cluster.Ref
	uid      string
	version  uint64
	ends     bool
	bound    bool
}

// recent keeps what was observed a moment ago: an event often comes before the document
// that holds its entry. What it forgets is settled later, by a read.
type recent struct {
	now, old map[string]observed
	since    time.Time
}

const (
	recentTime = time.Minute
	recentSize = 20_000
)

func (r *recent) add(now time.Time, o Observation) {
	if r.now == nil || now.Sub(r.since) > recentTime || len(r.now) >= recentSize {
		r.now, r.old, r.since = map[string]observed{}, r.now, now
	}
	next := observed{o.Resource, o.Ref, string(o.UID), parseVersion(o.ResourceVersion), o.Deleted || o.Terminating, o.Bound}
	if was, ok := r.get(string(o.UID)); ok && was.version > next.version {
		next.version = was.version
		next.ends, next.bound = next.ends || was.ends, next.bound || was.bound
	}
	r.now[string(o.UID)] = next
}

func (r *recent) get(uid string) (observed, bool) {
	if o, ok := r.now[uid]; ok {
		return o, true
	}
	o, ok := r.old[uid]
	return o, ok
}

func (r *recent) of(e Entry) (observed, bool) { return r.get(string(e.UID)) }
