package chart

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/podcullis/podcullis/cluster/live"
)

const exposed = `
configuration:
  guardrails:
  - {name: nobody-is-exposed, guardrail: exposed-to-outside, action: deny}
`

// While a guardrail asks what leads in from outside, the server may watch that, and is asked
// about it; else neither.
func TestEntriesAreRegisteredAndWatchedWhileAGuardrailAsks(t *testing.T) {
	var all []string
	for _, r := range live.EntryResources() {
		all = append(all, r.GroupResource().String())
	}
	slices.Sort(all)
	for name, test := range map[string]struct {
		values string
		want   []string
	}{
		"NoSuchGuardrail":  {"", nil},
		"ExposedToOutside": {exposed, all},
		"NetpolsAlone":     {strings.Replace(exposed, "action: deny", "action: deny, parameters: {through: [default, ipBlock]}", 1), nil},
		"RoutesAlone":      {strings.Replace(exposed, "action: deny", "action: deny, parameters: {through: [route]}", 1), all},
		"OwnRego":          {"watchEntries: true", all},
	} {
		t.Run(name, func(t *testing.T) {
			r := install(t, test.values)
			var registered, watched []string
			for _, w := range one[*admissionregistrationv1.ValidatingWebhookConfiguration](t, r).Webhooks {
				for _, rule := range w.Rules {
					if w.Name == "self.podcullis.io" {
						continue // which guards its own Service
					}
					for _, resource := range rule.Resources {
						if door := strings.TrimSuffix(resource+"."+rule.APIGroups[0], "."); slices.Contains(all, door) {
							registered = append(registered, door)
							if len(rule.Operations) != 3 || w.Name != "workloads.podcullis.io" || *rule.Scope != admissionregistrationv1.AllScopes {
								t.Errorf("%s in webhook %s: %v", door, w.Name, rule)
							}
						}
					}
				}
			}
			deployment := one[*appsv1.Deployment](t, r)
			rights := rightsOf(r, deployment.Spec.Template.Spec.ServiceAccountName)
			for _, door := range all {
				if got := rights[door]; got == "get,list,watch" {
					watched = append(watched, door)
				}
			}
			slices.Sort(registered)
			if diff := cmp.Diff(test.want, registered); diff != "" {
				t.Errorf("-want +registered:\n%s", diff)
			}
			if diff := cmp.Diff(test.want, watched); diff != "" {
				t.Errorf("-want +watched:\n%s; there are %v", diff, rights)
			}
			if note := deployment.Spec.Template.Annotations["podcullis.io/entries"]; (note != "") != (test.want != nil) {
				t.Errorf("the annotation that makes it a rollout is %q", note)
			}
			serverKnowsItsWebhooks(t, r)
			configurationLoads(t, r)
		})
	}
}
