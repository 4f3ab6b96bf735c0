package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/test/node"
)

// end is one end of a connection: a pod, or an address outside.
type end struct {
	name string  // west/web for a pod, or the address
	peer peer    // as Podcullis calls it
	pod  *string // its name, which is its host name too; nil outside
	ip   netip.Addr
}

// peer is one end of a connection in "podcullis connections -o json".
type peer struct {
	Namespace string `json:"namespace"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	CIDR      string `json:"cidr"`
}

// is tells whether the peer is or holds an end.
func (p peer) is(e end) bool {
	if p.CIDR != "" && e.pod == nil {
		block, err := netip.ParsePrefix(p.CIDR)
		return err == nil && block.Contains(e.ip)
	}
	return p == e.peer
}

// ends lists the pods of the namespaces and the addresses outside. A pod of a controller, which has
// one pod, is called after the controller: its label app is the name of it.
func (c cluster) ends(t *testing.T, namespaces ...string) []end {
	t.Helper()
	var out []end
	for _, namespace := range namespaces {
		pods, err := c.Client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, pod := range pods.Items {
			p := peer{Namespace: namespace, Kind: "Pod", Name: pod.Name}
			if owner := metav1.GetControllerOf(&pod); owner != nil {
				p.Kind, p.Name = owner.Kind, pod.Labels["app"]
				if owner.Kind == "ReplicaSet" {
					p.Kind = "Deployment"
				}
			}
			out = append(out, end{namespace + "/" + p.Name, p, &pod.Name, netip.MustParseAddr(pod.Status.PodIP)})
		}
	}
	for _, address := range node.OutsideAddresses() {
		out = append(out, end{name: address, ip: netip.MustParseAddr(address)})
	}
	return out
}

// picture says of each way whether it is open, blocked or unknown.
type picture map[string]string

func way(from, to end, port string) string { return from.name + " -> " + to.name + " " + port }

// said is the picture that Podcullis makes of the running cluster: what it does not list is blocked.
func (c cluster) said(t *testing.T, ends []end, ports []string) picture {
	t.Helper()
	program, err := c.Build(t.Context(), "cmd/podcullis")
	if err != nil {
		t.Fatal(err)
	}
	ask := exec.CommandContext(t.Context(), program, "connections", "--kubeconfig", c.Kubeconfig, "--pod-network", node.PodNetwork, "-o", "json")
	out, err := ask.Output()
	if err != nil {
		t.Fatalf("podcullis connections: %v: %s", err, out)
	}
	var list struct {
		Items []struct {
			From, To peer
			Ports    []struct {
				Protocol      string
				Port, EndPort int32
			}
			Because []struct{ Unknown string }
		}
	}
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatal(err)
	}
	result := picture{}
	for from, to := range pairs(ends) {
		for _, port := range ports {
			result[way(from, to, port)] = "blocked"
		}
		for _, item := range list.Items {
			if !item.From.is(from) || !item.To.is(to) {
				continue
			}
			verdict := "open"
			for _, b := range item.Because {
				if b.Unknown != "" {
					verdict = "unknown"
				}
			}
			for _, port := range ports {
				protocol, number, err := parsePort(port)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range item.Ports {
					if strings.EqualFold(r.Protocol, protocol) && r.Port <= number && number <= r.EndPort && result[way(from, to, port)] != "open" {
						result[way(from, to, port)] = verdict
					}
				}
			}
		}
	}
	return result
}

// parsePort reads "tcp/80".
func parsePort(port string) (protocol string, number int32, err error) {
	protocol, digits, _ := strings.Cut(port, "/")
	parsed, err := strconv.ParseUint(digits, 10, 16)
	return protocol, int32(parsed), err
}

// pairs are all ordered pairs of ends of which at least one is a pod, but for those of an end with itself.
func pairs(ends []end) func(yield func(from, to end) bool) {
	return func(yield func(from, to end) bool) {
		for _, from := range ends {
			for _, to := range ends {
				if from.name != to.name && (from.pod != nil || to.pod != nil) && !yield(from, to) {
					return
				}
			}
		}
	}
}

// seen is the picture of connections that are attempted.
func (c cluster) seen(ctx context.Context, ends []end, ports []string) (picture, error) {
	ways := map[string][]end{} // by the name of whoever dials
	for from, to := range pairs(ends) {
		ways[from.name] = append(ways[from.name], to)
	}
	pictures := make([]picture, len(ends))
	group, ctx := errgroup.WithContext(ctx)
	for i, from := range ends {
		group.Go(func() (err error) {
			pictures[i], err = c.seenFrom(ctx, from, ways[from.name], ports)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	out := picture{}
	for _, p := range pictures {
		maps.Copy(out, p)
	}
	return out, nil
}

func (c cluster) seenFrom(ctx context.Context, from end, others []end, ports []string) (picture, error) {
	var targets, names []string
	var expected []*string
	for _, to := range others {
		for _, port := range ports {
			protocol, number, _ := strings.Cut(port, "/")
			targets = append(targets, fmt.Sprintf("%s/%s:%s", protocol, to.ip, number))
			names, expected = append(names, way(from, to, port)), append(expected, to.pod)
		}
	}
	var results []string
	var err error
	if from.pod == nil {
		results, err = c.DialFromOutside(ctx, from.ip.String(), targets...)
	} else {
		results, err = c.Dial(ctx, from.peer.Namespace, *from.pod, targets...)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.name, err)
	}
	out := picture{}
	for i, result := range results {
		verdict, answered, _ := strings.Cut(result, " ")
		if verdict != "open" && verdict != "blocked" {
			return nil, fmt.Errorf("%s: %s: this picture needs a server at each end", names[i], result)
		}
		if verdict == "open" && expected[i] != nil && answered != *expected[i] {
			return nil, fmt.Errorf("%s: %s answered", names[i], answered)
		}
		out[names[i]] = verdict
	}
	return out, nil
}

// agree compares what Podcullis says of every way with what becomes of an attempt, and returns what is
// seen. An unknown is neither right nor wrong; it must be one of those expected.
func (c cluster) agree(t *testing.T, ends []end, ports []string, unknown ...string) picture {
	t.Helper()
	c.enforced(t)
	said := c.said(t, ends, ports)
	var seen picture
	attempts := 0
	await(t, "connections to be as Podcullis says", func(ctx context.Context) (err error) {
		// Again and again only so that a machine too busy to answer in time is not taken for a netpol.
		attempts++
		if seen, err = c.seen(ctx, ends, ports); err != nil {
			return err
		}
		if wrong := differences(said, seen); len(wrong) > 0 && attempts <= 3 {
			return errors.New(strings.Join(wrong, "\n"))
		}
		return nil
	})
	for _, wrong := range differences(said, seen) {
		t.Error(wrong)
	}
	counts := map[string]int{}
	var unsure []string
	for way, verdict := range said {
		counts[verdict]++
		if verdict == "unknown" {
			unsure = append(unsure, way)
		}
	}
	slices.Sort(unsure)
	slices.Sort(unknown)
	if !slices.Equal(unsure, unknown) {
		t.Errorf("unknown is\n\t%s\nwant\n\t%s", strings.Join(unsure, "\n\t"), strings.Join(unknown, "\n\t"))
	}
	t.Logf("%d ways: %d open, %d blocked, %d unknown", len(said), counts["open"], counts["blocked"], counts["unknown"])
	return seen
}

func differences(said, seen picture) []string {
	var out []string
	for _, way := range slices.Sorted(maps.Keys(said)) {
		if said[way] != "unknown" && said[way] != seen[way] {
			out = append(out, fmt.Sprintf("%s: Podcullis says %s, and it is %s", way, said[way], seen[way]))
		}
	}
	return out
}

// expect holds a few ways against what a person says of them, so that the two do not agree on nonsense.
// Each line is a way and what it is.
func (p picture) expect(t *testing.T, lines string) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		words := strings.Fields(line)
		verdict, way := words[0], strings.Join(words[1:], " ")
		if got, ok := p[way]; !ok || got != verdict {
			t.Errorf("%s is %s, want %s", way, got, verdict)
		}
	}
}
