package connectivity_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster/clustertest"
)

// What the reference knows of labels that no template shows: it lists the label
// sets that a pod may have once it is there, as far as the generator's selectors
// can tell them apart.

var (
	// someValue are the values that selectors of the generator mention, and one more.
	someValue = []string{"1", "2", "a", "x", "m0", "other"}
	zone      = "topology.kubernetes.io/zone"
)

// times is every label set with each of some values; "-" is lacking the label.
func times(sets []map[string]string, key string, values ...string) []map[string]string {
	var out []map[string]string
	for _, s := range sets {
		for _, v := range values {
			s := maps.Clone(s)
			if s == nil {
				s = map[string]string{}
			}
			if s[key] = v; v == "-" {
				delete(s, key)
			}
			out = append(out, s)
		}
	}
	return out
}

// unbound are the label sets of a pod that is yet to get a node.
func unbound(sets []map[string]string) []map[string]string {
	if _, ok := sets[0][zone]; ok {
		return times(sets, zone, someValue...)
	}
	return times(sets, zone, append([]string{"-"}, someValue...)...)
}

// twice gives a label under both its names, as the API server does for Jobs: what
// the template shows stays.
func twice(sets []map[string]string, key string, values ...string) []map[string]string {
	if _, ok := sets[0][key]; ok {
		return sets
	}
	var out []map[string]string
	for _, v := range values {
		out = append(out, times(times(sets, key, v), "batch.kubernetes.io/"+key, v)...)
	}
	return out
}

// selected is whether a selector selects a pod: unknown when that depends on what
// labels it gets.
func (p *refPod) selected(s *metav1.LabelSelector) truth {
	if p.could == nil {
		return selectorMatches(s, p.labels)
	}
	if known, ok := p.known[s]; ok {
		return known
	}
	first := selectorMatches(s, p.could[0])
	for _, l := range p.could[1:] {
		if selectorMatches(s, l) != first {
			first = unknown("generated-label")
			break
		}
	}
	if p.known == nil {
		p.known = map[*metav1.LabelSelector]truth{}
	}
	p.known[s] = first
	return first
}

// refPodsOf are the pods that a template may make: of a StatefulSet and an
// Indexed Job some with every ordinal that selectors of the generator mention.
func refPodsOf(o runtime.Object) []*refPod {
	template := templateOf(o)
	namespace, sets := o.(metav1.Object).GetNamespace(), []map[string]string{template.Labels}
	switch o := o.(type) {
	case *appsv1.Deployment:
		sets = times(sets, "pod-template-hash", someValue...)
	case *appsv1.DaemonSet:
		sets = times(times(sets, "controller-revision-hash", "h"), "pod-template-generation", "7")
	case *appsv1.StatefulSet:
		return numbered(o.Spec.Ordinals.Start, func(n string) *refPod {
			sets := times(times(sets, "apps.kubernetes.io/pod-index", n), "statefulset.kubernetes.io/pod-name", o.Name+"-"+n)
			return mayMake(namespace, template, times(sets, "controller-revision-hash", "h"))
		})
	case *batchv1.Job:
		sets = twice(sets, "job-name", o.Name)
		if o.Spec.CompletionMode != nil {
			return numbered(0, func(n string) *refPod {
				return mayMake(namespace, template, times(sets, "batch.kubernetes.io/job-completion-index", n))
			})
		}
	case *batchv1.CronJob:
		sets = twice(sets, "job-name", someValue...)
	}
	return []*refPod{mayMake(namespace, template, sets)}
}

func numbered(first int32, pod func(n string) *refPod) []*refPod {
	var out []*refPod
	for n := range int32(4) {
		out = append(out, pod(fmt.Sprint(first+n)))
	}
	return out
}

func mayMake(namespace string, t *corev1.PodTemplateSpec, sets []map[string]string) *refPod {
	p := newRefPod(namespace, t.Labels, &t.Spec)
	p.could = unbound(sets)
	return p
}

// mayGet is a pod that is there: it gets a node, if it has none.
func mayGet(o *corev1.Pod) *refPod {
	p := newRefPod(o.Namespace, o.Labels, &o.Spec)
	if o.Spec.NodeName == "" {
		p.could = unbound([]map[string]string{o.Labels})
	}
	return p
}

