package connectivity_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// bitmap is a set of ports of one protocol, one by one.
type bitmap [65536]bool

func bitmapOf(s connectivity.PortSet, p cluster.Protocol) *bitmap {
	var b bitmap
	for _, r := range s.Ranges() {
		for port := int(r.First); r.Protocol == p && port <= int(r.Last); port++ {
			b[port] = true
		}
	}
	return &b
}

// drawPort is a port near one of a few others, or at an end.
var drawPort = rapid.OneOf(rapid.Uint16Range(1, 12), rapid.Uint16Range(65530, 65535))

func drawPortSet(t *rapid.T, name string) connectivity.PortSet {
	var ranges []connectivity.PortRange
	for range rapid.IntRange(0, 5).Draw(t, name+" ranges") {
		first, last := drawPort.Draw(t, name+" first"), drawPort.Draw(t, name+" last")
		ranges = append(ranges, connectivity.PortRange{
			Protocol: rapid.SampledFrom([]cluster.Protocol{cluster.TCP, cluster.UDP, cluster.SCTP}).Draw(t, name+" protocol"),
			First:    min(first, last), Last: max(first, last),
		})
	}
	return connectivity.Ports(ranges...)
}

func TestLawPortSetsAreSets(t *testing.T) { checks(t, 100, portSetsAreSets) }

// FuzzPorts: sets of port ranges against bitmaps.
func FuzzPorts(f *testing.F) { f.Fuzz(rapid.MakeFuzz(portSetsAreSets)) }

func portSetsAreSets(t *rapid.T) {
	a, b := drawPortSet(t, "a"), drawPortSet(t, "b")
	results := map[string]connectivity.PortSet{"union": a.Union(b), "intersection": a.Intersect(b), "difference": a.Subtract(b), "complement": connectivity.AllPorts().Subtract(a)}
	equal := true
	for _, p := range cluster.Protocols() {
		x, y := bitmapOf(a, p), bitmapOf(b, p)
		equal = equal && *x == *y
		wants := map[string]*bitmap{"union": {}, "intersection": {}, "difference": {}, "complement": {}}
		for i := 1; i < len(x); i++ {
			wants["union"][i] = x[i] || y[i]
			wants["intersection"][i] = x[i] && y[i]
			wants["difference"][i] = x[i] && !y[i]
			wants["complement"][i] = !x[i]
			if i < 16 && a.Contains(p, uint16(i)) != x[i] {
				t.Fatalf("%s contains %s %d: %v", a, p, i, x[i])
			}
		}
		for name, want := range wants {
			if *bitmapOf(results[name], p) != *want {
				t.Fatalf("%s of %s and %s: got %s", name, a, b, results[name])
			}
		}
	}
	if a.Equal(b) != equal {
		t.Fatalf("%s equals %s: got %v", a, b, !equal)
	}
	for name, s := range results {
		checkCanonical(t, name, s)
	}
}

// checkCanonical: ranges are in order, disjoint and not adjacent, so that equal
// sets look equal.
func checkCanonical(t *rapid.T, name string, s connectivity.PortSet) {
	ranges := s.Ranges()
	for i, r := range ranges {
		if r.First < 1 || r.First > r.Last {
			t.Fatalf("%s holds the range %v", name, r)
		}
		if i > 0 && ranges[i-1].Protocol == r.Protocol && int(ranges[i-1].Last)+1 >= int(r.First) {
			t.Fatalf("%s holds %v beside %v", name, r, ranges[i-1])
		}
	}
	if s.Empty() != (len(ranges) == 0) {
		t.Fatalf("%s is empty: %v, with %v", name, s.Empty(), ranges)
	}
}

func TestPortSetIsAValue(t *testing.T) {
	a := connectivity.Ports(connectivity.PortRange{Protocol: cluster.TCP, First: 80, Last: 90}, connectivity.PortRange{Protocol: cluster.TCP, First: 100, Last: 110})
	b := connectivity.Ports(connectivity.PortRange{Protocol: cluster.TCP, First: 85, Last: 105})
	_, _, _, _ = a.Union(b), b.Union(a), a.Intersect(b), a.Subtract(b)
	connectivity.AllPorts().Union(a).Subtract(b)
	if got := a.String() + " | " + b.String() + " | " + connectivity.AllPorts().String(); got != "TCP 80-90, TCP 100-110 | TCP 85-105 | all ports" {
		t.Errorf("operations changed their operands: %s", got)
	}
}

func TestPortSetString(t *testing.T) {
	tests := map[string]struct {
		set  connectivity.PortSet
		want string
	}{
		"Empty":     {connectivity.PortSet{}, "no port"},
		"All":       {connectivity.AllPorts(), "all ports"},
		"OnePort":   {connectivity.Ports(connectivity.PortRange{Protocol: cluster.SCTP, First: 7, Last: 7}), "SCTP 7"},
		"AllOfUDP":  {connectivity.Ports(connectivity.PortRange{Protocol: cluster.UDP, First: 1, Last: 65535}), "all UDP ports"},
		"Neighbors": {connectivity.Ports(connectivity.PortRange{Protocol: cluster.TCP, First: 1, Last: 80}, connectivity.PortRange{Protocol: cluster.TCP, First: 81, Last: 65535}), "all TCP ports"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.set.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
