package connectivity_test

import (
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	networkingv1 "k8s.io/api/networking/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// A fix that is offered was tried; here it is made from what would be printed.
func TestLawAFixShutsThePathAndCostsWhatItSays(t *testing.T) {
	offered := 0
	checks(t, 60, func(t *rapid.T) {
		objects := drawObjects(t)
		s := snapshotOf(t, objects)
		var peers []connectivity.Peer
		for w := range s.AllWorkloads() {
			peers = append(peers, connectivity.Peer{Workload: w})
		}
		if len(peers) == 0 {
			return
		}
		from, to := rapid.SampledFrom(peers).Draw(t, "from"), rapid.SampledFrom(peers).Draw(t, "to")
		ports := connectivity.AllPorts()
		if rapid.Bool().Draw(t, "one port") {
			ports = connectivity.Ports(connectivity.PortRange{Protocol: cluster.TCP, First: 80, Last: 80})
		}
		was := everything(t, s)
		fixes := connectivity.Fixes(s, from, to, ports, connectivity.Options{})
		for i, f := range fixes {
			offered++
			if i > 0 && f.Cost < fixes[i-1].Cost {
				t.Fatalf("fix %d costs %d, the one before it %d", i, f.Cost, fixes[i-1].Cost)
			}
			fixed := printed(t, s, f)
			if v := connectivity.Explain(fixed, from, to, ports, connectivity.Options{}).Verdict; v != connectivity.VerdictBlocked {
				t.Fatalf("%s -> %s is %s after %s of %s", from, to, v, f.Kind, f.Direction)
			}
			checkCost(t, f, edge{from.String(), to.String()}, ports, was, everything(t, fixed))
		}
	})
	if offered == 0 {
		t.Error("no fix was offered: the law held for want of trying")
	}
}

// printed is a snapshot after the netpols of a fix were written and read again, an
// edit as the patch of the netpol as it was.
func printed(t *rapid.T, s *cluster.Snapshot, f connectivity.Fix) *cluster.Snapshot {
	for _, n := range f.Netpols {
		text, err := n.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		if was, ok := s.Netpol(n.Name()); ok {
			text = patched(t, was, n)
		}
		var np networkingv1.NetworkPolicy
		if err := yaml.UnmarshalStrict(text, &np); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		compiled, err := cluster.NewNetpol(&np)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if s, err = s.Apply(cluster.Change{After: compiled}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func patched(t *rapid.T, was *cluster.Netpol, n *cluster.Draft) []byte {
	before, ok := was.Draft()
	if !ok {
		t.Fatalf("%s cannot be written", was.Ref())
	}
	text, err := before.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	patch, err := n.Patch()
	if err != nil {
		t.Fatal(err)
	}
	if text, err = jsonpatch.MergePatch(text, patch); err != nil {
		t.Fatalf("%s: %v", patch, err)
	}
	return text
}

// checkCost: between workloads the connections that a fix costs are those that
// are less open than before; outside, blocks may be cut differently.
func checkCost(t *rapid.T, f connectivity.Fix, asked edge, ports connectivity.PortSet, was, is picture) {
	inside, outside := 0, false
	for e, before := range was {
		after := is.at(e)
		open := before.open.Subtract(after.open)
		unknown := before.unknown.Subtract(after.open).Subtract(after.unknown)
		external := isCIDR(e.from) || isCIDR(e.to)
		for _, lost := range []connectivity.PortSet{open, unknown} {
			switch {
			case lost.Empty() || (e == asked && lost.Subtract(ports).Empty()):
			case external:
				outside = true
			default:
				inside++
			}
		}
	}
	if f.Cost < inside || (f.Cost > inside) != outside {
		t.Fatalf("%s of %s says it costs %d, and between workloads it costs %d (outside: %v)", f.Kind, f.Direction, f.Cost, inside, outside)
	}
}
