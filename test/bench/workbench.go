package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/test/bench/town"
)

// workbench is a town in the model, and the changes to try on it.
type workbench struct {
	plan    town.Plan
	base    *cluster.Snapshot
	netpols []*networkingv1.NetworkPolicy
	pods    []cluster.Ref
	random  *rand.Rand
	made    int // pods that were made up so far
}

func newWorkbench(p town.Plan, base *cluster.Snapshot) *workbench {
	b := &workbench{plan: p, base: base, random: rand.New(rand.NewPCG(p.Seed, 1<<32))}
	for i := range p.Namespaces {
		for _, o := range p.Namespace(i) {
			if np, ok := o.(*networkingv1.NetworkPolicy); ok {
				b.netpols = append(b.netpols, np)
			}
		}
	}
	for o := range base.Objects() {
		if pod, ok := o.(*cluster.Pod); ok && !pod.HostNetwork {
			b.pods = append(b.pods, pod.Ref())
		}
	}
	return b
}

// forbidden is the question of the guardrail forbidden-paths: no frontend reaches
// a database.
func forbidden() connectivity.Query {
	return connectivity.Query{From: tier(town.Frontend), To: tier(town.Database)}
}

func tier(name string) connectivity.Selection {
	pods, err := selector.New(metav1.LabelSelector{MatchLabels: map[string]string{town.TierLabel: name}})
	if err != nil {
		panic(err) // a constant that does not parse
	}
	return connectivity.Selection{Namespaces: selector.Everything(), Pods: pods}
}

// netpolChange edits one netpol of the town as people do: a third of the edits
// let frontends in, a third change a port, a third put back what was there.
func (b *workbench) netpolChange(now *cluster.Snapshot) (cluster.Change, error) {
	np := b.netpols[b.random.IntN(len(b.netpols))].DeepCopy()
	switch b.random.IntN(3) {
	case 0:
		np.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
		np.Spec.Egress = nil
		np.Spec.Ingress = append(np.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{
			From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{town.TierLabel: town.Frontend}}}},
		})
	case 1:
		for i := range np.Spec.Ingress {
			np.Spec.Ingress[i].Ports = []networkingv1.NetworkPolicyPort{{Port: new(intstr.FromInt(1024 + b.random.IntN(60000)))}}
		}
	}
	after, err := cluster.NewNetpol(np)
	if err != nil {
		return cluster.Change{}, fmt.Errorf("netpol %s/%s: %w", np.Namespace, np.Name, err)
	}
	before, _ := now.Netpol(np.Namespace, np.Name)
	return cluster.Change{Before: before, After: after}, nil
}

// siblingPod is one more pod of a workload that exists.
func (b *workbench) siblingPod() cluster.Change { return cluster.Change{After: b.newPod()} }

// strangerPod is a new pod with a label value that no pod had before, for a key
// that netpols look at.
func (b *workbench) strangerPod() cluster.Change {
	p := b.newPod()
	p.Labels = maps.Clone(p.Labels)
	p.Labels[town.TierLabel] = p.Name
	return cluster.Change{After: p}
}

// newPod is a pod of the town once more, with a name and an address of its own.
func (b *workbench) newPod() *cluster.Pod {
	ref := b.pods[b.random.IntN(len(b.pods))]
	sibling, _ := b.base.Pod(ref.Namespace, ref.Name)
	p := *sibling
	b.made++
	p.Name = fmt.Sprintf("new-%d", b.made)
	p.IPs = []netip.Addr{netip.AddrFrom4([4]byte{10, 200, byte(b.made >> 8), byte(b.made)})}
	return &p
}

// relabelling takes the label from a namespace that most netpols go by, or gives
// it to one: what of the town a Namespace can change at most.
func (b *workbench) relabelling() cluster.Change {
	var purposeful, others []*cluster.Namespace
	for ns := range b.base.Namespaces() {
		switch p := ns.Labels[town.PurposeLabel]; p {
		case town.Ingress, town.Monitoring:
			purposeful = append(purposeful, ns)
		case "":
			others = append(others, ns)
		}
	}
	pool, purpose := others, town.Ingress
	if b.random.IntN(4) == 0 {
		pool, purpose = purposeful, ""
	}
	before := pool[b.random.IntN(len(pool))]
	after := *before
	after.Labels = maps.Clone(before.Labels)
	after.Labels[town.PurposeLabel] = purpose
	return cluster.Change{Before: before, After: &after}
}
