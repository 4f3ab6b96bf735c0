package chart

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
)

const extraWorkloads = `
configuration:
  extraWorkloads:
  - argo-rollouts
  - openshift-deploymentconfigs
  - {group: apps.kruise.io, version: v1alpha1, resource: clonesets, kind: CloneSet, path: spec.template}
`

// What the server follows is registered, and it may watch it; the presets of the chart
// are those of the server.
func TestExtraWorkloadsAreRegisteredAndWatched(t *testing.T) {
	r := install(t, extraWorkloads)
	custom := configurationOf(t, r).Custom()
	if len(custom) != 3 {
		t.Fatalf("the server follows %v", custom)
	}
	var want, registered []string
	for _, c := range custom {
		want = append(want, c.Version+" "+c.Group+"/"+c.Resource)
	}
	for _, w := range one[*admissionregistrationv1.ValidatingWebhookConfiguration](t, r).Webhooks {
		for _, rule := range w.Rules {
			if door := rule.APIVersions[0] + " " + rule.APIGroups[0] + "/" + rule.Resources[0]; slices.Contains(want, door) {
				registered = append(registered, door)
				if len(rule.Operations) != 3 || w.Name != "workloads.podcullis.io" || *rule.Scope != admissionregistrationv1.AllScopes {
					t.Errorf("%s in webhook %s: %v", door, w.Name, rule)
				}
			}
		}
	}
	if diff := cmp.Diff(want, registered); diff != "" {
		t.Errorf("-followed +registered:\n%s", diff)
	}
	rights := rightsOf(r, one[*appsv1.Deployment](t, r).Spec.Template.Spec.ServiceAccountName)
	for _, c := range custom {
		if got := rights[c.Resource+"."+c.Group]; got != "get,list,watch" {
			t.Errorf("%s.%s: rights %q; there are %v", c.Resource, c.Group, got, rights)
		}
	}
	serverKnowsItsWebhooks(t, r)
	configurationLoads(t, r)
}

// What is watched is chosen at the start, so a change of the list replaces the pods.
func TestAChangeOfExtraWorkloadsIsARollout(t *testing.T) {
	annotation := func(values ...string) string {
		return one[*appsv1.Deployment](t, install(t, values...)).Spec.Template.Annotations["podcullis.io/extra-workloads"]
	}
	none, some, other := annotation(), annotation(extraWorkloads), annotation("configuration: {extraWorkloads: [argo-rollouts]}")
	if none != "" || some == "" || some == other {
		t.Errorf("annotations %q, %q, %q", none, some, other)
	}
}

func TestSchemaRefusesExtraWorkloadsThatTheServerRefuses(t *testing.T) {
	for _, value := range []string{"argo-rollout", "{group: argoproj.io}", "{group: apps, version: v1, resource: a, kind: A}", "{group: a.b, version: v1, resource: a, kind: A, paths: spec}", "[a]"} {
		if _, err := rendered(t, "configuration: {extraWorkloads: ["+value+"]}"); err == nil || !strings.Contains(err.Error(), "extraWorkloads") {
			t.Errorf("%s: want an error that names extraWorkloads, got %v", value, err)
		}
	}
}
