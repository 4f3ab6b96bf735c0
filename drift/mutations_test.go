package drift

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// mutation is what somebody may do to the configuration, and what is said of it.
type mutation struct {
	field  string // the field that changes, as the API names it; empty for more than one
	change func(*admissionregistrationv1.ValidatingWebhookConfiguration)
	want   []string
}

// mutations change each field that there is, some of them in several ways. All are
// such that an API server accepts them.
func mutations(t *testing.T) map[string]mutation {
	t.Helper()
	other := certificate(t, host).CABundle
	netpols := func(change func(*admissionregistrationv1.ValidatingWebhook)) func(*admissionregistrationv1.ValidatingWebhookConfiguration) {
		return func(c *admissionregistrationv1.ValidatingWebhookConfiguration) { change(&c.Webhooks[0]) }
	}
	workloads := func(change func(*admissionregistrationv1.ValidatingWebhook)) func(*admissionregistrationv1.ValidatingWebhookConfiguration) {
		return func(c *admissionregistrationv1.ValidatingWebhookConfiguration) { change(&c.Webhooks[1]) }
	}
	type (
		configuration = admissionregistrationv1.ValidatingWebhookConfiguration
		webhook       = admissionregistrationv1.ValidatingWebhook
	)
	return map[string]mutation{
		"Renamed": {"name", workloads(func(w *webhook) { w.Name = "other.podcullis.io" }), []string{
			"webhook workloads.podcullis.io: is missing",
			"webhook other.podcullis.io: is there, and was not installed",
		}},
		"EntryRemoved": {"", func(c *configuration) { c.Webhooks = c.Webhooks[:1] }, []string{
			"webhook workloads.podcullis.io: is missing",
		}},
		"AllEntriesRemoved": {"", func(c *configuration) { c.Webhooks = nil }, []string{
			"webhook netpols.podcullis.io: is missing",
			"webhook workloads.podcullis.io: is missing",
		}},
		"FailurePolicy": {"failurePolicy", netpols(func(w *webhook) { w.FailurePolicy = new(admissionregistrationv1.Ignore) }), []string{
			"webhook netpols.podcullis.io: failurePolicy is Ignore, installed as Fail",
		}},
		"TimeoutSeconds": {"timeoutSeconds", netpols(func(w *webhook) { w.TimeoutSeconds = new(int32(1)) }), []string{
			"webhook netpols.podcullis.io: timeoutSeconds is 1, installed as 5",
		}},
		"NamespaceSelector": {"namespaceSelector", netpols(func(w *webhook) {
			w.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
		}), []string{
			`webhook netpols.podcullis.io: namespaceSelector is {"matchLabels":{"a":"b"}}, installed as {"matchExpressions":[{"key":"kubernetes.io/metadata.name","operator":"NotIn","values":["podcullis"]}]}`,
		}},
		"ObjectSelector": {"objectSelector", workloads(func(w *webhook) { w.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}} }), []string{
			`webhook workloads.podcullis.io: objectSelector is {"matchLabels":{"a":"b"}}, installed as {}`,
		}},
		"MatchConditionAdded": {"", workloads(func(w *webhook) {
			w.MatchConditions = []admissionregistrationv1.MatchCondition{{Name: "never", Expression: "false"}}
		}), []string{
			`webhook workloads.podcullis.io: matchConditions is [{"name":"never","expression":"false"}], installed as unset`,
		}},
		"MatchConditionRenamed": {"matchConditions.name", netpols(func(w *webhook) { w.MatchConditions[0].Name = "other" }), []string{
			`webhook netpols.podcullis.io: matchConditions is [{"name":"other","expression":"true"}], installed as [{"name":"always","expression":"true"}]`,
		}},
		"MatchConditionChanged": {"matchConditions.expression", netpols(func(w *webhook) { w.MatchConditions[0].Expression = "false" }), []string{
			`webhook netpols.podcullis.io: matchConditions is [{"name":"always","expression":"false"}], installed as [{"name":"always","expression":"true"}]`,
		}},
		"MatchPolicy": {"matchPolicy", netpols(func(w *webhook) { w.MatchPolicy = new(admissionregistrationv1.Exact) }), []string{
			"webhook netpols.podcullis.io: matchPolicy is Exact, installed as Equivalent",
		}},
		"SideEffects": {"sideEffects", netpols(func(w *webhook) { w.SideEffects = new(admissionregistrationv1.SideEffectClassNoneOnDryRun) }), []string{
			"webhook netpols.podcullis.io: sideEffects is NoneOnDryRun, installed as None",
		}},
		"ReviewVersions": {"admissionReviewVersions", netpols(func(w *webhook) { w.AdmissionReviewVersions = []string{"v1beta1", "v1"} }), []string{
			`webhook netpols.podcullis.io: admissionReviewVersions is ["v1beta1","v1"], installed as ["v1"]`,
		}},
		"OperationRemoved": {"rules.operations", netpols(func(w *webhook) { w.Rules[1].Operations = w.Rules[1].Operations[:2] }), []string{
			"webhook netpols.podcullis.io: DELETE of networking.k8s.io/networkpolicies is not covered any more",
		}},
		"OperationAdded": {"", workloads(func(w *webhook) {
			w.Rules[1].Operations = append(w.Rules[1].Operations, admissionregistrationv1.Connect)
		}), []string{
			`webhook workloads.podcullis.io: rules are [{"operations":["CREATE","UPDATE","DELETE","CONNECT"],"apiGroups":["apps"],"apiVersions":["v1"],"resources":["deployments","statefulsets"],"scope":"*"}], ` +
				`installed as [{"operations":["CREATE","UPDATE","DELETE"],"apiGroups":["apps"],"apiVersions":["v1"],"resources":["deployments","statefulsets"],"scope":"*"}]`,
		}},
		"GroupReplaced": {"rules.apiGroups", workloads(func(w *webhook) { w.Rules[1].APIGroups = []string{"batch"} }), []string{
			"webhook workloads.podcullis.io: CREATE, UPDATE, DELETE of apps/deployments is not covered any more",
			"webhook workloads.podcullis.io: CREATE, UPDATE, DELETE of apps/statefulsets is not covered any more",
		}},
		"VersionReplaced": {"rules.apiVersions", workloads(func(w *webhook) { w.Rules[1].APIVersions = []string{"v1beta1"} }), []string{
			"webhook workloads.podcullis.io: CREATE, UPDATE, DELETE of apps/deployments is not covered any more",
			"webhook workloads.podcullis.io: CREATE, UPDATE, DELETE of apps/statefulsets is not covered any more",
		}},
		"SubresourceRemoved": {"rules.resources", workloads(func(w *webhook) { w.Rules[0].Resources = []string{"pods", "pods/binding"} }), []string{
			"webhook workloads.podcullis.io: CREATE, UPDATE, DELETE of pods/status is not covered any more",
		}},
		"ScopeCluster": {"rules.scope", workloads(func(w *webhook) { w.Rules[1].Scope = new(admissionregistrationv1.ClusterScope) }), []string{
			"webhook workloads.podcullis.io: CREATE, UPDATE, DELETE of apps/deployments is not covered any more",
			"webhook workloads.podcullis.io: CREATE, UPDATE, DELETE of apps/statefulsets is not covered any more",
		}},
		"ScopeNamespaced": {"", netpols(func(w *webhook) { w.Rules[0].Scope = new(admissionregistrationv1.NamespacedScope) }), []string{
			"webhook netpols.podcullis.io: CREATE, UPDATE, DELETE of namespaces is not covered any more",
		}},
		"RuleRemoved": {"", netpols(func(w *webhook) { w.Rules = w.Rules[1:] }), []string{
			"webhook netpols.podcullis.io: CREATE, UPDATE, DELETE of namespaces is not covered any more",
		}},
		"RuleAdded": {"", netpols(func(w *webhook) { w.Rules = append(w.Rules, rule("policy", "poddisruptionbudgets")) }), []string{
			`webhook netpols.podcullis.io: rules [{"operations":["CREATE","UPDATE","DELETE"],"apiGroups":["policy"],"apiVersions":["v1"],"resources":["poddisruptionbudgets"],"scope":"*"}] are there, and were not installed`,
		}},
		"RulesInAnotherOrder": {"", netpols(func(w *webhook) { slices.Reverse(w.Rules) }), nil},
		"OneRuleForEverything": {"", workloads(func(w *webhook) {
			w.Rules = []admissionregistrationv1.RuleWithOperations{rule("*", "*/*")}
		}), []string{
			`webhook workloads.podcullis.io: rules are [{"operations":["CREATE","UPDATE","DELETE"],"apiGroups":["*"],"apiVersions":["v1"],"resources":["*/*"],"scope":"*"}], ` +
				`installed as [{"operations":["CREATE","UPDATE","DELETE"],"apiGroups":[""],"apiVersions":["v1"],"resources":["pods","pods/status","pods/binding"],"scope":"*"},` +
				`{"operations":["CREATE","UPDATE","DELETE"],"apiGroups":["apps"],"apiVersions":["v1"],"resources":["deployments","statefulsets"],"scope":"*"}]`,
		}},
		"StarIsNoSubresource": {"", workloads(func(w *webhook) {
			w.Rules = []admissionregistrationv1.RuleWithOperations{rule("*", "*")}
		}), []string{
			"webhook workloads.podcullis.io: CREATE, UPDATE, DELETE of pods/status is not covered any more",
			"webhook workloads.podcullis.io: CREATE, UPDATE, DELETE of pods/binding is not covered any more",
		}},
		"ServiceNamespace": {"clientConfig.service.namespace", netpols(func(w *webhook) { w.ClientConfig.Service.Namespace = "elsewhere" }), []string{
			"webhook netpols.podcullis.io: clientConfig.service.namespace is elsewhere, installed as podcullis",
		}},
		"ServiceName": {"clientConfig.service.name", netpols(func(w *webhook) { w.ClientConfig.Service.Name = "yes" }), []string{
			"webhook netpols.podcullis.io: clientConfig.service.name is yes, installed as podcullis-webhook",
		}},
		"ServicePath": {"clientConfig.service.path", netpols(func(w *webhook) { w.ClientConfig.Service.Path = new("/yes") }), []string{
			"webhook netpols.podcullis.io: clientConfig.service.path is /yes, installed as /validate",
		}},
		"ServicePort": {"clientConfig.service.port", netpols(func(w *webhook) { w.ClientConfig.Service.Port = new(int32(8443)) }), []string{
			"webhook netpols.podcullis.io: clientConfig.service.port is 8443, installed as 443",
		}},
		"URL": {"clientConfig.url", netpols(func(w *webhook) { w.ClientConfig.URL, w.ClientConfig.Service = new("https://yes.example/"), nil }), []string{
			"webhook netpols.podcullis.io: clientConfig.url is https://yes.example/, installed as unset",
			`webhook netpols.podcullis.io: clientConfig.service is unset, installed as {"namespace":"podcullis","name":"podcullis-webhook","path":"/validate","port":443}`,
		}},
		"BundleOfAnotherCA": {"clientConfig.caBundle", netpols(func(w *webhook) { w.ClientConfig.CABundle = other }), []string{
			"webhook netpols.podcullis.io: clientConfig.caBundle does not verify the certificate that is served for podcullis-webhook.podcullis.svc: it is of another CA",
		}},
		"BundleRemoved": {"", netpols(func(w *webhook) { w.ClientConfig.CABundle = nil }), []string{
			"webhook netpols.podcullis.io: clientConfig.caBundle is empty, so the API server does not trust the certificate that is served",
		}},
		"BundleWithOneMore": {"", netpols(func(w *webhook) { w.ClientConfig.CABundle = slices.Concat(other, w.ClientConfig.CABundle) }), nil},
		"SeveralThings": {"", func(c *configuration) {
			c.Webhooks[0].FailurePolicy, c.Webhooks[1].TimeoutSeconds = new(admissionregistrationv1.Ignore), new(int32(30))
		}, []string{
			"webhook netpols.podcullis.io: failurePolicy is Ignore, installed as Fail",
			"webhook workloads.podcullis.io: timeoutSeconds is 30, installed as 10",
		}},
	}
}