// asMade is a pod that was relabelled as its controller made it, with the node that it has.
func asMade(objects []runtime.Object, o *corev1.Pod, template map[string]string) *refPod {
	if template == nil {
		return nil
	}
	owner, p := metav1.GetControllerOf(o), &refPod{labels: template}
	switch owner.Kind {
	case "Deployment":
		p.could = times([]map[string]string{template}, "pod-template-hash", someValue...)
	case "DaemonSet":
		p.could = times([]map[string]string{template}, "controller-revision-hash", "h")
	case "Job":
		p.could = twice([]map[string]string{template}, "job-name", owner.Name)
		for _, j := range objects {
			if j, ok := j.(*batchv1.Job); ok && j.Namespace == o.Namespace && j.Name == owner.Name && j.Spec.CompletionMode != nil {
				p.could = times(p.could, "batch.kubernetes.io/job-completion-index", "0", "1", "2", "77")
			}
		}
	case "StatefulSet":
		p.could = times([]map[string]string{template}, "statefulset.kubernetes.io/pod-name", o.Name)
		if n, ok := strings.CutPrefix(o.Name, owner.Name+"-"); ok {
			p.could = times(p.could, "apps.kubernetes.io/pod-index", n)
		}
	}
	return p
}

// owners are the kinds, beside Deployments and ReplicaSets, whose pods the generator draws.
func peerOfNumbered(objects []runtime.Object, p *corev1.Pod, owner *metav1.OwnerReference) (peer string, template map[string]string, ok bool) {
	for _, o := range objects {
		kind := numberedKind(o)
		if m := o.(metav1.Object); kind == "" || kind != owner.Kind || m.GetName() != owner.Name || m.GetNamespace() != p.Namespace {
			continue
		}
		if labels := templateOf(o).Labels; !holds(p.Labels, labels) {
			return p.Namespace + "/Pod/" + p.Name, labels, true
		}
		return p.Namespace + "/" + kind + "/" + owner.Name, nil, true
	}
	return "", nil, false
}

func numberedKind(o runtime.Object) string {
	switch o.(type) {
	case *appsv1.StatefulSet:
		return "StatefulSet"
	case *appsv1.DaemonSet:
		return "DaemonSet"
	case *batchv1.Job:
		return "Job"
	case *batchv1.CronJob:
		return "CronJob"
	}
	return ""
}

// drawNumbered is a StatefulSet, DaemonSet, Job or CronJob, and some of its pods as
// their controller makes them.
func drawNumbered(t *rapid.T, name string) []runtime.Object {
	meta := metav1.ObjectMeta{Namespace: drawNamespace.Draw(t, name+" namespace"), Name: name}
	labels := drawLabels(t, name)
	if rapid.IntRange(0, 9).Draw(t, name+" shows a zone") == 0 {
		labels[zone] = drawValue.Draw(t, name+" zone")
	}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: drawSpec(t, name)}
	job := batchv1.JobSpec{Template: template}
	if rapid.Bool().Draw(t, name+" indexed") {
		mode := batchv1.IndexedCompletion
		job.CompletionMode = &mode
	}
	var owner runtime.Object
	switch rapid.IntRange(0, 5).Draw(t, name+" kind") {
	case 0:
		owner = &appsv1.DaemonSet{ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Template: template}}
	case 1:
		owner = &batchv1.Job{ObjectMeta: meta, Spec: job}
	case 2:
		job.CompletionMode = nil
		return []runtime.Object{&batchv1.CronJob{ObjectMeta: meta, Spec: batchv1.CronJobSpec{JobTemplate: batchv1.JobTemplateSpec{Spec: job}}}}
	default:
		start := rapid.Int32Range(0, 1).Draw(t, name+" first ordinal")
		owner = &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{
			Ordinals: &appsv1.StatefulSetOrdinals{Start: start}, Template: template,
		}}
	}
	out := []runtime.Object{owner}
	for i := range rapid.IntRange(0, 2).Draw(t, name+" pods") {
		out = append(out, drawPodOf(t, owner, i))
	}
	return out
}

