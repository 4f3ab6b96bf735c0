package connectivity_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

func TestTurned(t *testing.T) {
	agent := clustertest.DaemonSet("s/agent", clustertest.HostNetwork())
	web := clustertest.Deployment("s/web", clustertest.Labels("app=web"))
	shut := clustertest.Netpol("s/web", `{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 80}]}]}`)
	before, after := clustertest.Snapshot(t, agent, web), clustertest.Snapshot(t, agent, web, shut)
	turns := func(list []connectivity.Difference) []string {
		var out []string
		for _, d := range connectivity.Turned(list) {
			if d.From.Workload != nil && d.To.Workload != nil {
				out = append(out, d.From.String()+" -> "+d.To.String()+" "+d.Before.String()+", then "+d.After.String()+" "+string(d.Turned)+" "+string(d.Unknown))
			}
		}
		return out
	}
	for name, tt := range map[string]struct {
		got  []connectivity.Difference
		want string
	}{
		"Doubted": {connectivity.Diff(before, after, connectivity.Options{}), "open -> unknown"},
		"Proved":  {connectivity.Diff(after, before, connectivity.Options{}), "unknown -> open"},
	} {
		want := []string{"s/DaemonSet/agent -> s/Deployment/web all ports, then all ports " + tt.want + " node-exception"}
		got := turns(tt.got)
		for i := range got {
			if n := len(want[0]); len(got[i]) > n { // beside it the block may be the reason, too
				got[i] = got[i][:n]
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// What is joined says as much as the halves did.
func TestLawTurnedLosesNothing(t *testing.T) {
	checks(t, 30, func(t *rapid.T) {
		x := drawTransition(t)
		all := connectivity.Diff(x.before, x.after, options(x.podNetwork))
		joined := connectivity.Turned(all)
		for _, d := range all {
			for _, p := range probes {
				was, is := holdsPort(d.Before, p), holdsPort(d.After, p)
				if was == is {
					continue
				}
				found := 0
				for _, j := range joined {
					if !sameInside(j.From, d.From) || !sameInside(j.To, d.To) || !blockWithin(d, j) {
						continue
					}
					sure := j.Turned == "" && (j.Unknown == "") == (d.Unknown == "") && holdsPort(j.Before, p) == was && holdsPort(j.After, p) == is
					turned := j.Turned != "" && holdsPort(j.Before, p)
					if sure || turned {
						found++
					}
				}
				if found == 0 {
					t.Fatalf("%s -> %s (%s) on %v: before %v, after %v, and nothing of it is left", d.From, d.To, d.Unknown, p, was, is)
				}
			}
		}
	})
}

func holdsPort(s connectivity.PortSet, p probe) bool { return (answer{open: s}).level(p) == open.level }

func sameInside(a, b connectivity.Peer) bool {
	return (a.Workload == nil) == (b.Workload == nil) && (a.Workload == nil || a.Workload.Ref == b.Workload.Ref)
}

// blockWithin reports whether j is about some of the addresses of d.
func blockWithin(d, j connectivity.Difference) bool {
	switch {
	case d.From.Workload == nil:
		return d.From.CIDR.Contains(j.From.CIDR.Addr())
	case d.To.Workload == nil:
		return d.To.CIDR.Contains(j.To.CIDR.Addr())
	}
	return true
}
