package chart

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/live"
	"github.com/podcullis/podcullis/webhook"
)

// TestEveryCombination renders each combination once, and checks all that has to hold
// for any values.
func TestEveryCombination(t *testing.T) {
	checks := map[string]func(*testing.T, release){
		"ConfigurationLoads":             configurationLoads,
		"EveryPodIsIsolated":             everyPodIsIsolated,
		"EveryObjectBelongsToTheRelease": everyObjectBelongsToTheRelease,
		"SelectorsMatch":                 selectorsMatch,
		"WebhooksCoverEveryDoor":         webhooksCoverEveryDoor,
		"ServerKnowsItsWebhooks":         serverKnowsItsWebhooks,
		"NamespacesAreLeftOutByName":     namespacesAreLeftOutByName,
		"PodsAreRestricted":              podsAreRestricted,
		"RightsAreThoseThatAreUsed":      rightsAreThoseThatAreUsed,
		"PodsFindWhatTheyName":           podsFindWhatTheyName,
	}
	for c := range matrix() {
		t.Run(c.name, func(t *testing.T) {
			r := install(t, c.pieces...)
			for _, name := range slices.Sorted(maps.Keys(checks)) {
				t.Run(name, func(t *testing.T) { checks[name](t, r) })
			}
		})
	}
}

func everyObjectBelongsToTheRelease(t *testing.T, r release) {
	seen := map[string]bool{}
	for _, o := range r.objects {
		id := o.kind + " " + o.GetNamespace() + "/" + o.GetName()
		if seen[id] {
			t.Errorf("%s is rendered twice", id)
		}
		seen[id] = true
		if got := o.GetLabels()["app.kubernetes.io/instance"]; got != "guard" {
			t.Errorf("%s has instance %q", id, got)
		}
		if errs := len(o.GetName()) > 63; errs {
			t.Errorf("%s: the name is too long", id)
		}
	}
}

// The Service, the budget and the netpol find the pods, and the API server finds
// the Service.
func selectorsMatch(t *testing.T, r release) {
	deployment := one[*appsv1.Deployment](t, r)
	pods := labels.Set(deployment.Spec.Template.Labels)
	matches := func(what string, s *metav1.LabelSelector) {
		t.Helper()
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil || s == nil || !selector.Matches(pods) {
			t.Errorf("%s does not select the pods: %v %v", what, s, err)
		}
	}
	matches("Deployment", deployment.Spec.Selector)
	service := one[*corev1.Service](t, r)
	matches("Service", &metav1.LabelSelector{MatchLabels: service.Spec.Selector})
	for _, b := range all[*policyv1.PodDisruptionBudget](r) {
		matches("PodDisruptionBudget", b.Spec.Selector)
	}
	for _, p := range r.podSpecs() {
		if p.Labels["app.kubernetes.io/component"] != "webhook" && labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(p.Labels)) {
			t.Errorf("the Service selects %s", p.Name)
		}
	}
	ports := map[string]bool{}
	for _, p := range deployment.Spec.Template.Spec.Containers[0].Ports {
		ports[p.Name] = true
	}
	for _, p := range service.Spec.Ports {
		if !ports[p.TargetPort.String()] {
			t.Errorf("the Service's port %s goes to %s, which no container has", p.Name, p.TargetPort.String())
		}
	}
	for _, w := range one[*admissionregistrationv1.ValidatingWebhookConfiguration](t, r).Webhooks {
		s := w.ClientConfig.Service
		path := "/validate"
		if w.Name == selfGuard {
			path = "/self"
		}
		if s.Name != service.Name || s.Namespace != service.Namespace || *s.Port != service.Spec.Ports[0].Port || *s.Path != path {
			t.Errorf("webhook %s calls %s/%s:%d%s", w.Name, s.Namespace, s.Name, *s.Port, *s.Path)
		}
	}
	for _, m := range all[*serviceMonitor](r) {
		selector, err := metav1.LabelSelectorAsSelector(&m.Spec.Selector)
		if err != nil || !selector.Matches(labels.Set(service.Labels)) {
			t.Errorf("the ServiceMonitor does not select the Service: %v", err)
		}
	}
}

