package cluster

import (
	"maps"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster/selector"
)

func TestMakes(t *testing.T) {
	web := &Template{Namespace: "shop", Group: "apps", Kind: "Deployment", Name: "web", Labels: labels.Set{"app": "web"}, Ports: []NamedPort{{Name: "http", Port: 80}}}
	set := &Template{Namespace: "shop", Group: "apps", Kind: "StatefulSet", Name: "db", Labels: labels.Set{"app": "db"}, FirstOrdinal: 1}
	job := &Template{Namespace: "shop", Group: "batch", Kind: "Job", Name: "j", Labels: labels.Set{"app": "j"}}
	rs := &Template{Namespace: "shop", Group: "apps", Kind: "ReplicaSet", Name: "web-1", Labels: labels.Set{"app": "web", selector.TemplateHash: "1"}}
	pod := func(l labels.Set, change ...func(*Pod)) *Pod {
		p := &Pod{Namespace: "shop", Name: "p", Labels: l}
		for _, c := range change {
			c(p)
		}
		return p
	}
	http := func(p *Pod) { p.Ports = []NamedPort{{Name: "http", Port: 80}} }
	terminating := *rs
	terminating.DeletedAt = time.Unix(1, 0)
	tests := map[string]struct {
		template *Template
		pod      *Pod
		want     bool
	}{
		"OfADeployment":        {web, pod(labels.Set{"app": "web", selector.TemplateHash: "1"}, http), true},
		"WithoutTheHash":       {web, pod(labels.Set{"app": "web"}, http), false},
		"OneLabelMore":         {web, pod(labels.Set{"app": "web", selector.TemplateHash: "1", "role": "db"}, http), false},
		"OneLabelLess":         {web, pod(labels.Set{selector.TemplateHash: "1"}, http), false},
		"OtherValue":           {web, pod(labels.Set{"app": "db", selector.TemplateHash: "1"}, http), false},
		"OtherNamespace":       {web, pod(labels.Set{"app": "web", selector.TemplateHash: "1"}, http, func(p *Pod) { p.Namespace = "other" }), false},
		"OtherPorts":           {web, pod(labels.Set{"app": "web", selector.TemplateHash: "1"}), false},
		"HostNetwork":          {web, pod(labels.Set{"app": "web", selector.TemplateHash: "1"}, http, func(p *Pod) { p.HostNetwork = true }), false},
		"LabelsOfOtherMakers":  {web, pod(labels.Set{"app": "web", selector.TemplateHash: "1", selector.JobName: "x"}, http), false},
		"OfAReplicaSet":        {rs, pod(labels.Set{"app": "web", selector.TemplateHash: "1"}), true},
		"OfAnotherReplicaSet":  {rs, pod(labels.Set{"app": "web", selector.TemplateHash: "2"}), false},
		"OfOneThatGoes":        {&terminating, pod(labels.Set{"app": "web", selector.TemplateHash: "1"}), false},
		"OfAStatefulSet":       {set, pod(labels.Set{"app": "db", selector.RevisionHash: "x", selector.PodName: "db-1", selector.PodIndex: "1"}), true},
		"OrdinalsThatDiffer":   {set, pod(labels.Set{"app": "db", selector.RevisionHash: "x", selector.PodName: "db-1", selector.PodIndex: "2"}), false},
		"OrdinalBeforeTheRest": {set, pod(labels.Set{"app": "db", selector.RevisionHash: "x", selector.PodName: "db-0", selector.PodIndex: "0"}), false},
		"OfAJob":               {job, pod(labels.Set{"app": "j", selector.JobName: "j", selector.OldJobName: "j", selector.ControllerUID: "u", selector.OldControllerUID: "u"}), true},
		"OfAnotherJob":         {job, pod(labels.Set{"app": "j", selector.JobName: "k", selector.OldJobName: "k", selector.ControllerUID: "u", selector.OldControllerUID: "u"}), false},
		"TwoJobs":              {job, pod(labels.Set{"app": "j", selector.JobName: "j", selector.OldJobName: "j", selector.ControllerUID: "u", selector.OldControllerUID: "v"}), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.template.Makes(tt.pod); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestLawMakesIsWhatSelectorsSay: whatever selects the pod may select the template's,
// and whatever surely selects the template's selects the pod. So who judged by the
// template has judged the pod.
func TestLawMakesIsWhatSelectorsSay(t *testing.T) {
	keys := []string{"app", selector.TemplateHash, selector.RevisionHash, selector.PodName, selector.PodIndex, selector.JobName, selector.OldJobName, selector.ControllerUID, selector.OldControllerUID, selector.CompletionIndex, selector.Zone}
	values := []string{"a", "web-0", "web-1", "0", "1", "web"}
	made := 0
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]string{"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob"}).Draw(t, "kind")
		template := &Template{
			Namespace: "n", Kind: kind, Name: "web", Labels: rapid.MapOfN(rapid.SampledFrom(keys), rapid.SampledFrom(values), 0, 2).Draw(t, "template"),
			FirstOrdinal: int32(rapid.IntRange(0, 1).Draw(t, "first")), Indexed: kind == "Job" && rapid.Bool().Draw(t, "indexed"), OwnSelector: kind == "Job" && rapid.Bool().Draw(t, "own"),
		}
		own := maps.Clone(template.Labels)
		if own == nil {
			own = map[string]string{}
		}
		maps.Copy(own, rapid.MapOfN(rapid.SampledFrom(keys), rapid.SampledFrom(values), 0, 4).Draw(t, "pod"))
		for _, key := range makerOf(template).always() {
			if _, ok := own[key]; !ok && rapid.IntRange(0, 9).Draw(t, "always") > 0 {
				own[key] = rapid.SampledFrom(values).Draw(t, "value")
			}
		}
		pod := &Pod{Namespace: "n", Labels: own}
		if !template.Makes(pod) {
			return
		}
		made++
		var expressions []metav1.LabelSelectorRequirement
		for range rapid.IntRange(1, 3).Draw(t, "expressions") {
			e := metav1.LabelSelectorRequirement{Key: rapid.SampledFrom(keys).Draw(t, "key"), Operator: rapid.SampledFrom([]metav1.LabelSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist"}).Draw(t, "operator")}
			if e.Operator == "In" || e.Operator == "NotIn" {
				e.Values = rapid.SliceOfNDistinct(rapid.SampledFrom(values), 1, 3, rapid.ID[string]).Draw(t, "values")
			}
			expressions = append(expressions, e)
		}
		s, err := selector.New(metav1.LabelSelector{MatchExpressions: expressions})
		if err != nil {
			t.Fatal(err)
		}
		of, one := matches(s, template.Labels, makerOf(template)), s.Matches(pod.Labels)
		if (one == selector.Yes && of == selector.No) || (one == selector.No && of == selector.Yes) {
			t.Fatalf("%s with %v makes a pod with %v, but %v selects: template %v, pod %v", kind, template.Labels, own, expressions, of, one)
		}
	})
	if made == 0 {
		t.Error("no pod was made")
	}
}
