package connectivity_test

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// A tenant writes objects as large as the bounds allow, of every sort that one can think
// of, and labels its pods so that reviews of others come across them. What others' reviews
// then take is compared with what they take without.

const (
	townNamespaces = 25
	townWorkloads  = 8
	townPods       = 4
)

func byLabels(labels map[string]string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: labels}
}

func apiNetpol(namespace, name string, spec networkingv1.NetworkPolicySpec) *networkingv1.NetworkPolicy {
	if len(spec.PolicyTypes) == 0 {
		spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	}
	return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: spec}
}

func apiPod(namespace, name, ip string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec:       corev1.PodSpec{NodeName: "n", Containers: []corev1.Container{{Name: "c", Ports: []corev1.ContainerPort{{Name: "web", ContainerPort: 80}}}}},
		Status:     corev1.PodStatus{PodIP: ip},
	}
}

func modelOf(tb testing.TB, objects ...apiruntime.Object) []cluster.Object {
	tb.Helper()
	out := make([]cluster.Object, 0, len(objects))
	for _, o := range objects {
		m, err := cluster.FromAPI(o)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

func newGiantTown(tb testing.TB) []cluster.Object {
	var all []apiruntime.Object
	ip := 0
	for i := range townNamespaces {
		ns := fmt.Sprintf("n%03d", i)
		all = append(all, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
		all = append(all, apiNetpol(ns, "deny", networkingv1.NetworkPolicySpec{
			Ingress: []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{PodSelector: byLabels(nil)}}}},
			Egress:  []networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: byLabels(nil)}}}},
		}))
		for j := range townWorkloads {
			app, tier := fmt.Sprintf("a%d", j), "back"
			if j == 0 {
				app = "db"
			}
			if i == 0 && j == 1 {
				tier = "frontend"
			}
			for k := range townPods {
				ip++
				all = append(all, apiPod(ns, fmt.Sprintf("s%d-%d", j, k), fmt.Sprintf("10.0.%d.%d", ip>>8, ip&255), map[string]string{"app": app, "tier": tier, "statefulset.kubernetes.io/pod-name": fmt.Sprintf("s%d-%d", j, k)}))
			}
		}
	}
	all = append(all, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "a-tenant"}})
	for k := range 4 { // the tenant's own, in the way of whoever asks for frontends
		all = append(all, apiPod("a-tenant", fmt.Sprintf("t-%d", k), fmt.Sprintf("10.9.0.%d", k), map[string]string{"tier": "frontend", "app": "t"}))
	}
	return modelOf(tb, all...)
}

const giantly = cluster.DefaultNetpolBound - 10

func many[T any](n int, f func(i int) T) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = f(i)
	}
	return out
}

func egressTo(peers []networkingv1.NetworkPolicyPeer) networkingv1.NetworkPolicySpec {
	return networkingv1.NetworkPolicySpec{Egress: []networkingv1.NetworkPolicyEgressRule{{To: peers}}}
}

