package live

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/podcullis/podcullis/cluster"
)

const fullMeta = `"metadata": {
	"name": "web", "namespace": "shop", "uid": "u-1", "resourceVersion": "7", "generation": 3,
	"labels": {"app": "web"}, "annotations": {"drop": "me"}, "finalizers": ["keep/me"],
	"deletionTimestamp": "2026-11-24T00:00:00Z", "creationTimestamp": "2026-11-23T00:00:00Z",
	"managedFields": [{"manager": "drop"}],
	"ownerReferences": [
		{"kind": "Service", "name": "kept", "apiVersion": "v1", "uid": "u-3", "blockOwnerDeletion": true},
		{"kind": "ReplicaSet", "name": "web-1", "apiVersion": "apps/v1", "uid": "u-2", "controller": true}]}`

const fullPodSpec = `{
	"hostNetwork": true, "nodeName": "n-1", "volumes": [{"name": "drop", "emptyDir": {}}],
	"containers": [
		{"name": "a", "image": "drop", "env": [{"name": "drop", "value": "me"}], "ports": [{"name": "http", "containerPort": 8080}]},
		{"name": "b", "image": "drop", "ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}]},
		{"name": "c", "image": "drop"}],
	"initContainers": [
		{"name": "d", "image": "drop", "ports": [{"name": "once", "containerPort": 1}]},
		{"name": "e", "image": "drop", "restartPolicy": "Always", "ports": [{"name": "mesh", "containerPort": 15001}]}]}`

const fullTemplate = `{"metadata": {"labels": {"app": "web"}, "annotations": {"drop": "me"}}, "spec": ` + fullPodSpec + `}`

func full() map[string]string {
	workload := `{` + fullMeta + `, "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": ` + fullTemplate + `}`
	job := `"selector": {"matchLabels": {"app": "web"}}, "completionMode": "Indexed", "manualSelector": true, "backoffLimit": 1, "template": ` + fullTemplate
	return map[string]string{
		"Namespace": `{` + fullMeta + `, "status": {"phase": "Terminating", "conditions": [{"type": "drop"}]}}`,
		"Pod": `{` + fullMeta + `, "spec": ` + fullPodSpec + `, "status": {"phase": "Running", "podIP": "10.0.0.1",
			"podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], "conditions": [{"type": "drop"}]}}`,
		"NetworkPolicy": `{` + fullMeta + `, "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress", "Egress"],
			"ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}], "ports": [{"port": "http"}]}],
			"egress": [{"to": [{"namespaceSelector": {}, "podSelector": {}}], "ports": [{"port": 1, "endPort": 9, "protocol": "SCTP"}]}]}}`,
		"Deployment":            workload + `, "status": {"conditions": [{"type": "drop"}]}}`,
		"StatefulSet":           strings.Replace(workload, `"replicas": 0`, `"replicas": 0, "ordinals": {"start": 3}`, 1) + `, "status": {"conditions": [{"type": "drop"}]}}`,
		"DaemonSet":             workload + `, "status": {"conditions": [{"type": "drop"}]}}`,
		"ReplicaSet":            workload + `, "status": {"conditions": [{"type": "drop"}]}}`,
		"ReplicationController": `{` + fullMeta + `, "spec": {"replicas": 0, "selector": {"app": "web"}, "template": ` + fullTemplate + `}}`,
		"Job":                   `{` + fullMeta + `, "spec": {` + job + `}, "status": {"conditions": [{"type": "Complete", "status": "True", "message": "drop"}]}}`,
		"CronJob": `{` + fullMeta + `, "spec": {"schedule": "drop", "jobTemplate": {"metadata": {"labels": {"drop": "me"}},
			"spec": {` + job + `}}}}`,
	}
}

func TestTrimKeepsWhatTheModelNeeds(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			whole := k.object.DeepCopyObject()
			if err := json.Unmarshal([]byte(full()[k.name]), whole); err != nil {
				t.Fatal(err)
			}
			trimmed, err := trim(whole.DeepCopyObject())
			if err != nil {
				t.Fatal(err)
			}
			want, err := cluster.FromAPI(whole)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := cluster.FromAPI(trimmed.(runtime.Object)); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("of the trimmed object the model has\n%+v, want\n%+v (%v)", got, want, err)
			}
			text, err := json.Marshal(trimmed)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(strings.ToLower(string(text)), "drop") || strings.Contains(string(text), "managedFields") {
				t.Errorf("something that should be dropped is kept: %s", text)
			}
			for _, kept := range []string{"u-1", `"resourceVersion":"7"`, "keep/me", "web-1"} {
				if !strings.Contains(string(text), kept) {
					t.Errorf("%s is dropped: %s", kept, text)
				}
			}
			if again, _ := trim(trimmed); !reflect.DeepEqual(again, trimmed) {
				t.Error("trimming twice is not trimming once")
			}
		})
	}
}

func TestTheKindsAreThoseThatFromAPIKnows(t *testing.T) {
	for _, k := range kinds() {
		o, err := cluster.FromAPI(k.object)
		if err != nil || o.Ref().Kind != k.name {
			t.Errorf("the model knows %T as %v (%v), want kind %s", k.object, o, err, k.name)
		}
		gvks, _, err := scheme.Scheme.ObjectKinds(k.object)
		if err != nil || gvks[0].Kind != k.name || gvks[0].GroupVersion() != k.resource.GroupVersion() {
			t.Errorf("resource %v is asked for %s, which is %v (%v)", k.resource, k.name, gvks, err)
		}
	}
}
