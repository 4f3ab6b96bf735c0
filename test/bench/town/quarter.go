package town

import (
	"fmt"
	"math/rand/v2"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// quarter is one namespace while it is built.
type quarter struct {
	plan    Plan
	index   int
	name    string
	labels  map[string]string
	random  *rand.Rand
	pods    int // that are still to be placed
	host    int // the number of the next pod in the town: its address
	objects []client.Object
}

// add gives an object its kind, as it has in a file and in a review.
func (q *quarter) add(o client.Object) {
	gvk, err := apiutil.GVKForObject(o, clientscheme.Scheme)
	if err != nil {
		gvk = schema.GroupVersionKind{} // of a kind that no client knows; Model says so
	}
	o.GetObjectKind().SetGroupVersionKind(gvk)
	q.objects = append(q.objects, o)
}

// identity is the name and the labels of the namespace.
func (q *quarter) identity() (string, map[string]string) {
	switch q.index {
	case 0:
		return "kube-system", map[string]string{PurposeLabel: "system"}
	case 1:
		return "monitoring", map[string]string{PurposeLabel: Monitoring}
	case 2:
		return "ingress-nginx", map[string]string{PurposeLabel: Ingress}
	}
	stages := []string{"prod", "prod", "staging", "dev"}
	team := teamOf(q.index)
	stage := stages[q.random.IntN(len(stages))]
	return fmt.Sprintf("%s-%s-%d", team, stage, q.index), map[string]string{
		TeamLabel: team, "stage": stage, "pod-security.kubernetes.io/enforce": "baseline",
	}
}

// teamOf is the team of an application's namespace; a team has about four.
func teamOf(namespace int) string {
	names := []string{"payments", "orders", "catalog", "search", "identity", "ledger", "shipping", "pricing", "media", "risk"}
	n := (namespace - infrastructure) / 4
	if n < len(names) {
		return names[n]
	}
	return fmt.Sprintf("%s%d", names[n%len(names)], n/len(names))
}

// otherTeam is a team that is not the namespace's own, where there is another.
func (q *quarter) otherTeam() string {
	others := q.plan.Namespaces - infrastructure
	for range 8 {
		if t := teamOf(infrastructure + q.random.IntN(others)); t != q.labels[TeamLabel] {
			return t
		}
	}
	return teamOf(infrastructure)
}

// applications reports whether the namespace is not the cluster's own.
func (q *quarter) applications() bool { return q.index >= infrastructure }

func (q *quarter) namespace() *corev1.Namespace {
	return &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{Name: q.name, UID: q.uid("Namespace", q.name), Labels: q.labels},
		Status:     corev1.NamespaceStatus{Phase: corev1.NamespaceActive},
	}
}

func (q *quarter) meta(name string, labels map[string]string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: q.name, Name: name, Labels: labels}
}

// uid is unique in the town and looks like one of the API server's.
func (q *quarter) uid(kind, name string) types.UID {
	var h uint64 = 14695981039346656037
	for _, b := range []byte(kind + "/" + q.name + "/" + name) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return types.UID(fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", h>>32, h>>16&0xffff, h>>4&0xfff, h&0xfff, h&0xffffffffffff))
}

// suffix is random text as Kubernetes puts it behind generated names.
func (q *quarter) suffix(length int) string {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	b := make([]byte, length)
	for i := range b {
		b[i] = letters[q.random.IntN(len(letters))]
	}
	return string(b)
}

// address is the next pod's: 10.64.0.0/10 has room for four million.
func (q *quarter) address() netip.Addr {
	n := uint32(10<<24|64<<16) + uint32(q.host) + 1
	q.host++
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// node is where the i-th pod of a namespace runs; a node has a hundred.
func (q *quarter) node() (string, netip.Addr) {
	n := q.random.IntN(max(1, q.plan.Pods/100))
	return fmt.Sprintf("node-%d", n), netip.AddrFrom4([4]byte{192, 168, byte(n >> 8), byte(n)})
}
