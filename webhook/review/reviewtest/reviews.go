// Package reviewtest is what tests of reviews share: real ones, and ways to spoil them.
package reviewtest

import (
	"embed"
	"fmt"
	"path"
	"regexp"
	"strings"
	"testing"
)

// reviewFiles are reviews as a kube-apiserver of 1.37 sends them, one of each kind,
// subresource and operation.
//
//go:embed reviews/*.json
var reviewFiles embed.FS

// Reviews are they, by the names of their files, and some with every field that is read.
func Reviews(t testing.TB) map[string][]byte {
	t.Helper()
	const dir = "reviews"
	entries, err := reviewFiles.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, e := range entries {
		text, err := reviewFiles.ReadFile(path.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(e.Name(), ".json")] = text
	}
	for kind, object := range fullObjects {
		group, version := "", "v1"
		if g, v, grouped := strings.Cut(regexp.MustCompile(`"apiVersion":"([^"]*)"`).FindStringSubmatch(object)[1], "/"); grouped {
			group, version = g, v
		}
		out["full-"+strings.ToLower(kind)] = fmt.Appendf(nil, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u","kind":{"group":%q,"version":%q,"kind":%q},`+
			`"resource":{"group":%[1]q,"version":%[2]q,"resource":"x"},"name":"a","namespace":"shop","operation":"UPDATE","userInfo":{"extra":{"a":["b"],"c":null}},"object":%[4]s,"oldObject":%[4]s,"dryRun":true,"options":{}}}`,
			group, version, kind, object)
	}
	return out
}

// fullObjects have each field that is read, where those of the files do not.
var fullObjects = map[string]string{
	"Pod": `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","generateName":"a-","namespace":"shop","uid":"1","resourceVersion":"7","creationTimestamp":"2026-11-27T19:11:40Z","deletionTimestamp":"2026-11-27T19:11:40Z","finalizers":["x/y"],` +
		`"labels":{"app":"a"},"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"r","uid":"2","controller":true}]},` +
		`"spec":{"hostNetwork":true,"nodeName":"n","containers":[{"name":"c","ports":[{"name":"http","protocol":"TCP","containerPort":80},{"containerPort":81}]}],` +
		`"initContainers":[{"restartPolicy":"Always","ports":[{"name":"side","protocol":"UDP","containerPort":53}]},{"ports":[{"name":"no","containerPort":1}]}]},` +
		`"status":{"phase":"Running","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"},{"ip":"fd00::1"}]}}`,
	"NetworkPolicy": `{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"a","namespace":"shop"},"spec":{"podSelector":{"matchLabels":{"app":"a"},"matchExpressions":[{"key":"t","operator":"In","values":["x","y"]}]},` +
		`"policyTypes":["Ingress","Egress"],"ingress":[{"from":[{"podSelector":{},"namespaceSelector":{"matchLabels":{"n":"m"}}},{"ipBlock":{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}}],"ports":[{"port":80,"protocol":"TCP","endPort":90},{"port":"http"}]}],` +
		`"egress":[{},{"to":[{"namespaceSelector":{}}],"ports":[{"protocol":"UDP","port":53}]}]}}`,
	"StatefulSet": `{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"a","namespace":"shop","labels":{"app":"a"}},"spec":{"ordinals":{"start":3},"selector":{"matchLabels":{"app":"a"}},` +
		`"template":{"metadata":{"labels":{"app":"a"}},"spec":{"hostNetwork":true,"containers":[{"name":"c","ports":[{"name":"http","containerPort":80}]}]}}}}`,
	"Job":                   `{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"a","namespace":"shop"},"spec":{"completionMode":"Indexed","manualSelector":true,"selector":{"matchLabels":{"app":"a"}},"template":{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{}]}}}}`,
	"ReplicationController": `{"apiVersion":"v1","kind":"ReplicationController","metadata":{"name":"a","namespace":"shop"},"spec":{"selector":{"app":"a"},"template":{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[]}}}}`,
}
