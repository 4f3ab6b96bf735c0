package cluster_test

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

var rollouts = cluster.Custom{
	GroupVersionResource: schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "rollouts"},
	Kind:                 "Rollout", Path: []string{"spec", "template"},
}

func TestCustomRead(t *testing.T) {
	for name, tt := range map[string]struct {
		path         string
		object, want string // an error begins with !
	}{
		"Template": {
			object: `{"metadata": {"name": "web", "namespace": "s"}, "spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"hostNetwork": true, "volumes": 3,
				"containers": [{"ports": [{"name": "http", "containerPort": 80}]}]}}}}`,
			want: "s/Rollout/web map[a:b] [{http TCP 80}] true",
		},
		"Elsewhere":      {path: "spec.pods.of", object: `{"metadata": {"name": "web"}, "spec": {"pods": {"of": {"metadata": {"labels": {"a": "b"}}}}}}`, want: "default/Rollout/web map[a:b] [] false"},
		"Reference":      {object: `{"metadata": {"name": "web"}, "spec": {"workloadRef": {}}}`, want: "none"},
		"Null":           {object: `{"metadata": {"name": "web"}, "spec": {"template": null}}`, want: "none"},
		"NoSpec":         {object: `{"metadata": {"name": "web"}}`, want: "none"},
		"SpecIsText":     {object: `{"metadata": {"name": "web"}, "spec": "a"}`, want: "!spec: must be an object"},
		"LabelIsANumber": {object: `{"metadata": {"name": "web"}, "spec": {"template": {"metadata": {"labels": {"a": 1}}}}}`, want: "!spec.template: "},
		"OtherCase":      {object: `{"metadata": {"name": "web"}, "spec": {"Template": {"metadata": {"labels": {"a": "b"}}}}}`, want: "none"},
		"NoObject":       {object: `[]`, want: "!"},
	} {
		t.Run(name, func(t *testing.T) {
			c := rollouts
			if tt.path != "" {
				c.Path = strings.Split(tt.path, ".")
			}
			got := "none"
			o, _, err := c.Read([]byte(tt.object))
			if err != nil {
				got = "!" + err.Error()
			} else if o != nil {
				got = fmt.Sprint(o.Ref(), " ", map[string]string(o.Labels), " ", o.Ports, " ", o.HostNetwork)
			}
			if wrong := strings.HasPrefix(tt.want, "!") && strings.HasPrefix(got, tt.want); got != tt.want && !wrong {
				t.Errorf("want %s, got %s", tt.want, got)
			}
		})
	}
}

// The ReplicaSets of a Rollout, and their pods, are one peer with it, as those of a
// Deployment are; a StatefulSet makes no ReplicaSets.
func TestReplicaSetsOfACustomWorkload(t *testing.T) {
	labels, hashed := clustertest.Labels("app=web"), clustertest.Labels("app=web", "rollouts-pod-template-hash=1")
	objects := []runtime.Object{
		clustertest.ReplicaSet("s/web-1", clustertest.ControlledBy("Rollout/web"), hashed),
		clustertest.Pod("s/web-1-a", clustertest.ControlledBy("ReplicaSet/web-1"), hashed),
		clustertest.ReplicaSet("s/forged-1", clustertest.ControlledBy("StatefulSet/db"), labels),
		clustertest.StatefulSet("s/db", labels),
		clustertest.ReplicaSet("s/other-1", clustertest.ControlledBy("Rollout/web"), clustertest.Labels("app=other")),
	}
	rollout, _, err := rollouts.Read([]byte(`{"metadata": {"name": "web", "namespace": "s"}, "spec": {"template": {"metadata": {"labels": {"app": "web"}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	model := []cluster.Object{rollout}
	for _, o := range objects {
		owners := o.(metav1.Object).GetOwnerReferences()
		for i := range owners {
			if owners[i].Kind == "Rollout" {
				owners[i].APIVersion = "argoproj.io/v1alpha1"
			}
		}
		m, err := cluster.FromAPI(o)
		if err != nil {
			t.Fatal(err)
		}
		model = append(model, m)
	}
	s, err := cluster.New(model...)
	if err != nil {
		t.Fatal(err)
	}
	for object, want := range map[string]string{
		"Pod/web-1-a": "Rollout/web", "ReplicaSet/web-1": "Rollout/web", "Rollout/web": "Rollout/web",
		"ReplicaSet/forged-1": "ReplicaSet/forged-1", "ReplicaSet/other-1": "ReplicaSet/other-1",
	} {
		kind, name, _ := strings.Cut(object, "/")
		w, ok := s.WorkloadOf(cluster.Ref{Namespace: "s", Kind: kind, Name: name})
		if !ok || w.Kind+"/"+w.Name != want {
			t.Errorf("%s counts to %+v, want %s", object, w, want)
		}
	}
}

func TestCustomKindsAreNotThoseOfKubernetes(t *testing.T) {
	for gk, want := range map[schema.GroupKind]string{
		{Group: "argoproj.io", Kind: "Rollout"}:         "Rollout",
		{Group: "serving.knative.dev", Kind: "Service"}: "Service",
		{Group: "apps.kruise.io", Kind: "StatefulSet"}:  "StatefulSet.apps.kruise.io",
		{Group: "batch.volcano.sh", Kind: "Job"}:        "Job.batch.volcano.sh",
		{Group: "apps", Kind: "StatefulSet"}:            "StatefulSet",
		{Kind: "ReplicationController"}:                 "ReplicationController",
	} {
		if got := cluster.CustomKind(gk); got != want {
			t.Errorf("%s: got %s, want %s", gk, got, want)
		}
	}
}
