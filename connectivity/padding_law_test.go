package connectivity_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// A netpol that is made large by what matches nobody, and by what it says already, means
// what it meant: large lists are looked through in other ways than small ones.

const padding = 80

// padded is a netpol with the same meaning as np, and long lists.
func padded(t *rapid.T, np *networkingv1.NetworkPolicy) *networkingv1.NetworkPolicy {
	out := np.DeepCopy()
	padSelector(&out.Spec.PodSelector)
	for i := range out.Spec.Ingress {
		out.Spec.Ingress[i].From = padPeers(t, out.Spec.Ingress[i].From)
	}
	for i := range out.Spec.Egress {
		out.Spec.Egress[i].To = padPeers(t, out.Spec.Egress[i].To)
	}
	return out
}

func padPeers(t *rapid.T, peers []networkingv1.NetworkPolicyPeer) []networkingv1.NetworkPolicyPeer {
	if len(peers) == 0 {
		return nil // it is for everybody
	}
	first := rapid.IntRange(0, 5).Draw(t, "padding")
	nobody := func(i int) networkingv1.NetworkPolicyPeer {
		text := fmt.Sprintf("nobody-%d", i)
		everywhere := &metav1.LabelSelector{}
		switch (first + i) % 6 {
		case 0:
			return networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{text: "x"}}}
		case 1:
			return networkingv1.NetworkPolicyPeer{NamespaceSelector: everywhere, PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": text}}}
		case 2:
			return networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": text}}}
		case 3:
			return networkingv1.NetworkPolicyPeer{NamespaceSelector: everywhere, PodSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: text, Operator: metav1.LabelSelectorOpExists}}}}
		case 4:
			return *peers[i%len(peers)].DeepCopy()
		}
		return networkingv1.NetworkPolicyPeer{NamespaceSelector: everywhere, PodSelector: &metav1.LabelSelector{
			MatchLabels:      map[string]string{"app": text},
			MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpExists}},
		}}
	}
	var out []networkingv1.NetworkPolicyPeer
	for i := range padding {
		out = append(out, nobody(i))
		if i < len(peers) {
			p := *peers[i].DeepCopy()
			if p.PodSelector != nil {
				padSelector(p.PodSelector)
			}
			out = append(out, p)
		}
	}
	return out
}

// padSelector adds values that nobody has to the lists that there are.
func padSelector(s *metav1.LabelSelector) {
	for i := range s.MatchExpressions {
		e := &s.MatchExpressions[i]
		if len(e.Values) == 0 {
			continue
		}
		for j := range padding {
			e.Values = append(e.Values, fmt.Sprintf("nobody.%d", j))
		}
	}
}

func paddingMeansNothing(t *rapid.T) {
	objects := drawObjects(t)
	large := make([]runtime.Object, 0, len(objects))
	for _, o := range objects {
		if np, ok := o.(*networkingv1.NetworkPolicy); ok {
			o = padded(t, np)
		}
		large = append(large, o)
	}
	network := rapid.SampledFrom([]string{"", podNetwork}).Draw(t, "pod network")
	small, big := snapshotOf(t, objects), snapshotOf(t, large)
	if diff := cmp.Diff(told(connectivity.Connections(small, options(network))), told(connectivity.Connections(big, options(network)))); diff != "" {
		t.Fatalf("small lists and large ones (-small +large):\n%s", diff)
	}
	q, _, _ := drawQuery(t)
	if diff := cmp.Diff(told(connectivity.Open(small, q, options(network))), told(connectivity.Open(big, q, options(network)))); diff != "" {
		t.Fatalf("one question, small lists and large ones (-small +large):\n%s", diff)
	}
	np := drawNetpol(t, "added")
	one, other := applied(t, small, np), applied(t, big, padded(t, np))
	if diff := cmp.Diff(told(connectivity.Opened(small, one, q, options(network))), told(connectivity.Opened(big, other, q, options(network)))); diff != "" {
		t.Fatalf("what a netpol opens, small lists and large ones (-small +large):\n%s", diff)
	}
}

func applied(t *rapid.T, s *cluster.Snapshot, o runtime.Object) *cluster.Snapshot {
	m, _ := cluster.FromAPI(o)
	out, err := s.Apply(cluster.Change{After: m})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// told is what a list of connections says, reasons included. Which of several doubts about
// the peers of one rule is named depends on their order, and is left out.
func told(all []connectivity.Connection) []string {
	var out []string
	for _, c := range all {
		text := fmt.Sprintf("%s -> %s %v %v", c.From, c.To, c.Ports.Ranges(), c.Unknown != "")
		for _, b := range c.Because {
			if b.Unknown != "" {
				b.Unknown = "some doubt"
			}
			if line := fmt.Sprintf("\n  %+v %v", b.Reason, b.Ports.Ranges()); !strings.Contains(text, line) {
				text += line
			}
		}
		out = append(out, text)
	}
	return out
}

func TestLawPaddingMeansNothing(t *testing.T) { checks(t, 100, paddingMeansNothing) }

func FuzzPadding(f *testing.F) { f.Fuzz(rapid.MakeFuzz(paddingMeansNothing)) }
