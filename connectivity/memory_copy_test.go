package connectivity_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

// copied is a memory as another replica has it from this one, beside a snapshot of its own.
func copied(t clustertest.TB, m *cluster.Memory, base *cluster.Snapshot, limits cluster.MemoryLimits, now time.Time) *cluster.Memory {
	t.Helper()
	text, err := json.Marshal(m.Export(now))
	if err != nil {
		t.Fatalf("export: %v", err)
	}
	var c cluster.MemoryCopy
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatalf("import: %v\n%s", err, text)
	}
	return cluster.NewMemoryFrom(base, limits, c, now)
}

// What another replica has copied while the cluster went on.
func TestCopiedMemory(t *testing.T) {
	web := clustertest.Deployment("shop/web", clustertest.Labels("tier=frontend"))
	late := clustertest.Deployment("shop/late", clustertest.Labels("tier=frontend"))
	primary := clustertest.Pod("shop/pg-0", clustertest.ControlledBy("Postgres/pg"), clustertest.Labels("tier=db", "role=primary"))
	deny := clustertest.Netpol("shop/deny", `{podSelector: {}, policyTypes: [Ingress]}`)
	hole := clustertest.Netpol("shop/hole", `{podSelector: {matchLabels: {role: primary}}, ingress: [{from: [{podSelector: {matchLabels: {tier: frontend}}}]}]}`)
	unreadable := clustertest.Netpol("shop/other", `{podSelector: {matchLabels: {n: "1"}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}`)
	unreadable.Spec.Ingress[0].From[0].IPBlock.CIDR = "nonsense"
	path, none := []string{"shop/Deployment/web -> shop/Postgres/pg all ports"}, []string(nil)
	lateToo := []string{"shop/Deployment/late -> shop/Postgres/pg all ports"}
	with := func(more ...runtime.Object) []runtime.Object {
		return append([]runtime.Object{clustertest.Namespace("shop"), web, deny}, more...)
	}
	another := clustertest.Namespace("shop")
	another.UID = "u-2"

	tests := map[string]struct {
		reason string
		first  []runtime.Object // what both replicas know, or at least the one that is copied from
		seen   func(h *history) // what that one sees
		unseen func(h *history) // what the other one sees and the first does not
		later  func(h *history) // what the other sees when it has the copy
		want   []string
	}{
		"NothingHappensBetween": {
			reason: "it is as if it had watched",
			first:  with(hole, primary),
			want:   none,
		},
		"ANetpolOpensBetween": {
			reason: "the netpols are not those that the other had seen",
			first:  with(primary),
			unseen: func(h *history) { h.create(hole) },
			want:   path,
		},
		"ANetpolOpensLater": {
			reason: "the copy goes on like a memory of its own",
			first:  with(primary),
			later:  func(h *history) { h.create(hole) },
			want:   path,
		},
		"ANetpolOpenedBefore": {
			reason: "the copy knows when it opened",
			first:  with(primary),
			seen:   func(h *history) { h.create(hole) },
			want:   path,
		},
		"SomebodyElsesNetpolComesBetween": {
			reason: "which netpol matters is not asked",
			first:  with(hole, primary),
			unseen: func(h *history) { h.create(clustertest.Netpol("shop/x", `{podSelector: {matchLabels: {n: "1"}}}`)) },
			want:   path,
		},
		"ANamespaceIsRelabelledBetween": {
			reason: "its labels may open the path",
			first:  with(hole, primary),
			unseen: func(h *history) { h.create(clustertest.Namespace("shop", "env=prod")) },
			want:   path,
		},
		"AnotherNamespaceOfTheName": {
			reason: "its memories have gone with the other",
			first:  with(hole, primary),
			unseen: func(h *history) { h.create(another) },
			want:   path,
		},
		"TheOtherEndComesBetween": {
			reason: "the two were never there together",
			first:  with(hole, primary),
			unseen: func(h *history) { h.create(late) },
			want:   lateToo,
		},
		"TheOtherEndCameBefore": {
			reason: "the copy knows when it came",
			first:  with(hole, primary),
			seen:   func(h *history) { h.create(late) },
			want:   lateToo,
		},
		"TheOtherEndComesLater": {
			reason: "the copy goes on like a memory of its own",
			first:  with(hole, primary),
			later:  func(h *history) { h.create(late) },
			want:   lateToo,
		},
		"ANetpolThatCannotBeWritten": {
			reason: "whether it is the same is not known",
			first:  with(hole, primary, unreadable),
			want:   path,
		},
		"AnHourLater": {
			reason: "that is too long ago, whoever remembers it",
			first:  with(hole, primary),
			later:  func(h *history) { h.pass(time.Hour + time.Minute) },
			want:   path,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHistory(t, tt.first...)
			step := func(does func(*history)) {
				if does != nil {
					does(h)
				}
			}
			h.delete(primary)
			step(tt.seen)
			watched := h.memory
			step(tt.unseen)
			h.memory = copied(t, watched, h.snapshot, historyLimits, h.now)
			h.relayed, h.snapshot = h.memory, h.snapshot.WithMemory(h.memory)
			step(tt.later)
			if diff := cmp.Diff(tt.want, h.opened(primary)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}

// TestLawACopiedMemoryLendsNoMore: who copied the memory at any moment finds what who
// watched all the time finds; and nothing less when the snapshot beside the copy is
// newer, or older, than what the other had seen.
func TestLawACopiedMemoryLendsNoMore(t *testing.T) {
	checks(t, 300, func(t *rapid.T) {
		d := drawDelta(t)
		q, times := d.question(), [][]runtime.Object{d.objects}
		for range rapid.IntRange(2, 5).Draw(t, "changes before") {
			d.objects = d.change()
			if back := lost(times); len(back) > 0 && d.one(3, "comes back meanwhile") {
				d.objects = with(times[len(times)-1], objectsOf(pick(d, "back meanwhile", back...)))
			}
			times = append(times, d.objects)
		}
		last := d.change()
		if back := lost(times); len(back) > 0 && !d.one(4, "nothing comes back") {
			last = with(d.objects, objectsOf(pick(d, "back", back...)))
		}
		at := rapid.IntRange(1, len(times)-1).Draw(t, "copied at")
		base := max(0, min(len(times)-1, at+pick(d, "the other is ahead by", -1, 0, 0, 1)))
		r := relay{times, last, q, rapid.Bool().Draw(t, "believed")}
		original, copy := r.found(t, -1, 0), r.found(t, at, base)
		for v := range original {
			if !copy[v] {
				t.Fatalf("copied at %d beside %d, and %v is lent", at, base, v)
			}
		}
		if at == base && len(copy) != len(original) {
			t.Fatalf("copied at %d, found %v, and by who watched %v", at, copy, original)
		}
	})
}

// relay is some changes that are watched by one replica, and from some moment on by another.
type relay struct {
	times    [][]runtime.Object
	last     []runtime.Object
	q        question
	believed bool
}

// found are the violations of the last change for who copied the memory at a moment,
// and had then a snapshot of another moment; who watched all the time copied at none.
func (r relay) found(t clustertest.TB, at, base int) map[violation]bool {
	t.Helper()
	limits, now := cluster.DefaultMemoryLimits(), time.Unix(0, 0)
	var snapshots []*cluster.Snapshot
	memory := cluster.NewMemory(nil, limits)
	for i, objects := range r.times {
		if i == 0 {
			snapshots = append(snapshots, clustertest.Snapshot(t, objects...))
			memory = cluster.NewMemory(snapshots[0], limits)
			continue
		}
		snapshots = append(snapshots, clustertest.Apply(t, snapshots[i-1], changesOf(t, r.times[i-1], objects)...))
		if at < 0 || i <= at {
			memory = memory.After(snapshots[i], now)
		}
	}
	if at >= 0 {
		memory = copied(t, memory, snapshots[base], limits, now)
		for _, s := range snapshots[base+1:] {
			memory = memory.After(s, now)
		}
	}
	before := snapshots[len(snapshots)-1].WithMemory(memory)
	after := clustertest.Apply(t, before, changesOf(t, r.times[len(r.times)-1], r.last)...)
	query := connectivity.Query{From: selectionOf(t, r.q.from), To: selectionOf(t, r.q.to)}
	out := map[violation]bool{}
	for e, a := range pictureOf(t, connectivity.Opened(before, after, query, connectivity.Options{Believed: r.believed})) {
		for _, p := range r.q.probes {
			if a.level(p) > 0 {
				out[violation{e.from, e.to, p}] = true
			}
		}
	}
	return out
}