func webhooksCoverEveryDoor(t *testing.T, r release) {
	sideEffects := admissionregistrationv1.SideEffectClassNone
	if isStrict(t, r) {
		sideEffects = admissionregistrationv1.SideEffectClassNoneOnDryRun
	}
	doors := map[string][]string{}
	for _, w := range judging(t, r) {
		for _, rule := range w.Rules {
			if diff := cmp.Diff([]admissionregistrationv1.OperationType{"CREATE", "UPDATE", "DELETE"}, rule.Operations); diff != "" {
				t.Errorf("webhook %s, operations (-want +got):\n%s", w.Name, diff)
			}
			if diff := cmp.Diff([]string{"v1"}, rule.APIVersions); diff != "" || *rule.Scope != admissionregistrationv1.AllScopes {
				t.Errorf("webhook %s, versions %v, scope %v", w.Name, rule.APIVersions, *rule.Scope)
			}
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					doors[w.Name] = append(doors[w.Name], group+"/"+resource)
				}
			}
		}
		if *w.MatchPolicy != admissionregistrationv1.Equivalent || *w.SideEffects != sideEffects || !slices.Equal(w.AdmissionReviewVersions, []string{"v1"}) {
			t.Errorf("webhook %s: matchPolicy %s, sideEffects %s, versions %v", w.Name, *w.MatchPolicy, *w.SideEffects, w.AdmissionReviewVersions)
		}
	}
	want := map[string][]string{}
	for _, door := range webhook.Resources() {
		name := "workloads.podcullis.io"
		if strings.Contains(door, "/namespaces") || strings.HasSuffix(door, "/networkpolicies") {
			name = "netpols.podcullis.io"
		}
		want[name] = append(want[name], door)
	}
	for name := range want {
		slices.Sort(want[name])
		slices.Sort(doors[name])
	}
	if diff := cmp.Diff(want, doors); diff != "" {
		t.Errorf("doors (-want +registered):\n%s", diff)
	}
}

// What the server compares the API server's webhooks with is what is installed.
func serverKnowsItsWebhooks(t *testing.T, r release) {
	args := one[*appsv1.Deployment](t, r).Spec.Template.Spec.Containers[0].Args
	if !slices.Contains(args, "--expected-webhooks=/etc/podcullis/configuration/webhooks.yaml") {
		t.Errorf("args %v", args)
	}
	var known admissionregistrationv1.ValidatingWebhookConfiguration
	if err := yaml.UnmarshalStrict([]byte(one[*corev1.ConfigMap](t, r).Data["webhooks.yaml"]), &known); err != nil {
		t.Fatal(err)
	}
	installed := one[*admissionregistrationv1.ValidatingWebhookConfiguration](t, r)
	if diff := cmp.Diff(installed.Webhooks, known.Webhooks); diff != "" || known.Name != installed.Name || known.TypeMeta != installed.TypeMeta {
		t.Errorf("%v (-installed +known):\n%s", known.TypeMeta, diff)
	}
}

// No one can leave by a label, and nothing that has to run first waits for us.
func namespacesAreLeftOutByName(t *testing.T, r release) {
	for _, w := range judging(t, r) {
		selector, err := metav1.LabelSelectorAsSelector(w.NamespaceSelector)
		if err != nil {
			t.Fatal(err)
		}
		in := func(name string) bool {
			return selector.Matches(labels.Set{"kubernetes.io/metadata.name": name, "a": "b", "c": ""})
		}
		if in(namespace) || !in("shop") {
			t.Errorf("webhook %s: own namespace %v, shop %v", w.Name, in(namespace), in("shop"))
		}
		if want := w.Name == "netpols.podcullis.io"; in("kube-system") != want {
			t.Errorf("webhook %s: kube-system %v, want %v", w.Name, in("kube-system"), want)
		}
	}
}

func TestInstallDefaultRefusesNothing(t *testing.T) {
	r := install(t)
	for _, w := range one[*admissionregistrationv1.ValidatingWebhookConfiguration](t, r).Webhooks {
		if *w.FailurePolicy != admissionregistrationv1.Ignore {
			t.Errorf("webhook %s: failurePolicy %s", w.Name, *w.FailurePolicy)
		}
	}
	args := one[*appsv1.Deployment](t, r).Spec.Template.Spec.Containers[0].Args
	if !slices.Contains(args, "--mode=audit") {
		t.Errorf("args %v", args)
	}
}