// giants are what the tenant has, by what it is.
func giants(tb testing.TB) map[string][]cluster.Object {
	type peer = networkingv1.NetworkPolicyPeer
	everywhere := byLabels(nil)
	expr := func(key, op string, values ...string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: key, Operator: metav1.LabelSelectorOperator(op), Values: values}}}
	}
	text := func(i int) string { return fmt.Sprintf("x%d", i) }
	netpol := func(spec networkingv1.NetworkPolicySpec) []cluster.Object {
		return modelOf(tb, apiNetpol("a-tenant", "giant", spec))
	}
	block := func(i int) string { return fmt.Sprintf("10.%d.%d.%d/32", 1+i>>16, i>>8&255, i&255) }
	out := map[string][]cluster.Object{
		"keys, selecting nobody": netpol(networkingv1.NetworkPolicySpec{PodSelector: *byLabels(map[string]string{"no": "body"}), Ingress: []networkingv1.NetworkPolicyIngressRule{{From: many(giantly, func(i int) peer { return peer{PodSelector: byLabels(map[string]string{text(i): "x"})} })}}}),
		"keys of own pods":       netpol(egressTo(many(giantly, func(i int) peer { return peer{PodSelector: byLabels(map[string]string{text(i): "x"})} }))),
		"keys in all namespaces": netpol(egressTo(many(giantly, func(i int) peer {
			return peer{NamespaceSelector: everywhere, PodSelector: byLabels(map[string]string{text(i): "x"})}
		}))),
		"values of one key": netpol(egressTo(many(giantly, func(i int) peer {
			return peer{NamespaceSelector: everywhere, PodSelector: byLabels(map[string]string{"app": text(i)})}
		}))),
		"In list":    netpol(egressTo([]peer{{NamespaceSelector: everywhere, PodSelector: expr("app", "In", many(giantly, text)...)}})),
		"NotIn list": netpol(egressTo([]peer{{NamespaceSelector: everywhere, PodSelector: expr("app", "NotIn", many(giantly, text)...)}})),
		"NotIn peers": netpol(egressTo(many(giantly, func(i int) peer {
			return peer{NamespaceSelector: everywhere, PodSelector: expr("app", "NotIn", text(i))}
		}))),
		"namespaces by name": netpol(egressTo(many(giantly, func(i int) peer {
			return peer{NamespaceSelector: byLabels(map[string]string{"kubernetes.io/metadata.name": text(i)})}
		}))),
		"namespaces, none by label": netpol(egressTo(many(giantly/2, func(i int) peer {
			return peer{NamespaceSelector: expr(text(i), "DoesNotExist"), PodSelector: byLabels(map[string]string{"no": text(i)})}
		}))),
		"one deep selector": netpol(egressTo([]peer{{NamespaceSelector: everywhere, PodSelector: &metav1.LabelSelector{MatchExpressions: many(giantly/100, func(i int) metav1.LabelSelectorRequirement {
			return metav1.LabelSelectorRequirement{Key: text(i), Operator: "DoesNotExist"}
		})}}})),
		"rules": netpol(networkingv1.NetworkPolicySpec{Egress: many(giantly/10, func(i int) networkingv1.NetworkPolicyEgressRule {
			return networkingv1.NetworkPolicyEgressRule{To: []peer{{NamespaceSelector: everywhere, PodSelector: byLabels(map[string]string{"app": text(i)})}}}
		})}),
		"ports": netpol(networkingv1.NetworkPolicySpec{Egress: []networkingv1.NetworkPolicyEgressRule{{Ports: many(giantly/10, func(i int) networkingv1.NetworkPolicyPort {
			p := intstr.FromInt(2*i + 1)
			return networkingv1.NetworkPolicyPort{Port: &p}
		})}}}),
		"named ports": netpol(networkingv1.NetworkPolicySpec{Egress: []networkingv1.NetworkPolicyEgressRule{{Ports: many(giantly/10, func(i int) networkingv1.NetworkPolicyPort {
			p := intstr.FromString(text(i))
			return networkingv1.NetworkPolicyPort{Port: &p}
		})}}}),
		"blocks":  netpol(egressTo(many(giantly, func(i int) peer { return peer{IPBlock: &networkingv1.IPBlock{CIDR: block(i)}} }))),
		"excepts": netpol(egressTo([]peer{{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/8", Except: many(giantly, block)}}})),
		"wide excepts": netpol(egressTo(many(3000, func(i int) peer {
			return peer{IPBlock: &networkingv1.IPBlock{CIDR: fmt.Sprintf("10.0.0.0/%d", 8+i%8), Except: []string{block(i), block(i + 1), block(i + 2)}}}
		}))),
		"ordinals": netpol(egressTo(many(giantly, func(i int) peer {
			return peer{NamespaceSelector: everywhere, PodSelector: byLabels(map[string]string{"apps.kubernetes.io/pod-index": fmt.Sprint(i)})}
		}))),
		"equal peers": netpol(egressTo(many(giantly, func(int) peer {
			return peer{NamespaceSelector: byLabels(map[string]string{"a": "b"}), PodSelector: everywhere}
		}))),
	}
	small := many(2000, func(i int) apiruntime.Object {
		return apiNetpol("a-tenant", text(i), egressTo([]peer{{NamespaceSelector: everywhere, PodSelector: byLabels(map[string]string{text(i): "x"})}}))
	})
	out["netpols"] = modelOf(tb, small...)
	out["labels on pods"] = modelOf(tb, many(20, func(i int) apiruntime.Object {
		l := map[string]string{"tier": "frontend"}
		for j := range cluster.DefaultObjectBound - 10 {
			l[fmt.Sprintf("k%d", j)] = fmt.Sprint(i)
		}
		return apiPod("a-tenant", fmt.Sprintf("l-%d", i), fmt.Sprintf("10.8.0.%d", i), l)
	})...)
	out["ports of pods"] = modelOf(tb, many(20, func(i int) apiruntime.Object {
		p := apiPod("a-tenant", fmt.Sprintf("p-%d", i), fmt.Sprintf("10.8.1.%d", i), map[string]string{"tier": "frontend"})
		p.Spec.Containers[0].Ports = many(cluster.DefaultObjectBound-10, func(j int) corev1.ContainerPort {
			return corev1.ContainerPort{Name: fmt.Sprintf("p%d", j), ContainerPort: int32(j + i + 1)}
		})
		return p
	})...)
	out["owners"] = modelOf(tb, many(20, func(i int) apiruntime.Object {
		p := apiPod("a-tenant", fmt.Sprintf("o-%d", i), fmt.Sprintf("10.8.2.%d", i), map[string]string{"tier": "frontend"})
		p.OwnerReferences = many(cluster.DefaultObjectBound/10-10, func(j int) metav1.OwnerReference {
			return metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: text(j), UID: "u"}
		})
		return p
	})...)
	out["classes of pods"] = modelOf(tb, append(many(1000, func(i int) apiruntime.Object {
		return apiPod("a-tenant", fmt.Sprintf("c-%d", i), fmt.Sprintf("10.7.%d.%d", i>>8, i&255), map[string]string{"tier": "back", text(i): "x"})
	}), apiNetpol("a-tenant", "giant", egressTo(many(giantly, func(i int) peer { return peer{PodSelector: byLabels(map[string]string{text(i): "x"})} }))))...)
	return out
}

// bystanders are changes that somebody else makes, and the question that a guardrail asks.
func bystanders(tb testing.TB, before *cluster.Snapshot) map[string]cluster.Change {
	was := apiPod("n001", "s3-1", "10.0.0.46", map[string]string{"app": "a3", "tier": "back"})
	now := was.DeepCopy()
	now.Labels["z"] = "1"
	_ = before
	open := networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{"Ingress"}, Ingress: []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: byLabels(nil)}}}}}
	db := open
	db.PodSelector = *byLabels(map[string]string{"app": "db"})
	a3 := open
	a3.PodSelector = *byLabels(map[string]string{"app": "a3"})
	return map[string]cluster.Change{
		"a pod's label":     {Before: modelOf(tb, was)[0], After: modelOf(tb, now)[0]},
		"a netpol":          {After: modelOf(tb, apiNetpol("n002", "open", a3))[0]},
		"a netpol, refused": {After: modelOf(tb, apiNetpol("n002", "open", db))[0]},
	}
}

