package remedy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/remedy"
)

// TestLawRemedies holds of random clusters and netpols what a remedy promises: the
// printed part put into the object is denied by nobody, opens nothing that the change
// would not, and loses as few connections as any edit, and a sample of any two edits, that a
// plain search over all labels finds, but for at most one in a hundred.
func TestLawRemedies(t *testing.T) {
	var denied, found, doubtful, worse, missed int
	rapid.Check(t, func(r *rapid.T) {
		c := drawCase(r)
		d, err := c.engine.Evaluate(context.Background(), c.review)
		if err != nil {
			r.Fatal(err)
		}
		if !d.Denied() {
			return
		}
		denied++
		if strings.Contains(d.DenialMessage(), string(connectivity.IPNotAssigned)) {
			doubtful++
		}
		forbidden := pairsOf(d)
		got, ok := remedy.Find(context.Background(), c.engine, c.review, d)
		if !ok {
			if best, cheapest := c.plain.cheapest(c.netpol); best != nil {
				c.believes(r, best, cheapest, forbidden)
				missed++
				t.Logf("a plain search finds an edit that loses %d: %s\n%s", cheapest, show(best), c)
			}
			return
		}
		found++
		edited := c.netpol.DeepCopy()
		for _, e := range got.Edits {
			if !e.Own {
				r.Fatalf("edits %s, which is not under review: %s", e.Object, got.Advice())
			}
			put(r, &edited.Spec, e.Part)
		}
		fixed := c.with(r, edited)
		if d, err := c.engine.Evaluate(context.Background(), fixed); err != nil || d.Denied() {
			r.Fatalf("the advice was followed, and the answer is (error %v):\n%s\n%s\n%s", err, d.DenialMessage(), got.Advice(), c)
		}
		if more := c.more(fixed); len(more) > 0 {
			r.Fatalf("the advice opens %v, which the change does not:\n%s\n%s", more, got.Advice(), c)
		}
		lost := c.lost(fixed, forbidden)
		if lost != len(got.Lost) {
			r.Fatalf("says that %d connections are lost (%s), it is %d:\n%s", len(got.Lost), got.LostText(), lost, c)
		}
		if lost == 0 {
			return // nothing is cheaper
		}
		if best, cheapest := c.plain.cheapest(c.netpol); best != nil && cheapest < lost {
			c.believes(r, best, cheapest, forbidden)
			worse++
			t.Logf("loses %d, a plain search %d:\n%s\n%s%s", lost, cheapest, got.Advice(), show(best), c)
		}
	})
	t.Logf("STAT %d changes denied, %d of them for paths that are not certain, %d with a remedy; %d where a plain search loses less, %d where only it finds an edit", denied, doubtful, found, worse, missed)
	if denied < 20 {
		t.Skip("too few changes were denied to tell")
	}
	if 100*(worse+missed) > denied+100 {
		t.Errorf("in %d of %d cases the remedy is not the cheapest small edit", worse+missed, denied)
	}
}

// testCase is a netpol that is created, or updated, in a small cluster.
type testCase struct {
	engine *guardrail.Engine
	before *networkingv1.NetworkPolicy
	netpol *networkingv1.NetworkPolicy
	review guardrail.Review
	plain  plain
	text   string
}

func (c *testCase) String() string { return c.text }

var (
	apps  = []string{"a", "b", "c", "d"}
	tiers = []string{"x", "y"}
)

func drawCase(r *rapid.T) *testCase {
	var objects []runtime.Object
	text := ""
	c := &testCase{}
	for _, ns := range []string{"one", "two"} {
		objects = append(objects, clustertest.Namespace(ns))
		for i := range rapid.IntRange(2, 3).Draw(r, "workloads") {
			app, tier := rapid.SampledFrom(apps).Draw(r, "app"), rapid.SampledFrom(tiers).Draw(r, "tier")
			objects = append(objects, clustertest.Deployment(fmt.Sprintf("%s/w%d", ns, i), clustertest.Labels("app="+app, "tier="+tier)))
			c.plain.pods = append(c.plain.pods, plainPod{ns, fmt.Sprintf("w%d", i), app, tier})
			text += fmt.Sprintf("%s/w%d app=%s tier=%s\n", ns, i, app, tier)
		}
		objects = append(objects, clustertest.Netpol(ns+"/default-deny", "{podSelector: {}, policyTypes: [Ingress]}"))
	}
	for i := range rapid.IntRange(0, 1).Draw(r, "netpols") {
		n := drawNetpol(r, fmt.Sprintf("there-%d", i))
		objects = append(objects, n)
		c.plain.others = append(c.plain.others, n)
		text += show(n)
	}
	c.netpol = drawNetpol(r, "changed")
	if rapid.IntRange(0, 3).Draw(r, "update") == 0 {
		c.before = drawNetpol(r, "before")
		c.before.Name = c.netpol.Name
		c.plain.before = c.before
		objects = append(objects, c.before)
		text += "before " + show(c.before)
	}
	const from, to = "a", "x" // the labels are drawn, so that one guardrail of each sort is enough
	operator := rapid.SampledFrom([]string{"In", "NotIn", "NotIn", "NotIn"}).Draw(r, "operator")
	c.plain.forbidden = func(f, t plainPod) bool { return (f.app == from) == (operator == "In") && t.tier == to }
	config := fmt.Sprintf(`
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- {name: default-deny, guardrail: default-deny, action: deny, parameters: {directions: [Ingress]}}
- name: shut
  guardrail: forbidden-paths
  action: deny
  parameters:
    from: {podSelector: {matchExpressions: [{key: app, operator: %s, values: [%s]}]}}
    to: {podSelector: {matchLabels: {tier: %s}}}
    barriers: ignore
`, operator, from, to)
	c.text = text + show(c.netpol) + config
	c.engine = engineOf(r, config)
	c.review = guardrail.Review{Before: clustertest.Snapshot(r, objects...), Origin: guardrail.Admission, Time: time.Unix(0, 0)}
	c.review = c.with(r, c.netpol)
	return c
}