func podsAreRestricted(t *testing.T, r release) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for name, p := range r.podSpecs() {
		result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &p.ObjectMeta, &p.Spec))
		if !result.Allowed {
			t.Errorf("%s: %s: %s", name, result.ForbiddenReason(), result.ForbiddenDetail())
		}
		for _, c := range p.Spec.Containers {
			if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem || len(c.Command) > 0 {
				t.Errorf("%s: container %s: root file system writable, or a command that the image may not have", name, c.Name)
			}
		}
	}
}

// modelKinds are what the model asks for.
func modelKinds(t *testing.T) (watched, listed []string) {
	t.Helper()
	for _, resource := range live.Resources() {
		watched = append(watched, resource.GroupResource().String())
	}
	for _, k := range cluster.ForeignKinds() {
		if k.Matters() {
			listed = append(listed, k.Resource+"."+k.Group)
		}
	}
	slices.Sort(watched)
	slices.Sort(listed)
	return watched, listed
}

// isStrict reports whether the server keeps a ledger in a Lease.
func isStrict(t *testing.T, r release) bool {
	return strings.Contains(strings.Join(one[*appsv1.Deployment](t, r).Spec.Template.Spec.Containers[0].Args, " "), "--ledger=")
}

// The server may do what it does, and nothing else.
func rightsAreThoseThatAreUsed(t *testing.T, r release) {
	watched, listed := modelKinds(t)
	account := one[*appsv1.Deployment](t, r).Spec.Template.Spec.ServiceAccountName
	got := rightsOf(r, account)
	want := map[string]string{}
	for _, resource := range watched {
		want[resource] = "get,list,watch"
	}
	for _, resource := range listed {
		want[resource] = "list"
	}
	want["/apis"] = "get"
	want["subjectaccessreviews.authorization.k8s.io"] = "create"
	registration := "validatingwebhookconfigurations.admissionregistration.k8s.io named " + one[*admissionregistrationv1.ValidatingWebhookConfiguration](t, r).Name
	want[registration] = "get"
	args := strings.Join(one[*appsv1.Deployment](t, r).Spec.Template.Spec.Containers[0].Args, " ")
	if !strings.Contains(args, "--events=false") {
		want["events.events.k8s.io"] = "create"
	}
	if strings.Contains(args, "--memory-from=") {
		want["tokenreviews.authentication.k8s.io"] = "create"
		want["selfsubjectreviews.authentication.k8s.io"] = "create"
	}
	if strings.Contains(args, "--certificate-secret") {
		want[registration] = "get,patch"
		want["in "+namespace+" secrets named "+one[*corev1.Secret](t, r).Name] = "get,update"
	}
	if isStrict(t, r) {
		leases := "in " + namespace + " leases.coordination.k8s.io"
		want[leases] = "create"
		want[leases+" named "+one[*appsv1.Deployment](t, r).Name+"-ledger"] = "get,update"
	}
	auditRights(args, one[*appsv1.Deployment](t, r).Name, want)
	resourceRights(args, one[*appsv1.Deployment](t, r).Name, want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rights (-used +given):\n%s", diff)
	}
}

// rightsOf are the verbs of an account, by resource; those in a namespace say so.
func rightsOf(r release, account string) map[string]string {
	out := map[string]string{}
	add := func(where string, rules []rbacv1.PolicyRule) {
		for _, rule := range rules {
			for _, url := range rule.NonResourceURLs {
				out[url] = strings.Join(rule.Verbs, ",")
			}
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					name := where + strings.TrimSuffix(resource+"."+group, ".")
					if len(rule.ResourceNames) > 0 {
						name += " named " + strings.Join(rule.ResourceNames, ",")
					}
					out[name] = strings.Join(rule.Verbs, ",")
				}
			}
		}
	}
	bound := func(subjects []rbacv1.Subject) bool {
		return slices.ContainsFunc(subjects, func(s rbacv1.Subject) bool {
			return s.Kind == "ServiceAccount" && s.Name == account && s.Namespace == namespace
		})
	}
	for _, b := range all[*rbacv1.ClusterRoleBinding](r) {
		for _, role := range all[*rbacv1.ClusterRole](r) {
			if bound(b.Subjects) && role.Name == b.RoleRef.Name {
				add("", role.Rules)
			}
		}
	}
	for _, b := range all[*rbacv1.RoleBinding](r) {
		for _, role := range all[*rbacv1.Role](r) {
			if bound(b.Subjects) && role.Name == b.RoleRef.Name && role.Namespace == b.Namespace {
				add("in "+role.Namespace+" ", role.Rules)
			}
		}
	}
	return out
}

