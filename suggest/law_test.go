package suggest_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/suggest"
)

// podNetwork keeps blocks of addresses from holding pods.
var podNetwork = netip.MustParsePrefix("10.244.0.0/16")

var exact = connectivity.Options{PodNetwork: []netip.Prefix{podNetwork}}

func ports(ranges ...connectivity.PortRange) connectivity.PortSet {
	return connectivity.Ports(ranges...)
}

func tcp(first, last uint16) connectivity.PortRange {
	return connectivity.PortRange{Protocol: cluster.TCP, First: first, Last: last}
}

// workloads are all of a snapshot, by name.
func workloads(s *cluster.Snapshot) map[string]*cluster.Workload {
	out := map[string]*cluster.Workload{}
	for w := range s.AllWorkloads() {
		out[w.Ref.String()] = w
	}
	return out
}

// intent is a random list, and the cluster that it is about.
type intent struct {
	snapshot *cluster.Snapshot
	wanted   []suggest.Wanted
}

var blocks = []string{"0.0.0.0/0", "203.0.113.0/24", "10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"}

// drawIntent draws a cluster and a list. apart says whether each workload has a label of its own.
func drawIntent(t *rapid.T, apart bool) intent {
	var objects []runtime.Object
	var names []string
	for n := range rapid.IntRange(1, 2).Draw(t, "namespaces") {
		ns := fmt.Sprintf("ns%d", n)
		objects = append(objects, clustertest.Namespace(ns, rapid.SampledFrom([]string{"team=a", "team=b"}).Draw(t, "team")))
		for w := range rapid.IntRange(1, 4).Draw(t, "workloads") {
			name := fmt.Sprintf("%s/w%d", ns, w)
			var labels []string
			if apart {
				labels = []string{fmt.Sprintf("app=w%d", w)}
			}
			for _, key := range []string{"tier", "version"} {
				if value := rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, key); value != "" {
					labels = append(labels, key+"="+value)
				}
			}
			objects = append(objects, clustertest.Deployment(name, clustertest.Labels(labels...)))
			names = append(names, name)
		}
	}
	// What is there already must not count.
	objects = append(objects, clustertest.Netpol("ns0/open", `{podSelector: {}, ingress: [{}], egress: [{}]}`))
	out := intent{snapshot: clustertest.Snapshot(t, objects...)}
	all := workloads(out.snapshot)
	end := func(label string) connectivity.Peer {
		if rapid.IntRange(0, 4).Draw(t, label+" outside") == 0 {
			return connectivity.Peer{CIDR: netip.MustParsePrefix(rapid.SampledFrom(blocks).Draw(t, label))}
		}
		ns, name, _ := strings.Cut(rapid.SampledFrom(names).Draw(t, label), "/")
		return connectivity.Peer{Workload: all[ns+"/Deployment/"+name]}
	}
	for range rapid.IntRange(0, 8).Draw(t, "connections") {
		w := suggest.Wanted{From: end("from"), To: end("to"), Why: "drawn", Ports: rapid.SampledFrom([]connectivity.PortSet{
			ports(tcp(80, 80)), ports(tcp(443, 443)), ports(tcp(80, 80), tcp(443, 443)), ports(tcp(8000, 9000)), connectivity.AllPorts(),
			ports(connectivity.PortRange{Protocol: cluster.UDP, First: 53, Last: 53}),
		}).Draw(t, "ports")}
		if w.From.Workload != nil || w.To.Workload != nil {
			out.wanted = append(out.wanted, w)
		}
	}
	return out
}

func (i intent) request() suggest.Request {
	var namespaces []string
	for ns := range i.snapshot.Namespaces() {
		namespaces = append(namespaces, ns.Name)
	}
	return suggest.Request{Snapshot: i.snapshot, Options: exact, Namespaces: namespaces, Wanted: i.wanted}
}

// samples are addresses of which each stands for all that a drawn list treats alike.
var samples = []string{"8.8.8.8", "203.0.113.9", "10.1.2.3", "192.0.2.7", "192.0.2.8", "2001:db8::1", "2001:db9::1"}

