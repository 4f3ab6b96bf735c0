package suggest_test

import (
	"fmt"
	"math/bits"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/suggest"
)

// grain is the smallest thing that a netpol lets through: one port of one peer, of a workload.
type grain struct {
	row       int
	direction cluster.Direction
	peer      string
	port      uint16
}

// smallest is how few netpols beside the default-deny, and how few rules in so few netpols,
// let through what is listed and nothing else on either side. It tries every set of
// selections, and for each the fewest rules: it knows nothing of how suggest searches.
func smallest(grains []grain, rows int) (netpols, rules int) {
	if len(grains) == 0 {
		return 0, 0
	}
	common := make([][]grain, 1<<rows) // by selected rows, with row 0
	for s := 1; s < 1<<rows; s++ {
		for _, g := range grains {
			all := true
			for r := range rows {
				all = all && (s>>r&1 == 0 || slices.Contains(grains, grain{r, g.direction, g.peer, g.port}))
			}
			if x := (grain{0, g.direction, g.peer, g.port}); all && !slices.Contains(common[s], x) {
				common[s] = append(common[s], x)
			}
		}
	}
	for n := 1; ; n++ {
		best := 0
		subsets(1<<rows, n, func(family []int) {
			var boxes []uint64
			for _, s := range family {
				boxes = append(boxes, boxesOf(s, rows, common[s], grains)...)
			}
			if few, ok := fewest(boxes, 1<<len(grains)-1, best); ok {
				best = few
			}
		})
		if best > 0 {
			return n, best
		}
	}
}

// subsets calls yield with each choice of n numbers from 1 to below.
func subsets(below, n int, yield func([]int)) {
	var choose func(from int, chosen []int)
	choose = func(from int, chosen []int) {
		if len(chosen) == n {
			yield(chosen)
			return
		}
		for i := from; i < below; i++ {
			choose(i+1, append(chosen, i))
		}
	}
	choose(1, nil)
}

// boxesOf are the largest rules of a netpol that selects some rows, as bits over the grains.
func boxesOf(s, rows int, common, grains []grain) []uint64 {
	var out []uint64
	ports := []uint16{80, 443, 9000}
	for _, d := range []cluster.Direction{cluster.Egress, cluster.Ingress} {
		for q := 1; q < 1<<len(ports); q++ {
			var box uint64
			for _, g := range common {
				all := true
				for i, p := range ports {
					all = all && (q>>i&1 == 0 || slices.Contains(common, grain{0, d, g.peer, p}))
				}
				if !all || g.direction != d {
					continue
				}
				for i, p := range ports {
					for r := range rows {
						if at := slices.Index(grains, grain{r, d, g.peer, p}); at >= 0 && q>>i&1 == 1 && s>>r&1 == 1 {
							box |= 1 << at
						}
					}
				}
			}
			if box != 0 && !slices.Contains(out, box) {
				out = append(out, box)
			}
		}
	}
	return out
}

// fewest is how few boxes cover all, if that is fewer than best.
func fewest(boxes []uint64, all uint64, best int) (int, bool) {
	found := false
	var cover func(left uint64, used int)
	cover = func(left uint64, used int) {
		if left == 0 {
			best, found = used, true
			return
		}
		if best > 0 && used+1 >= best {
			return
		}
		first := uint64(1) << bits.TrailingZeros64(left)
		for _, b := range boxes {
			if b&first != 0 {
				cover(left&^b, used+1)
			}
		}
	}
	cover(all, 0)
	return best, found
}

// The number of netpols, and of rules in so few, is within 1.5 times of the smallest there is.
func TestSuggestionIsSmall(t *testing.T) {
	worst := [2]float64{}
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.IntRange(1, 4).Draw(t, "workloads")
		objects := []runtime.Object{clustertest.Namespace("shop"), clustertest.Namespace("far")}
		for i := range rows {
			objects = append(objects, clustertest.Deployment(fmt.Sprintf("shop/w%d", i), clustertest.Labels(fmt.Sprintf("app=w%d", i))))
		}
		for i := range 3 {
			objects = append(objects, clustertest.Deployment(fmt.Sprintf("far/p%d", i), clustertest.Labels(fmt.Sprintf("app=p%d", i))))
		}
		snapshot := clustertest.Snapshot(t, objects...)
		all := workloads(snapshot)
		var wanted []suggest.Wanted
		var grains []grain
		for range rapid.IntRange(0, 7).Draw(t, "connections") {
			row := rapid.IntRange(0, rows-1).Draw(t, "row")
			peer := rapid.SampledFrom([]string{"p0", "p1", "p2"}).Draw(t, "peer")
			subject, other := connectivity.Peer{Workload: all[fmt.Sprintf("shop/Deployment/w%d", row)]}, connectivity.Peer{Workload: all["far/Deployment/"+peer]}
			w := suggest.Wanted{From: subject, To: other}
			direction := cluster.Egress
			if rapid.Bool().Draw(t, "ingress") {
				w.From, w.To, direction = other, subject, cluster.Ingress
			}
			for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom([]uint16{80, 443, 9000}), 1, 2, rapid.ID[uint16]).Draw(t, "ports") {
				w.Ports = w.Ports.Union(ports(tcp(p, p)))
				if g := (grain{row, direction, peer, p}); !slices.Contains(grains, g) {
					grains = append(grains, g)
				}
			}
			wanted = append(wanted, w)
		}
		got, err := suggest.New(suggest.Request{Snapshot: snapshot, Options: exact, Namespaces: []string{"shop"}, Wanted: wanted})
		if err != nil {
			t.Fatal(err)
		}
		netpols, rules := smallest(grains, rows)
		has := len(got.Netpols) - 1 // the default-deny
		if netpols > 0 {
			worst[0], worst[1] = max(worst[0], float64(has)/float64(netpols)), max(worst[1], float64(got.Rules)/float64(rules))
		}
		if float64(has) > 1.5*float64(netpols) || has == netpols && float64(got.Rules) > 1.5*float64(rules) {
			t.Fatalf("%d netpols with %d rules, the smallest are %d with %d:\n%s", has, got.Rules, netpols, rules, written(t, got))
		}
	})
	t.Logf("at most %.2f times the netpols and %.2f times the rules of the smallest", worst[0], worst[1])
}
