package chart

import (
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// resourceRights adds what guardrails of objects need by the server's flags.
func resourceRights(args, name string, want map[string]string) {
	if !strings.Contains(args, "--custom-resources ") {
		return
	}
	for _, resource := range []string{"guardrails", "exemptions"} {
		want[resource+".podcullis.io"] = "get,list,watch"
		want[resource+"/status.podcullis.io"] = "patch"
	}
	if strings.Contains(args, "--custom-resources-lease=") {
		want["in "+namespace+" leases.coordination.k8s.io named "+name+"-resources"] = "get,update"
	}
}

// Guardrails of objects come with their definitions, which stay; with rights to follow them and
// to write what became of them, which approve nothing; and with roles that nobody has.
func TestCustomResources(t *testing.T) {
	t.Run("Off", func(t *testing.T) {
		r := install(t, "{}")
		if text := strings.Join(one[*appsv1.Deployment](t, r).Spec.Template.Spec.Containers[0].Args, " "); strings.Contains(text, "custom-resources") {
			t.Errorf("the server has %s", text)
		}
		if names := definitions(r); len(names) > 0 {
			t.Errorf("definitions are installed: %v", names)
		}
	})
	for name, values := range map[string]string{
		"On": "{customResources: {enabled: true}}", "WithAudit": "{customResources: {enabled: true}, audit: {enabled: true}}",
		"Warn": "{customResources: {enabled: true}, mode: warn}", "AtMostAudit": "{customResources: {enabled: true, atMost: audit}, mode: enforce}",
	} {
		t.Run(name, func(t *testing.T) {
			r := install(t, values)
			rightsAreThoseThatAreUsed(t, r)
			serverKnowsItsWebhooks(t, r)
			args := strings.Join(one[*appsv1.Deployment](t, r).Spec.Template.Spec.Containers[0].Args, " ")
			want := map[string]string{"Warn": "warn", "AtMostAudit": "audit"}[name]
			if want == "" {
				want = "deny"
			}
			if !strings.Contains(args, "--custom-resources-at-most="+want) {
				t.Errorf("the server has %s, want at most %s", args, want)
			}
			if leases := len(all[*coordinationv1.Lease](r)); leases != 1 {
				t.Errorf("%d Leases, want one: who audits writes", leases)
			}
			if names := definitions(r); !slices.Equal(names, []string{"exemptions.podcullis.io", "guardrails.podcullis.io"}) {
				t.Errorf("definitions: %v", names)
			}
			peopleGetNothingByItself(t, r)
			theDoorIsShut(t, r)
		})
	}
	t.Run("DefinitionsAndRolesOfOthers", func(t *testing.T) {
		r := install(t, "{customResources: {enabled: true, definitions: false, roles: false}}")
		if names := definitions(r); len(names) > 0 {
			t.Errorf("definitions are installed: %v", names)
		}
		for _, role := range all[*rbacv1.ClusterRole](r) {
			if strings.Contains(role.Name, "exemption-") || strings.Contains(role.Name, "guardrail-") {
				t.Errorf("ClusterRole %s is made", role.Name)
			}
		}
	})
}

// definitions are those that stay when the release goes.
func definitions(r release) (names []string) {
	for _, o := range r.objects {
		if o.kind == "CustomResourceDefinition" && o.GetAnnotations()["helm.sh/resource-policy"] == "keep" {
			names = append(names, o.GetName())
		}
	}
	slices.Sort(names)
	return names
}

// peopleGetNothingByItself: to read is part of view, and nothing else of what everybody has.
func peopleGetNothingByItself(t *testing.T, r release) {
	t.Helper()
	bound := map[string]bool{}
	for _, b := range all[*rbacv1.ClusterRoleBinding](r) {
		bound[b.RoleRef.Name] = true
	}
	reading := []string{"get", "list", "watch"}
	for _, role := range all[*rbacv1.ClusterRole](r) {
		for _, rule := range role.Rules {
			if !slices.Contains(rule.APIGroups, "podcullis.io") || bound[role.Name] {
				continue
			}
			writes := slices.ContainsFunc(rule.Verbs, func(v string) bool { return !slices.Contains(reading, v) })
			for label := range role.Labels {
				if strings.HasPrefix(label, "rbac.authorization.k8s.io/aggregate-to-") && writes {
					t.Errorf("ClusterRole %s is %s, and may %v", role.Name, label, rule.Verbs)
				}
			}
		}
	}
}

// theDoorIsShut: when nobody answers these objects are refused, and no other; to delete an
// exemption is not asked about, so that no namespace hangs at its end.
func theDoorIsShut(t *testing.T, r release) {
	t.Helper()
	for _, w := range one[*admissionregistrationv1.ValidatingWebhookConfiguration](t, r).Webhooks {
		if w.Name != "resources.podcullis.io" {
			continue
		}
		if *w.FailurePolicy != admissionregistrationv1.Fail || w.NamespaceSelector != nil || w.ObjectSelector != nil || len(w.MatchConditions) > 0 {
			t.Errorf("the webhook leaves something out: %+v", w)
		}
		for _, rule := range w.Rules {
			if !slices.Equal(rule.APIGroups, []string{"podcullis.io"}) {
				t.Errorf("it refuses objects of %v", rule.APIGroups)
			}
			if slices.Contains(rule.Resources, "exemptions") && slices.Contains(rule.Operations, admissionregistrationv1.Delete) {
				t.Error("it is asked about exemptions that are deleted")
			}
		}
		return
	}
	t.Error("there is no webhook for custom resources")
}