// picture is every way that is open or unknown, by what a netpol of the API lets through: it
// is asked way by way, of connectivity and of nothing that suggest knows.
func picture(s *cluster.Snapshot, o connectivity.Options) map[string]string {
	out := map[string]string{}
	var peers []connectivity.Peer
	for w := range s.AllWorkloads() {
		peers = append(peers, connectivity.Peer{Workload: w})
	}
	for _, a := range samples {
		addr := netip.MustParseAddr(a)
		peers = append(peers, connectivity.Peer{CIDR: netip.PrefixFrom(addr, addr.BitLen())})
	}
	for _, from := range peers {
		for _, to := range peers {
			if from.Workload == nil && to.Workload == nil {
				continue
			}
			x := connectivity.Explain(s, from, to, connectivity.AllPorts(), o)
			if !x.Open.Empty() || !x.Unsure.Empty() {
				out[from.String()+" -> "+to.String()] = x.Open.Union(x.Unsure).String()
			}
		}
	}
	return out
}

// listed is the picture that a list says.
func (i intent) listed(of func(*cluster.Workload) []*cluster.Workload) map[string]string {
	all := map[string]connectivity.PortSet{}
	expand := func(p connectivity.Peer) []string {
		var out []string
		if p.Workload != nil {
			for _, w := range of(p.Workload) {
				out = append(out, w.Ref.String())
			}
			return out
		}
		for _, a := range samples {
			if addr := netip.MustParseAddr(a); p.CIDR.Contains(addr) {
				out = append(out, netip.PrefixFrom(addr, addr.BitLen()).String())
			}
		}
		return out
	}
	for _, w := range i.wanted {
		for _, from := range expand(w.From) {
			for _, to := range expand(w.To) {
				all[from+" -> "+to] = all[from+" -> "+to].Union(w.Ports)
			}
		}
	}
	out := map[string]string{}
	for way, ports := range all {
		out[way] = ports.String()
	}
	return out
}

func oneself(w *cluster.Workload) []*cluster.Workload { return []*cluster.Workload{w} }

// Where labels tell workloads apart, what is open afterwards is the list and nothing else.
func TestSuggestionIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := drawIntent(t, true)
		got, err := suggest.New(i.request())
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Alike)+len(got.Shared)+len(got.Unkept)+len(got.Extra) > 0 {
			t.Fatalf("alike %v, shared %v, unkept %v, extra %v", got.Alike, got.Shared, got.Unkept, got.Extra)
		}
		if diff := cmp.Diff(i.listed(oneself), picture(got.After, exact)); diff != "" {
			t.Fatalf("(-listed +open):\n%s\n%s", diff, written(t, got))
		}
	})
}

// Where they do not, it is the list for all that are alike, and they are named.
func TestSuggestionIsTheClosestSuperset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := drawIntent(t, false)
		got, err := suggest.New(i.request())
		if err != nil {
			t.Fatal(err)
		}
		all := workloads(i.snapshot)
		alike := func(w *cluster.Workload) []*cluster.Workload {
			for _, group := range got.Alike {
				if slices.Contains(group, w.Ref) {
					var out []*cluster.Workload
					for _, ref := range group {
						out = append(out, all[ref.String()])
					}
					return out
				}
			}
			return oneself(w)
		}
		for _, group := range got.Alike {
			for _, ref := range group[1:] {
				if a, b := all[group[0].String()].Labels, all[ref.String()].Labels; !cmp.Equal(map[string]string(a), map[string]string(b)) && len(a)+len(b) > 0 {
					t.Fatalf("%s %v and %s %v have labels that tell them apart", group[0], a, ref, b)
				}
			}
		}
		if diff := cmp.Diff(i.listed(alike), picture(got.After, exact)); diff != "" {
			t.Fatalf("(-listed +open):\n%s\n%s", diff, written(t, got))
		}
		if len(got.Unkept)+len(got.Extra) > 0 {
			t.Fatalf("unkept %v, extra %v", got.Unkept, got.Extra)
		}
	})
}

func written(t interface{ Fatal(...any) }, r *suggest.Result) string {
	var b strings.Builder
	for _, d := range r.Netpols {
		text, err := d.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
		b.WriteByte('\n')
	}
	return b.String()
}

// The same list gets the same netpols, in whatever order it comes.
func TestSuggestionIsTheSameEachTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := drawIntent(t, rapid.Bool().Draw(t, "apart"))
		a, err := suggest.New(i.request())
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(i.wanted)
		b, err := suggest.New(i.request())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(written(t, a), written(t, b)); diff != "" {
			t.Fatal(diff)
		}
	})
}