func rule(group string, resources ...string) admissionregistrationv1.RuleWithOperations {
	return admissionregistrationv1.RuleWithOperations{
		Operations: []admissionregistrationv1.OperationType{"CREATE", "UPDATE", "DELETE"},
		Rule:       admissionregistrationv1.Rule{APIGroups: []string{group}, APIVersions: []string{"v1"}, Resources: resources, Scope: new(admissionregistrationv1.AllScopes)},
	}
}

// A later version of the API may bring a field by which a webhook can be narrowed.
// Somebody has to have looked at it.
func TestEachFieldIsMutated(t *testing.T) {
	var mutated []string
	for _, m := range mutations(t) {
		if m.field != "" {
			mutated = append(mutated, m.field)
		}
	}
	slices.Sort(mutated)
	there := leaves("", reflect.TypeFor[admissionregistrationv1.ValidatingWebhook]())
	slices.Sort(there)
	if diff := cmp.Diff(there, mutated); diff != "" {
		t.Errorf("fields (-of ValidatingWebhook +mutated):\n%s", diff)
	}
}

// leaves are the fields of a type, and of the types of its package that they are of.
func leaves(path string, of reflect.Type) []string {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct || of.PkgPath() != reflect.TypeFor[admissionregistrationv1.ValidatingWebhook]().PkgPath() {
		return []string{path}
	}
	var out []string
	for i := range of.NumField() {
		name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		at := strings.Trim(path+"."+name, ".") // an embedded struct has no name
		out = append(out, leaves(at, of.Field(i).Type)...)
	}
	return out
}

func TestDifferences(t *testing.T) {
	i := newIntended(t)
	all := mutations(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			live := i.live()
			all[name].change(live)
			if diff := cmp.Diff(all[name].want, i.differences(live)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	t.Run("Unchanged", func(t *testing.T) {
		if got := i.differences(i.live()); got != nil {
			t.Errorf("got %q", got)
		}
	})
	t.Run("Missing", func(t *testing.T) {
		want := []string{"ValidatingWebhookConfiguration podcullis is missing: the API server asks about nothing"}
		if diff := cmp.Diff(want, i.differences(nil)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}
