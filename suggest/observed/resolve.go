package observed

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/suggest"
)

// Known is what names of flows are looked up in.
type Known struct {
	Snapshot *cluster.Snapshot
	// Outside are blocks, each of which stands for all addresses in it; another address
	// stands for itself.
	Outside []netip.Prefix
	// Nodes are the addresses of nodes.
	Nodes []netip.Prefix
}

// Found is what flows come to.
type Found struct {
	Wanted []suggest.Wanted
	// Strange are flows with an end that is not in the model.
	Strange []Stranger
	// FromNodes and ToNodes are flows from and to a node whose addresses are not known, and
	// Beyond those between two addresses outside.
	FromNodes, ToNodes, Beyond []Flow
	// Wide are ends of which no address is told, so that they stand for a lot.
	Wide []Flow
}

// Stranger is a flow with an end that is not in the model, and what is wrong with it.
type Stranger struct {
	Flow
	Why string
}

// Find names the peers of all flows.
func (k Known) Find(flows []Flow) Found {
	var out Found
	for _, f := range flows {
		from, err := k.peers(f.From)
		to, errTo := k.peers(f.To)
		switch {
		case f.From.Host && len(from) == 0:
			out.FromNodes = append(out.FromNodes, f)
			continue
		case err != nil || errTo != nil:
			out.Strange = append(out.Strange, Stranger{f, cmp.Or(err, errTo).Error()})
			continue
		}
		if f.To.Host && len(to) == 0 {
			if !f.To.Address.IsValid() {
				out.ToNodes = append(out.ToNodes, f)
				continue
			}
			// Who asks a node has to be able to.
			to = []connectivity.Peer{{CIDR: netip.PrefixFrom(f.To.Address, f.To.Address.BitLen())}}
		}
		if wide(f.From) || wide(f.To) {
			out.Wide = append(out.Wide, f)
		}
		why := "seen in " + f.At.String()
		if f.Listed {
			why = "wanted by " + f.At.String()
		}
		inside := false
		for _, a := range from {
			for _, b := range to {
				if a.Workload == nil && b.Workload == nil {
					continue
				}
				inside = true
				out.Wanted = append(out.Wanted, suggest.Wanted{From: a, To: b, Why: why, Ports: connectivity.Ports(connectivity.PortRange{Protocol: f.Protocol, First: f.First, Last: f.Last})})
			}
		}
		if !inside {
			out.Beyond = append(out.Beyond, f)
		}
	}
	return out
}

func wide(e End) bool { return len(e.Blocks) > 1 }

// peers are how the model names an end: of a node the blocks of nodes that hold it.
func (k Known) peers(e End) ([]connectivity.Peer, error) {
	var out []connectivity.Peer
	switch {
	case e.Host:
		for _, b := range k.Nodes {
			if !e.Address.IsValid() || b.Contains(e.Address) {
				out = append(out, connectivity.Peer{CIDR: b.Masked()})
			}
		}
		return out, nil
	case e.Address.IsValid():
		return []connectivity.Peer{k.address(e.Address)}, nil
	case len(e.Blocks) > 0:
		for _, b := range e.Blocks {
			out = append(out, connectivity.Peer{CIDR: b})
		}
		return out, nil
	}
	w, err := k.workload(e)
	return []connectivity.Peer{{Workload: w}}, err
}

// address is the pod that has it, the block that stands for it, or itself.
func (k Known) address(a netip.Addr) connectivity.Peer {
	for w := range k.Snapshot.AllWorkloads() {
		for _, v := range w.Variants {
			if slices.Contains(v.IPs, a) && !v.HostNetwork {
				return connectivity.Peer{Workload: w}
			}
		}
	}
	for _, b := range k.Outside {
		if b.Contains(a) {
			return connectivity.Peer{CIDR: b.Masked()}
		}
	}
	return connectivity.Peer{CIDR: netip.PrefixFrom(a, a.BitLen())}
}

// workload finds the workload that a flow names, or whose pod it names. The pod need not be
// there any more.
func (k Known) workload(e End) (*cluster.Workload, error) {
	var all []*cluster.Workload
	for w := range k.Snapshot.Workloads(e.Namespace) {
		all = append(all, w)
	}
	name := cmp.Or(e.Name, e.Pod)
	of := func(matches func(*cluster.Workload) bool) []*cluster.Workload {
		return slices.Collect(func(yield func(*cluster.Workload) bool) {
			for _, w := range all {
				if matches(w) && !yield(w) {
					return
				}
			}
		})
	}
	found := of(func(w *cluster.Workload) bool {
		return w.Name == name && (e.Kind == "" || strings.EqualFold(w.Kind, e.Kind))
	})
	if len(found) == 0 {
		if w, ok := k.Snapshot.WorkloadOf(cluster.Ref{Namespace: e.Namespace, Kind: "Pod", Name: name}); ok {
			return w, nil
		}
		found = of(func(w *cluster.Workload) bool { return mayMake(w, name) })
		slices.SortStableFunc(found, func(a, b *cluster.Workload) int { return cmp.Compare(len(b.Name), len(a.Name)) })
		found = slices.DeleteFunc(found, func(w *cluster.Workload) bool { return len(w.Name) < len(found[0].Name) })
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("no workload %s", e)
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("%s may be %s or %s", e, found[0].Ref, found[1].Ref)
}

// What controllers put behind their name into that of a pod, or Calico in place of it. The
// letters are those of apimachinery's util/rand.
const (
	randomText  = `[bcdfghjklmnpqrstvwxz2456789]`
	somePod     = `(` + randomText + `{5}|\*)`
	ofDeploy    = `(-` + randomText + `{1,10})?-` + somePod
	ofJob       = `(-[0-9]+)?-` + somePod
	ofEnumerate = `-([0-9]+|\*)`
)

var (
	podOfAnOther     = regexp.MustCompile(`^` + ofDeploy + `$`)
	podOfStatefulSet = regexp.MustCompile(`^` + ofEnumerate + `$`)
	podOfCronJob     = regexp.MustCompile(`^(-[0-9]+)?(` + ofJob + `)?$`)
	podOfJob         = regexp.MustCompile(`^` + ofJob + `$`)
)

// mayMake tells whether a workload makes pods, or what makes pods, of that name.
func mayMake(w *cluster.Workload, name string) bool {
	rest, ok := strings.CutPrefix(name, w.Name)
	if !ok || w.Kind == "Pod" {
		return false
	}
	switch w.Kind {
	case "StatefulSet":
		return podOfStatefulSet.MatchString(rest)
	case "CronJob":
		return podOfCronJob.MatchString(rest)
	case "Job":
		return podOfJob.MatchString(rest)
	}
	return podOfAnOther.MatchString(rest)
}