func drawNetpol(r *rapid.T, name string) *networkingv1.NetworkPolicy {
	selector := func(what string) metav1.LabelSelector {
		var s metav1.LabelSelector
		switch rapid.IntRange(0, 4).Draw(r, what) {
		case 0, 1:
		case 2:
			s.MatchLabels = map[string]string{"app": rapid.SampledFrom(apps).Draw(r, "app")}
		case 3:
			s.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: slices.Sorted(slices.Values(apps[:rapid.IntRange(2, 3).Draw(r, "values")]))}}
		case 4:
			s.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "tier", Operator: metav1.LabelSelectorOpNotIn, Values: []string{rapid.SampledFrom(tiers).Draw(r, "tier")}}}
		}
		return s
	}
	n := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "one", Name: name}}
	n.Spec.PodSelector = selector("podSelector")
	n.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	for range rapid.IntRange(1, 2).Draw(r, "rules") {
		var rule networkingv1.NetworkPolicyIngressRule
		for range rapid.SampledFrom([]int{0, 0, 1, 1, 2}).Draw(r, "peers") {
			// What is not proved shut before the change, too, is opened by nothing: it is kept out.
			if name == "changed" && rapid.IntRange(0, 5).Draw(r, "addresses") == 0 { // the pods have none yet
				rule.From = append(rule.From, networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: "0.0.0.0/0"}})
				continue
			}
			pods := selector("pods")
			peer := networkingv1.NetworkPolicyPeer{PodSelector: &pods}
			if rapid.Bool().Draw(r, "namespaces") {
				peer.NamespaceSelector = &metav1.LabelSelector{}
			}
			rule.From = append(rule.From, peer)
		}
		n.Spec.Ingress = append(n.Spec.Ingress, rule)
	}
	return n
}

func show(n *networkingv1.NetworkPolicy) string {
	b, _ := json.Marshal(n.Spec)
	return n.Name + " " + string(b) + "\n"
}

// engines are compiled once for each configuration that is drawn.
var engines = map[string]*guardrail.Engine{}