// A policy kind that nobody has told us about can be listed if the values say so.
func TestPolicyAPIsOfTheValues(t *testing.T) {
	r := install(t, "policyAPIs: [{group: example.org, resource: foonetworkpolicies}]")
	account := one[*appsv1.Deployment](t, r).Spec.Template.Spec.ServiceAccountName
	if got := rightsOf(r, account)["foonetworkpolicies.example.org"]; got != "list" {
		t.Errorf("rights %q, want list", got)
	}
}

func TestRightsOfTheErrands(t *testing.T) {
	r := install(t)
	if diff := cmp.Diff(map[string]string{
		"validatingwebhookconfigurations.admissionregistration.k8s.io named guard-podcullis-" + namespace: "delete",
		"in " + namespace + " certificates.cert-manager.io named guard-podcullis,guard-podcullis-ca":      "delete",
		"in " + namespace + " secrets named guard-podcullis-tls,guard-podcullis-ca":                       "delete",
	}, rightsOf(r, "guard-podcullis-uninstall")); diff != "" {
		t.Errorf("the job before an uninstall (-used +given):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"in default networkpolicies.networking.k8s.io": "create"}, rightsOf(r, "guard-podcullis-test")); diff != "" {
		t.Errorf("helm test (-used +given):\n%s", diff)
	}
}

// What the pods mount, name and are told is what the other objects are.
func podsFindWhatTheyName(t *testing.T, r release) {
	spec := one[*appsv1.Deployment](t, r).Spec.Template.Spec
	container := spec.Containers[0]
	mounted := map[string]bool{}
	for _, m := range container.VolumeMounts {
		mounted[m.MountPath] = true
		if !slices.ContainsFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) {
			t.Errorf("no volume %s", m.Name)
		}
	}
	for _, arg := range container.Args {
		flag, value, _ := strings.Cut(arg, "=")
		switch flag {
		case "--config", "--client-ca-file", "--memory-ca-file", "--expected-webhooks":
			value = value[:strings.LastIndex(value, "/")]
			fallthrough
		case "--policy-dir", "--cert-dir":
			if !mounted[value] {
				t.Errorf("%s names a directory that is not mounted", arg)
			}
		}
	}
	configMap := one[*corev1.ConfigMap](t, r)
	for _, v := range spec.Volumes {
		if v.Name == "configuration" && v.ConfigMap.Name != configMap.Name {
			t.Errorf("the configuration is ConfigMap %s, and ConfigMap %s is mounted", configMap.Name, v.ConfigMap.Name)
		}
	}
	for _, m := range container.VolumeMounts {
		if m.SubPath != "" {
			t.Errorf("volume %s: kubelet never brings a change to a subPath", m.Name)
		}
	}
	if spec.ServiceAccountName != one[*corev1.ServiceAccount](t, r).Name {
		t.Errorf("service account %s", spec.ServiceAccountName)
	}
}

// A change of the configuration is read without a restart, so it must not cause one.
func TestConfigurationRestartsNoPod(t *testing.T) {
	before := one[*appsv1.Deployment](t, install(t))
	after := one[*appsv1.Deployment](t, install(t, "configuration: {guardrails: [{name: other, guardrail: default-deny, action: audit}]}"))
	if diff := cmp.Diff(before.Spec.Template, after.Spec.Template); diff != "" {
		t.Errorf("the pods change with the configuration:\n%s", diff)
	}
}