// drawPodOf is one of the pods that a controller could make of its template.
func drawPodOf(t *rapid.T, owner runtime.Object, i int) *corev1.Pod {
	could := refPodsOf(owner)
	like := could[i%len(could)]
	name := fmt.Sprintf("%s-%d", owner.(metav1.Object).GetName(), i)
	if s, ok := owner.(*appsv1.StatefulSet); ok {
		name = fmt.Sprintf("%s-%d", s.Name, int(s.Spec.Ordinals.Start)+i)
	}
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: like.namespace, Name: name, Labels: maps.Clone(rapid.SampledFrom(like.could).Draw(t, name+" labels"))},
		Spec:       templateOf(owner).Spec,
		Status:     drawStatus(t, name),
	}
	if p.Spec.NodeName = rapid.SampledFrom([]string{"", "n-1"}).Draw(t, name+" node"); p.Spec.NodeName == "" {
		delete(p.Labels, zone)
		if shown, ok := templateOf(owner).Labels[zone]; ok {
			p.Labels[zone] = shown
		}
	}
	kind, _, _ := strings.Cut(strings.TrimPrefix(peerNameOf(owner), p.Namespace+"/"), "/")
	own(p, kind, owner.(metav1.Object).GetName())
	return p
}

var generatedKeys = []string{
	"statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index", "batch.kubernetes.io/job-completion-index", "job-name", zone,
}

// drawGeneratedValues are values that some pod may have.
func drawGeneratedValues(t *rapid.T, name, key string) []string {
	values := []string{"1", "2", "a", "x", "m0"}
	if key == "statefulset.kubernetes.io/pod-name" {
		values = []string{"m0-0", "m0-1", "m0-2", "m1-0", "m2-1"}
	}
	return rapid.SliceOfNDistinct(rapid.SampledFrom(values), 1, 2, rapid.ID).Draw(t, name+" values")
}

// Whatever a controller may make of its template, the template's answer has it:
// a pod that really comes opens nothing that was proved shut.
func TestLawARealPodIsWithinItsTemplate(t *testing.T) {
	checks(t, 100, func(t *rapid.T) {
		objects := drawObjects(t)
		objects = append(objects, drawNumbered(t, "m2")...)
		for _, name := range []string{"g0", "g1"} {
			objects = append(objects, drawGeneratedNetpol(t, name))
		}
		owners := slices.DeleteFunc(slices.Clone(objects), func(o runtime.Object) bool {
			_, deployment := o.(*appsv1.Deployment)
			return !deployment && numberedKind(o) == ""
		})
		owner := rapid.SampledFrom(owners).Draw(t, "owner")
		pod := drawPodOf(t, owner, 3)
		if pod.Name += "-new"; pod.Status.Phase != corev1.PodRunning {
			t.Skip("it is gone already")
		}
		s := snapshotOf(t, objects)
		next := clustertest.Apply(t, s, clustertest.Create(t, pod)...)
		// Beside a template that shows a zone, a pod with its node's stands alone.
		alone := "/Pod/" + pod.Name
		template, before := peerNameOf(owner), everything(t, s)
		for e, now := range everything(t, next) {
			of := edge{e.from, e.to}
			if strings.HasSuffix(e.from, alone) {
				of.from = template
			}
			if strings.HasSuffix(e.to, alone) {
				of.to = template
			}
			if of.from == of.to {
				continue
			}
			was := before.at(of)
			if rest := now.open.Union(now.unknown).Subtract(was.open).Subtract(was.unknown); !rest.Empty() {
				t.Fatalf("a pod came, as its controller makes it: %s -> %s was shut on %s", e.from, e.to, rest)
			}
		}
	})
}

// drawGeneratedNetpol is a netpol of a few words about generated labels.
func drawGeneratedNetpol(t *rapid.T, name string) *networkingv1.NetworkPolicy {
	draw := func(name string) *metav1.LabelSelector {
		if rapid.IntRange(0, 2).Draw(t, name+" everybody") == 0 {
			return &metav1.LabelSelector{}
		}
		key := rapid.SampledFrom(append(generatedKeys, "pod-template-hash")).Draw(t, name+" key")
		e := metav1.LabelSelectorRequirement{Key: key, Operator: rapid.SampledFrom([]metav1.LabelSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist"}).Draw(t, name+" operator")}
		if e.Operator == "In" || e.Operator == "NotIn" {
			e.Values = drawGeneratedValues(t, name, key)
		}
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{e}}
	}
	np := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: drawNamespace.Draw(t, name+" namespace"), Name: name}}
	np.Spec.PodSelector = *draw(name + " podSelector")
	peers := []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{}, PodSelector: draw(name + " peer")}}
	np.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: peers}}
	if rapid.Bool().Draw(t, name+" egress") {
		np.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{{To: peers}}
	}
	return np
}

func peerNameOf(o runtime.Object) string {
	kind := numberedKind(o)
	if kind == "" {
		kind = "Deployment"
	}
	m := o.(metav1.Object)
	return m.GetNamespace() + "/" + kind + "/" + m.GetName()
}