// cpuTime is what this thread has taken of a processor: others on the machine do not count.
func cpuTime(tb testing.TB) time.Duration {
	const threadClock = 3 // CLOCK_THREAD_CPUTIME_ID
	var t syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, threadClock, uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
		tb.Skip("the time of a thread cannot be read: ", errno)
	}
	return time.Duration(t.Nano())
}

func TestGiantsHarmNobodyElse(t *testing.T) {
	if testing.Short() {
		t.Skip("measures")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	town, err := cluster.New(newGiantTown(t)...)
	if err != nil {
		t.Fatal(err)
	}
	from, err := selector.New(*byLabels(map[string]string{"tier": "frontend"}))
	if err != nil {
		t.Fatal(err)
	}
	to, _ := selector.New(*byLabels(map[string]string{"app": "db"}))
	query := connectivity.Query{From: connectivity.Selection{Namespaces: selector.Everything(), Pods: from}, To: connectivity.Selection{Namespaces: selector.Everything(), Pods: to}}
	changes := bystanders(t, town)
	turn := 0
	measure := func(s *cluster.Snapshot, c cluster.Change) time.Duration {
		// The tenant has just changed something: what was derived of its namespace is not there.
		s, err := s.Apply(created(modelOf(t, apiPod("a-tenant", "t-0", "10.9.0.0", map[string]string{"tier": "frontend", "app": "t", "turn": fmt.Sprint(turn)})))...)
		if err != nil {
			t.Fatal(err)
		}
		turn++
		began := cpuTime(t)
		after, err := s.Apply(c)
		if err != nil {
			t.Fatal(err)
		}
		connectivity.Opened(s, after, query, connectivity.Options{})
		return cpuTime(t) - began
	}
	const turns = 7
	all := giants(t)
	t.Logf("%-26s | %-18s %10s %10s %6s", "giant", "bystander", "without", "with", "times")
	for _, what := range slices.Sorted(maps.Keys(all)) {
		began := time.Now()
		with, err := town.Apply(created(all[what])...)
		if err != nil {
			t.Fatal(err)
		}
		for _, who := range slices.Sorted(maps.Keys(changes)) {
			var alone, beside []time.Duration
			for range turns {
				alone = append(alone, measure(town, changes[who]))
				beside = append(beside, measure(with, changes[who]))
				if time.Since(began) > 60*time.Second {
					break
				}
			}
			slices.Sort(alone)
			slices.Sort(beside)
			a, b := alone[len(alone)/2], beside[len(beside)/2]
			t.Logf("%-26s | %-18s %10v %10v %6.1f", what, who, a.Round(time.Microsecond), b.Round(time.Microsecond), float64(b)/float64(a))
			if b > 3*a+10*time.Millisecond { // a busy machine takes some milliseconds anyhow; without bounds and indexes it is seconds
				t.Errorf("%s: %s takes %v with a giant and %v without", what, who, b, a)
			}
		}
	}
}

func created(objects []cluster.Object) []cluster.Change {
	out := make([]cluster.Change, 0, len(objects))
	for _, o := range objects {
		out = append(out, cluster.Change{After: o})
	}
	return out
}