func TestPodsEndAfterTheDrain(t *testing.T) {
	cases := map[string]int64{"100s": 120, "1m30s": 110, "2m": 140}
	for drain, want := range cases {
		t.Run(drain, func(t *testing.T) {
			spec := one[*appsv1.Deployment](t, install(t, "drainTimeout: "+drain)).Spec
			if got := *spec.Template.Spec.TerminationGracePeriodSeconds; got != want {
				t.Errorf("terminationGracePeriodSeconds %d, want %d", got, want)
			}
			if u := spec.Strategy.RollingUpdate; u.MaxUnavailable.IntValue() != 0 || u.MaxSurge.IntValue() != 1 {
				t.Errorf("rolling update %v: a new pod has to be ready before an old one goes", u)
			}
		})
	}
}

func TestGoMemoryLimitIsBelowTheContainers(t *testing.T) {
	cases := map[string]int64{"512Mi": 483183820, "1.5Gi": 1449551462, "1G": 900000000, "2097152": 1887436}
	for limit, want := range cases {
		t.Run(limit, func(t *testing.T) {
			env := one[*appsv1.Deployment](t, install(t, "resources: {limits: {memory: '"+limit+"'}}")).Spec.Template.Spec.Containers[0].Env
			if len(env) != 1 || env[0].Name != "GOMEMLIMIT" || env[0].Value != strconv.FormatInt(want, 10) {
				t.Errorf("got %v, want %d", env, want)
			}
		})
	}
	t.Run("WithoutALimit", func(t *testing.T) {
		if env := one[*appsv1.Deployment](t, install(t, "resources: {limits: null}")).Spec.Template.Spec.Containers[0].Env; len(env) != 0 {
			t.Errorf("got %v", env)
		}
	})
}

// The certificates that cert-manager is asked for are those that the pods mount and
// the API server asks for.
func TestCertificates(t *testing.T) {
	r := install(t)
	certificates := map[string]*certificate{}
	for _, c := range all[*certificate](r) {
		certificates[c.Name] = c
	}
	leaf, ca := certificates["guard-podcullis"], certificates["guard-podcullis-ca"]
	if leaf == nil || ca == nil || len(certificates) != 2 {
		t.Fatalf("certificates %v", slices.Sorted(maps.Keys(certificates)))
	}
	service := one[*corev1.Service](t, r)
	if want := service.Name + "." + namespace + ".svc"; !slices.Contains(leaf.Spec.DNSNames, want) {
		t.Errorf("the certificate is for %v, and the API server asks for %s", leaf.Spec.DNSNames, want)
	}
	if leaf.Spec.IssuerRef.Name != ca.Name || !ca.Spec.IsCA || leaf.Spec.IsCA || ca.Spec.Duration != "87600h" {
		t.Errorf("leaf %+v, CA %+v", leaf.Spec, ca.Spec)
	}
	w := one[*admissionregistrationv1.ValidatingWebhookConfiguration](t, r)
	if got, want := w.Annotations["cert-manager.io/inject-ca-from"], namespace+"/"+leaf.Name; got != want {
		t.Errorf("the CA is injected from %q, want %q", got, want)
	}
	for _, v := range one[*appsv1.Deployment](t, r).Spec.Template.Spec.Volumes {
		if v.Name == "tls" && v.Secret.SecretName != leaf.Spec.SecretName {
			t.Errorf("Secret %s is mounted, and cert-manager fills %s", v.Secret.SecretName, leaf.Spec.SecretName)
		}
	}
	for _, issuer := range all[*issuerObject](r) {
		if issuer.Spec.CA != nil && issuer.Spec.CA.SecretName != ca.Spec.SecretName {
			t.Errorf("issuer %s signs with Secret %s", issuer.Name, issuer.Spec.CA.SecretName)
		}
	}
}

// Helm renders again at each upgrade, so what it generated would change each time.
func TestRenderingTwiceIsTheSame(t *testing.T) {
	for c := range matrix() {
		first, second := install(t, c.pieces...), install(t, c.pieces...)
		if !bytes.Equal([]byte(everything(first.texts)), []byte(everything(second.texts))) {
			t.Errorf("%s renders differently the second time", c.name)
		}
	}
}

func TestBudgetLetsNodesDrain(t *testing.T) {
	if got := len(all[*policyv1.PodDisruptionBudget](install(t, "replicas: 1"))); got != 0 {
		t.Error("a budget of one pod of one keeps its node from draining")
	}
	if got := len(all[*policyv1.PodDisruptionBudget](install(t))); got != 1 {
		t.Errorf("%d budgets for two replicas", got)
	}
}
