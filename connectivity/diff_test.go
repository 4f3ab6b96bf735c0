package connectivity_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

func TestDiff(t *testing.T) {
	web := clustertest.Pod("shop/web", clustertest.Labels("app=web"))
	db := clustertest.Pod("shop/db", clustertest.Labels("app=db"))
	shut := func(spec string) runtime.Object { return clustertest.Netpol("shop/shut", spec) }
	toDB := func(rest string) runtime.Object {
		return clustertest.Netpol("shop/db", `{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress, Egress], ingress: [`+rest+`]}`)
	}
	webShut := clustertest.Netpol("shop/web", `{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: []}`)
	outOnly := func(cidr string) runtime.Object {
		return shut(`{podSelector: {}, policyTypes: [Ingress, Egress], egress: [{to: [{ipBlock: {cidr: ` + cidr + `}}], ports: [{port: 443}]}]}`)
	}
	tests := map[string]struct {
		reason        string
		before, after []runtime.Object
		want          []string
	}{
		"TheSameRulesUnderAnotherName": {
			reason: "that other rules open the same ports is no difference",
			before: []runtime.Object{web, db, shut(`{podSelector: {}}`)},
			after:  []runtime.Object{web, db, clustertest.Netpol("shop/closed", `{podSelector: {}}`)},
		},
		"ARuleThatOpens": {
			reason: "the reasons are those of the later snapshot",
			before: []runtime.Object{web, db, webShut, toDB(``)},
			after:  []runtime.Object{web, db, webShut, toDB(`{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}`)},
			want:   []string{"shop/Pod/web -> shop/Pod/db: no port, then TCP 5432; gained by egress, ingress shop/db 0"},
		},
		"ARuleThatShuts": {
			reason: "what was lost was open by the reasons of the earlier snapshot",
			before: []runtime.Object{web, db, webShut, toDB(`{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}`)},
			after:  []runtime.Object{web, db, webShut, toDB(``)},
			want:   []string{"shop/Pod/web -> shop/Pod/db: TCP 5432, then no port; lost by egress, ingress shop/db 0"},
		},
		"APortForAnother": {
			reason: "both happen to one connection, each with its own reasons",
			before: []runtime.Object{web, db, webShut, toDB(`{from: [{podSelector: {}}], ports: [{port: 1}]}, {from: [{podSelector: {}}], ports: [{port: 2}]}`)},
			after:  []runtime.Object{web, db, webShut, toDB(`{from: [{podSelector: {}}], ports: [{port: 1}]}, {from: [{podSelector: {}}], ports: [{port: 3}]}`)},
			want:   []string{"shop/Pod/web -> shop/Pod/db: TCP 1-2, then TCP 1, TCP 3; gained by egress, ingress shop/db 1; lost by egress, ingress shop/db 1"},
		},
		"AWorkloadIsGone": {
			reason: "its connections are gone with it",
			before: []runtime.Object{web, db, webShut, toDB(`{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}`)},
			after:  []runtime.Object{db, webShut, toDB(`{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}`)},
			want: []string{
				"shop/Pod/web -> shop/Pod/db: TCP 5432, then no port; lost by egress, ingress shop/db 0",
				"shop/Pod/web -> 0.0.0.0/0: all ports, then no port; lost by egress",
				"shop/Pod/web -> ::/0: all ports, then no port; lost by egress",
			},
		},
		"ANarrowerBlock": {
			reason: "of a block that is cut only what changed is told",
			before: []runtime.Object{web, outOnly("10.0.0.0/8")},
			after:  []runtime.Object{web, outOnly("10.128.0.0/9")},
			want:   []string{"shop/Pod/web -> 10.0.0.0/9: TCP 443, then no port; lost by egress shop/shut 0"},
		},
		"ProvedNoMore": {
			reason: "what was open and now is unknown is a difference of each sort",
			before: []runtime.Object{clustertest.Pod("shop/web", clustertest.IP("10.0.0.1")), db, webShut, toDB(`{from: [{ipBlock: {cidr: 10.0.0.0/24}}], ports: [{port: 1}]}`)},
			after:  []runtime.Object{clustertest.Pod("shop/web"), db, webShut, toDB(`{from: [{ipBlock: {cidr: 10.0.0.0/24}}], ports: [{port: 1}]}`)},
			want: []string{
				"shop/Pod/web -> shop/Pod/db: TCP 1, then no port; lost by egress, ingress shop/db 0",
				"shop/Pod/web -> shop/Pod/db (ip-not-assigned): no port, then TCP 1; gained by egress, ingress shop/db 0",
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, d := range connectivity.Diff(snapshotOf(t, tc.before), snapshotOf(t, tc.after), connectivity.Options{}) {
				got = append(got, differenceText(d))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestLawNothingDiffersFromItself(t *testing.T) {
	checks(t, 30, func(t *rapid.T) {
		objects := drawObjects(t)
		if got := connectivity.Diff(snapshotOf(t, objects), snapshotOf(t, objects), connectivity.Options{}); len(got) > 0 {
			t.Fatalf("the same objects differ: %s", differenceText(got[0]))
		}
	})
}

// Before, with what was gained and without what was lost, is after: between
// workloads, and for each address outside that some rule tells apart.
func TestLawADiffLeadsFromBeforeToAfter(t *testing.T) {
	checks(t, 60, func(t *rapid.T) {
		objects := drawObjects(t)
		changed := objects
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			changed, _ = drawChange(t, changed, "change")
		}
		before, after := snapshotOf(t, objects), snapshotOf(t, changed)
		diff := connectivity.Diff(before, after, connectivity.Options{})

		ends := append(diffProbes(), peersOf(before)...)
		for _, p := range peersOf(after) {
			if !slices.Contains(ends, p) {
				ends = append(ends, p)
			}
		}
		was, is := connectivity.Connections(before, connectivity.Options{}), connectivity.Connections(after, connectivity.Options{})
		for _, from := range ends {
			for _, to := range ends {
				for _, unknown := range []bool{false, true} {
					had, has := portsBetween(was, from, to, unknown), portsBetween(is, from, to, unknown)
					gained, lost := has.Subtract(had), had.Subtract(has)
					var gotGained, gotLost connectivity.PortSet
					for _, d := range diff {
						if !isEnd(d.From, from) || !isEnd(d.To, to) || (d.Unknown != "") != unknown {
							continue
						}
						if !d.Before.Equal(had) || !d.After.Equal(has) {
							t.Fatalf("%s -> %s was on %s and is on %s, and the difference says: %s", from, to, had, has, differenceText(d))
						}
						gotGained, gotLost = gotGained.Union(d.Gained()), gotLost.Union(d.Lost())
						mustExplain(t, d, d.Gained(), d.GainedBy)
						mustExplain(t, d, d.Lost(), d.LostBy)
					}
					if !gotGained.Equal(gained) || !gotLost.Equal(lost) {
						t.Fatalf("%s -> %s gains %s and loses %s, and the differences say %s and %s", from, to, gained, lost, gotGained, gotLost)
					}
				}
			}
		}
	})
}

// mustExplain wants a reason for each port, or none without ports.
func mustExplain(t *rapid.T, d connectivity.Difference, ports connectivity.PortSet, because []connectivity.Because) {
	var explained connectivity.PortSet
	for _, b := range because {
		explained = explained.Union(b.Ports)
	}
	if !explained.Equal(ports) {
		t.Fatalf("%s: %s changed, and the reasons are about %s", differenceText(d), ports, explained)
	}
}

// diffProbes are addresses in every block that the generator draws, and outside of all.
func diffProbes() []string {
	return append(addressesOf("10.0.0.0/29"), "10.9.9.9", "192.168.0.1", "192.168.1.1", "8.8.8.8", "200.0.0.1", "fd00::1", "fd00::2", "fd00::9", "2001:db8::1", "2001:db9::1")
}

func isEnd(p connectivity.Peer, name string) bool {
	if p.Workload != nil {
		return p.String() == name
	}
	a, err := netip.ParseAddr(name)
	return err == nil && p.CIDR.Contains(a)
}

func portsBetween(all []connectivity.Connection, from, to string, unknown bool) connectivity.PortSet {
	var out connectivity.PortSet
	for _, c := range all {
		if isEnd(c.From, from) && isEnd(c.To, to) && (c.Unknown != "") == unknown {
			out = out.Union(c.Ports)
		}
	}
	return out
}

func differenceText(d connectivity.Difference) string {
	text := d.From.String() + " -> " + d.To.String()
	if d.Unknown != "" {
		text += " (" + string(d.Unknown) + ")"
	}
	text += ": " + d.Before.String() + ", then " + d.After.String()
	list := func(what string, all []connectivity.Because) {
		for i, b := range all {
			if i == 0 {
				text += what
			} else {
				text += ", "
			}
			text += b.Direction.String()
			if b.Netpol != (cluster.Ref{}) {
				text += " " + b.Netpol.Namespace + "/" + b.Netpol.Name + " " + string(rune('0'+b.Rule))
			}
		}
	}
	list("; gained by ", d.GainedBy)
	list("; lost by ", d.LostBy)
	return text
}
