package e2e

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/webhook"
)

// withoutLabels are the writable subresources that are no doors, and why.
var withoutLabels = map[string]string{
	"/pods/ephemeralcontainers": "the API server keeps the labels: TestLabelsByWayOfSubresourcesAreJudged",
	"/pods/resize":              "the API server keeps the labels: TestLabelsByWayOfSubresourcesAreJudged",
	"/pods/eviction":            "deletes a pod, which takes isolation from none and opens nothing",
	"/pods/attach":              "a stream", "/pods/exec": "a stream", "/pods/portforward": "a stream", "/pods/proxy": "a stream",
	"apps/deployments/scale": "a number", "apps/replicasets/scale": "a number", "apps/statefulsets/scale": "a number",
	"/replicationcontrollers/scale": "a number",
}

// A Kubernetes version that brings another way to write a Pod, a Namespace, a
// NetworkPolicy or a workload fails this test, until someone has thought about it.
func TestEveryWritableResourceOfTheModelIsADoorOrKnownToBeNone(t *testing.T) {
	c := start(t)
	_, lists, err := c.client.Discovery().ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	known := slices.Sorted(maps.Keys(withoutLabels))
	known = append(known, webhook.Resources()...)
	kinds := map[string]bool{}
	for _, door := range webhook.Resources() {
		group, resource, _ := strings.Cut(door, "/")
		resource, _, _ = strings.Cut(resource, "/")
		kinds[group+"/"+resource] = true
	}
	served := map[string]bool{}
	for _, list := range lists {
		group, _, grouped := strings.Cut(list.GroupVersion, "/")
		if !grouped {
			group = ""
		}
		for _, r := range list.APIResources {
			resource, _, _ := strings.Cut(r.Name, "/")
			if kinds[group+"/"+resource] && writable(r) {
				served[group+"/"+r.Name] = true
			}
		}
	}
	slices.Sort(known)
	if diff := cmp.Diff(known, slices.Sorted(maps.Keys(served))); diff != "" {
		t.Errorf("writable resources (-known +served):\n%s", diff)
	}
}

func writable(r metav1.APIResource) bool {
	return slices.ContainsFunc(r.Verbs, func(verb string) bool {
		return slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, verb)
	})
}