func engineOf(t rapid.TB, config string) *guardrail.Engine {
	if e := engines[config]; e != nil {
		return e
	}
	l, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	c, err := guardrail.ParseConfig("config.yaml", []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	e, err := guardrail.New(l, c)
	if err != nil {
		t.Fatal(err)
	}
	engines[config] = e
	return e
}

// with is the review of another form of the netpol.
func (c *testCase) with(t rapid.TB, n *networkingv1.NetworkPolicy) guardrail.Review {
	t.Helper()
	raw, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	r := c.review
	r.Request = &admissionv1.AdmissionRequest{
		Kind: metav1.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"}, Namespace: n.Namespace, Name: n.Name,
		Operation: admissionv1.Create, Object: runtime.RawExtension{Raw: raw},
	}
	r.Change = cluster.Change{}
	if c.before != nil {
		r.Request.Operation = admissionv1.Update
		r.Change.Before, _ = r.Before.Netpol(n.Namespace, n.Name)
	}
	compiled, err := cluster.NewNetpol(n)
	if err != nil {
		t.Fatal(err)
	}
	r.Change.After = compiled
	if r.After, err = r.Before.Apply(r.Change); err != nil {
		t.Fatal(err)
	}
	return r
}

// put replaces the fields that a printed part names.
func put(t rapid.TB, spec *networkingv1.NetworkPolicySpec, part string) {
	t.Helper()
	var fields map[string]any
	if err := yaml.Unmarshal([]byte(part), &fields); err != nil {
		t.Fatalf("the printed part is no YAML: %v\n%s", err, part)
	}
	for name := range fields {
		switch name {
		case "podSelector":
			spec.PodSelector = metav1.LabelSelector{}
		case "policyTypes":
			spec.PolicyTypes = nil
		case "ingress":
			spec.Ingress = nil
		case "egress":
			spec.Egress = nil
		default:
			t.Fatalf("the printed part has a field %q:\n%s", name, part)
		}
	}
	if err := yaml.UnmarshalStrict([]byte(part), spec); err != nil {
		t.Fatalf("the printed part does not fit a spec: %v\n%s", err, part)
	}
}

// pairsOf are the pairs that the guardrails forbid.
func pairsOf(d guardrail.Decision) map[string]bool {
	out := map[string]bool{}
	for _, v := range d.With(guardrail.Deny) {
		for _, x := range v.Each() {
			details, _ := x.(map[string]any)
			from, _ := details["from"].(map[string]any)
			to, _ := details["to"].(map[string]any)
			if from != nil && to != nil {
				out[fmt.Sprintf("%v/%v/%v %v/%v/%v", from["namespace"], from["kind"], from["name"], to["namespace"], to["kind"], to["name"])] = true
			}
		}
	}
	return out
}

func (c *testCase) lost(fixed guardrail.Review, forbidden map[string]bool) int {
	n := 0
	for _, x := range connectivity.Missing(c.review.After, fixed.After, connectivity.Options{}) {
		if !forbidden[x.From.String()+" "+x.To.String()] {
			n++
		}
	}
	return n
}

// more are the connections that the edited change opens and the change does not.
func (c *testCase) more(fixed guardrail.Review) []string {
	opens := map[string]bool{}
	for _, x := range connectivity.Missing(c.review.After, c.review.Before, connectivity.Options{}) {
		opens[x.From.String()+" "+x.To.String()] = true
	}
	var out []string
	for _, x := range connectivity.Missing(fixed.After, fixed.Before, connectivity.Options{}) {
		if pair := x.From.String() + " " + x.To.String(); !opens[pair] {
			out = append(out, pair)
		}
	}
	return out
}

// believes holds the plain search to what the guardrails and the model say.
func (c *testCase) believes(t rapid.TB, n *networkingv1.NetworkPolicy, lost int, forbidden map[string]bool) {
	t.Helper()
	fixed := c.with(t, n)
	if d, err := c.engine.Evaluate(context.Background(), fixed); err != nil || d.Denied() {
		t.Fatalf("the plain search takes this for allowed (error %v):\n%s\n%s%s", err, d.DenialMessage(), show(n), c)
	}
	if is := c.lost(fixed, forbidden); is != lost {
		t.Fatalf("the plain search loses %d, the model %d: %s%s", lost, is, show(n), c)
	}
}

func smallEdits(n *networkingv1.NetworkPolicy) []*networkingv1.NetworkPolicy {
	var out []*networkingv1.NetworkPolicy
	edit := func(change func(*networkingv1.NetworkPolicySpec)) {
		e := n.DeepCopy()
		change(&e.Spec)
		out = append(out, e)
	}
	var requirements []metav1.LabelSelectorRequirement
	for key, values := range map[string][]string{"app": apps, "tier": tiers} {
		for _, v := range values {
			for _, o := range []metav1.LabelSelectorOperator{metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn} {
				requirements = append(requirements, metav1.LabelSelectorRequirement{Key: key, Operator: o, Values: []string{v}})
			}
		}
	}
	for _, r := range requirements {
		edit(func(s *networkingv1.NetworkPolicySpec) {
			s.PodSelector.MatchExpressions = append(s.PodSelector.MatchExpressions, r)
		})
	}
	for i, rule := range n.Spec.Ingress {
		edit(func(s *networkingv1.NetworkPolicySpec) { s.Ingress = slices.Delete(s.Ingress, i, i+1) })
		for _, r := range requirements {
			edit(func(s *networkingv1.NetworkPolicySpec) {
				from := s.Ingress[i].From
				if len(from) == 0 {
					from = []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{}, PodSelector: &metav1.LabelSelector{}}}
				}
				for j := range from {
					if from[j].PodSelector == nil {
						continue
					}
					from[j].PodSelector.MatchExpressions = append(from[j].PodSelector.MatchExpressions, r)
				}
				s.Ingress[i].From = from
			})
		}
		for j := range rule.From {
			if len(rule.From) > 1 {
				edit(func(s *networkingv1.NetworkPolicySpec) { s.Ingress[i].From = slices.Delete(s.Ingress[i].From, j, j+1) })
			}
			for _, r := range requirements {
				edit(func(s *networkingv1.NetworkPolicySpec) {
					p := s.Ingress[i].From[j].PodSelector
					if p == nil {
						return
					}
					p.MatchExpressions = append(p.MatchExpressions, r)
				})
			}
		}
	}
	return out
}
