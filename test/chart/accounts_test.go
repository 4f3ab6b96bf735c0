package chart

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// No user is named, so that a platform can give its own, as OpenShift does; what it gives
// can read the certificate.
func TestNoUserIsNamed(t *testing.T) {
	r := install(t, "")
	for name, template := range r.podSpecs() {
		s := template.Spec.SecurityContext
		if s == nil || s.RunAsUser != nil || s.RunAsGroup != nil || s.FSGroup != nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot {
			t.Errorf("%s: %+v", name, s)
		}
		for _, c := range template.Spec.Containers {
			if c.SecurityContext.RunAsUser != nil {
				t.Errorf("%s: container %s names a user", name, c.Name)
			}
		}
		for _, v := range template.Spec.Volumes {
			if v.Secret != nil && (v.Secret.DefaultMode == nil || *v.Secret.DefaultMode&0o004 == 0) {
				t.Errorf("%s: volume %s is for one group, and nobody knows which", name, v.Name)
			}
		}
	}
	r = install(t, "podSecurityContext: {runAsUser: 2000, fsGroup: 3000, seccompProfile: null}\nsecurityContext: {runAsGroup: 4000}")
	for name, template := range r.podSpecs() {
		s, c := template.Spec.SecurityContext, template.Spec.Containers[0].SecurityContext
		if *s.RunAsUser != 2000 || *s.FSGroup != 3000 || s.SeccompProfile != nil || *c.RunAsGroup != 4000 || *c.ReadOnlyRootFilesystem != true {
			t.Errorf("%s does not follow the values: %+v, %+v", name, s, c)
		}
	}
}

// Who makes accounts and roles himself gets none.
func TestAccountsAndRolesOfOthers(t *testing.T) {
	r := install(t, "serviceAccount: {create: false, name: judge}\nrbac: {create: false}")
	for _, o := range r.objects {
		if strings.Contains(o.kind, "Role") || o.kind == "ServiceAccount" || o.kind == "Job" || o.kind == "Pod" {
			t.Errorf("%s %s is made", o.kind, o.GetName())
		}
	}
	if got := one[*appsv1.Deployment](t, r).Spec.Template.Spec.ServiceAccountName; got != "judge" {
		t.Errorf("the pods have account %q", got)
	}
	r = install(t, "serviceAccount: {create: false, name: judge}")
	if slices.ContainsFunc(all[*corev1.ServiceAccount](r), func(a *corev1.ServiceAccount) bool { return a.Annotations["helm.sh/hook"] == "" }) {
		t.Error("an account is made")
	}
}

// With --reuse-values an upgrade has the values of an older chart, which know nothing of
// newer ones: everything is as it comes.
func TestValuesOfAnOlderRelease(t *testing.T) {
	now := install(t, "")
	old := install(t, "rbac: null\nstrategy: null\npodSecurityContext: null\nsecurityContext: null\nannotations: null\nserviceAccount: {create: null}\nnetworkPolicy: {probesFrom: null}")
	if len(now.objects) != len(old.objects) {
		t.Fatalf("%d objects, and %d with older values", len(now.objects), len(old.objects))
	}
	for i, o := range old.objects {
		if string(o.text) != string(now.objects[i].text) {
			t.Errorf("%s %s is another:\n%s\n%s", o.kind, o.GetName(), o.text, now.objects[i].text)
		}
	}
}

// What people expect to set.
func TestDeploymentFollowsTheValues(t *testing.T) {
	d := one[*appsv1.Deployment](t, install(t, "annotations: {a: b}\nstrategy: {type: Recreate, rollingUpdate: null}"))
	if d.Annotations["a"] != "b" || d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType || d.Spec.Strategy.RollingUpdate != nil {
		t.Errorf("%+v %+v", d.Annotations, d.Spec.Strategy)
	}
	m := one[*serviceMonitor](t, install(t, "serviceMonitor: {enabled: true, annotations: {a: b}, scrapeTimeout: 5s, relabelings: [{action: labeldrop, regex: x}], metricRelabelings: [{action: drop, regex: y}]}"))
	e := m.Spec.Endpoints[0]
	if m.Annotations["a"] != "b" || e.ScrapeTimeout != "5s" || len(e.Relabelings) != 1 || len(e.MetricRelabelings) != 1 {
		t.Errorf("%+v", m)
	}
}
