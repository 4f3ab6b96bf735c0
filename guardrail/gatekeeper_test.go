package guardrail_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/guardrail"
)

// template is a ConstraintTemplate of kind Labels whose target has some fields.
func template(version, target string) string {
	return `apiVersion: templates.gatekeeper.sh/` + version + `
kind: ConstraintTemplate
metadata:
  name: labels
spec:
  crd:
    spec:
      names:
        kind: Labels
      validation:
        openAPIV3Schema:
          type: object
          properties:
            label: {type: string, default: team}
            more:
              type: array
              items:
                type: object
                properties:
                  name: {type: string}
                  needed: {type: boolean, default: true}
  targets:
  - target: admission.k8s.gatekeeper.sh
` + indented(target, "    ")
}

func indented(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+by) + "\n"
}

// labelled is the target of a template in Rego v0 that wants a label.
const labelled = `
rego: |
  package labels

  violation[{"msg": msg, "details": {"missing": input.parameters.label}}] {
    not input.review.object.metadata.labels[input.parameters.label]
    msg := sprintf("%v has no label %v", [input.review.object.metadata.name, input.parameters.label])
  }
`

// demand is a constraint of kind Labels with some fields of its spec.
func demand(name, spec string) string {
	return "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Labels\nmetadata: {name: " + name + "}\nspec:\n" + indented(spec, "  ")
}

const onPods = `match: {kinds: [{apiGroups: [""], kinds: [Pod]}]}`

// foreign is an engine of what some files hold of Gatekeeper.
func foreign(t *testing.T, files map[string]string) (*guardrail.Engine, error) {
	t.Helper()
	folder := fstest.MapFS{}
	for name, text := range files {
		folder[name] = &fstest.MapFile{Data: []byte(text)}
	}
	l, err := guardrail.LoadLibrary(guardrail.Source{Name: "gk", FS: folder})
	if err != nil {
		return nil, err
	}
	c, err := guardrail.ParseConfig("c.yaml", []byte("apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails: []"))
	if err != nil {
		t.Fatal(err)
	}
	return guardrail.New(l, c)
}

func mustForeign(t *testing.T, files map[string]string) *guardrail.Engine {
	t.Helper()
	e, err := foreign(t, files)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// there is a cluster out of manifests.
func there(t *testing.T, text string) *cluster.Snapshot {
	t.Helper()
	set, err := manifest.Read(manifest.Input{Texts: []manifest.Text{{Name: "cluster.yaml", Data: []byte(text)}}, Entries: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := set.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const shop = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {stage: prod}, annotations: {owner: me}}\n"

// asked is a request about an object in JSON.
func asked(operation admissionv1.Operation, kind, object string) *admissionv1.AdmissionRequest {
	var o metav1.PartialObjectMetadata
	if err := json.Unmarshal([]byte(object), &o); err != nil {
		panic(err)
	}
	r := &admissionv1.AdmissionRequest{
		Kind: metav1.GroupVersionKind{Version: "v1", Kind: kind}, Namespace: o.Namespace, Name: o.Name, Operation: operation,
	}
	raw := runtime.RawExtension{Raw: []byte(object)}
	if operation == admissionv1.Delete {
		r.OldObject = raw
	} else {
		r.Object = raw
	}
	return r
}

const bare = `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}}`

func said(t *testing.T, e *guardrail.Engine, s *cluster.Snapshot, r *admissionv1.AdmissionRequest, origin guardrail.Origin) []string {
	t.Helper()
	d, err := e.Evaluate(t.Context(), guardrail.Review{Request: r, Before: s, After: s, Origin: origin, Time: time.Unix(0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, v := range d.Violations {
		out = append(out, fmt.Sprintf("%s %s: %s", v.Action, v.Guardrail, v.Message))
	}
	return out
}

// Every form in which a template may be written.
func TestTemplatesOfGatekeeperAreGuardrails(t *testing.T) {
	create := asked(admissionv1.Create, "Pod", bare)
	for name, tc := range map[string]struct {
		template, constraint string
		request              *admissionv1.AdmissionRequest
		want                 []string
	}{
		"RegoV0":   {template("v1", labelled), demand("all", onPods), create, []string{"deny Labels/all: web has no label team"}},
		"V1beta1":  {template("v1beta1", labelled), demand("all", onPods), create, []string{"deny Labels/all: web has no label team"}},
		"V1alpha1": {template("v1alpha1", labelled), demand("all", onPods), create, []string{"deny Labels/all: web has no label team"}},
		"CodeOfRegoV1": {template("v1", `
code:
- engine: Rego
  source:
    version: v1
    rego: |
      package labels

      violation contains {"msg": "v1"} if not input.review.object.metadata.labels.team
`), demand("all", onPods), create, []string{"deny Labels/all: v1"}},
		"CodeOfBothEnginesUsesTheRego": {template("v1", `
code:
- engine: K8sNativeValidation
  source: {validations: [{expression: "false", message: never}]}
- engine: Rego
  source:
    rego: |
      package labels

      violation[{"msg": "v0"}] { true }
`), demand("all", onPods), create, []string{"deny Labels/all: v0"}},
		"Libraries": {template("v1", `
rego: |
  package labels

  import data.lib.words

  violation[{"msg": words.no(input.review.object.metadata.name)}] { true }
libs:
- |
  package lib.words

  no(name) = text { text := sprintf("no %v", [name]) }
`), demand("all", onPods), create, []string{"deny Labels/all: no web"}},
		"BuiltinsOfRegoV0": {template("v1", `
rego: |
  package labels

  violation[{"msg": "matches"}] {
    re_match("^w", input.review.object.metadata.name)
    any([false, true])
    set_diff({1, 2}, {2}) == {1}
  }
`), demand("all", onPods), create, []string{"deny Labels/all: matches"}},
		"Parameters": {template("v1", labelled), demand("all", onPods+"\nparameters: {label: owner}"), create, []string{"deny Labels/all: web has no label owner"}},
		"DefaultsHoweverDeep": {template("v1", `
rego: |
  package labels

  violation[{"msg": m.name}] { m := input.parameters.more[_]; m.needed }
`), demand("all", onPods+"\nparameters: {more: [{name: a}, {name: b, needed: false}]}"), create, []string{"deny Labels/all: a"}},
		"Warn":   {template("v1", labelled), demand("all", onPods+"\nenforcementAction: warn"), create, []string{"warn Labels/all: web has no label team"}},
		"Dryrun": {template("v1", labelled), demand("all", onPods+"\nenforcementAction: dryrun"), create, []string{"audit Labels/all: web has no label team"}},
		"ScopedToAdmission": {template("v1", labelled), demand("all", onPods+`
enforcementAction: scoped
scopedEnforcementActions:
- {action: warn, enforcementPoints: [{name: validation.gatekeeper.sh}]}
- {action: deny, enforcementPoints: [{name: audit.gatekeeper.sh}]}`), create, []string{"warn Labels/all: web has no label team"}},
		"ScopedToElsewhere": {template("v1", labelled), demand("all", onPods+`
enforcementAction: scoped
scopedEnforcementActions: [{action: deny, enforcementPoints: [{name: audit.gatekeeper.sh}]}]`), create, []string{}},
		"ADeletionHasItsObject": {template("v1", labelled), demand("all", onPods), asked(admissionv1.Delete, "Pod", bare), []string{"deny Labels/all: web has no label team"}},
		"OperationsOfTheTarget": {template("v1", labelled+"operations: [CREATE]\n"), demand("all", onPods), asked(admissionv1.Delete, "Pod", bare), []string{}},
		"AnotherKind":           {template("v1", labelled), demand("all", onPods), asked(admissionv1.Create, "Secret", bare), []string{}},
		"TheNamespaceItIsIn": {template("v1", `
rego: |
  package labels

  violation[{"msg": msg}] {
    ns := input.review.namespaceObject
    msg := sprintf("%v of %v, %v", [ns.metadata.labels.stage, ns.metadata.annotations.owner, input.review._unstable.namespace.metadata.name])
  }
`), demand("all", onPods), create, []string{"deny Labels/all: prod of me, shop"}},
		"Inventory": {template("v1", `
rego: |
  package labels

  violation[{"msg": msg}] {
    other := data.inventory.namespace[ns][_]["Ingress"][name]
    other.spec.rules[_].host == "shop.example.com"
    msg := sprintf("%v/%v has that host", [ns, name])
  }

  violation[{"msg": "the namespace is there"}] {
    data.inventory.cluster["v1"].Namespace.shop.metadata.labels.stage == "prod"
  }
`), demand("all", onPods), create, []string{"deny Labels/all: shop/front has that host", "deny Labels/all: the namespace is there"}},
		"InventoryByAPathThroughLists": {template("v1", `
rego: |
  package labels

  violation[{"msg": path}] {
    path := data.inventory.namespace.shop["networking.k8s.io/v1"].Ingress.front.spec.rules[_].http.paths[0].path
  }

  violation[{"msg": name}] {
    all := data.inventory.namespace.shop["networking.k8s.io/v1"].Ingress
    all[name].spec.rules[_].http.paths[_].backend.service.port.number == 80
  }

  violation[{"msg": "beyond"}] { data.inventory.namespace.shop["networking.k8s.io/v1"].Ingress.front.spec.rules[7] }
`), demand("all", onPods), create, []string{"deny Labels/all: /", "deny Labels/all: front"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := mustForeign(t, map[string]string{"t.yaml": tc.template, "c.yaml": tc.constraint})
			s := there(t, shop+`---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: front, namespace: shop}
spec: {rules: [{host: shop.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
`)
			if diff := cmp.Diff(tc.want, said(t, e, s, tc.request, guardrail.Admission)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// One template says something else at each door, and is one guardrail by its name.
func TestAScopedConstraintDiffersByDoor(t *testing.T) {
	e := mustForeign(t, map[string]string{"t.yaml": template("v1", labelled), "c.yaml": demand("all", onPods+`
enforcementAction: scoped
scopedEnforcementActions:
- {action: warn, enforcementPoints: [{name: "*"}]}
- {action: deny, enforcementPoints: [{name: audit.gatekeeper.sh}, {name: vap.k8s.io}]}`)})
	for origin, action := range map[guardrail.Origin]string{guardrail.Admission: "warn", guardrail.CLI: "warn", guardrail.Audit: "deny"} {
		want := []string{action + " Labels/all: web has no label team"}
		if diff := cmp.Diff(want, said(t, e, there(t, shop), asked(admissionv1.Create, "Pod", bare), origin)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", origin, diff)
		}
	}
	if diff := cmp.Diff([]string{"Labels/all"}, e.Guardrails()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestWhatAConstraintMatches(t *testing.T) {
	pod := func(name, namespace, labels string) string {
		return fmt.Sprintf(`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": %q, "namespace": %q, "labels": {%s}}}`, name, namespace, labels)
	}
	ns := func(name, labels string) string {
		return fmt.Sprintf(`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": %q, "labels": {%s}}}`, name, labels)
	}
	for name, tc := range map[string]struct {
		match, kind, object string
		want                bool
	}{
		"Nothing":                       {"{}", "Pod", bare, true},
		"AnyKind":                       {`{kinds: [{apiGroups: ["*"], kinds: ["*"]}]}`, "Pod", bare, true},
		"AnotherGroup":                  {`{kinds: [{apiGroups: [apps], kinds: [Pod]}]}`, "Pod", bare, false},
		"ASecondEntry":                  {`{kinds: [{apiGroups: [apps], kinds: [Deployment]}, {apiGroups: [""], kinds: [Pod]}]}`, "Pod", bare, true},
		"Namespaced":                    {"{scope: Namespaced}", "Pod", bare, true},
		"Cluster":                       {"{scope: Cluster}", "Pod", bare, false},
		"ANamespaceIsOfTheCluster":      {"{scope: Cluster}", "Namespace", ns("shop", ""), true},
		"ANamespaceIsNotNamespaced":     {"{scope: Namespaced}", "Namespace", ns("shop", ""), false},
		"Namespaces":                    {"{namespaces: [shop]}", "Pod", bare, true},
		"OtherNamespaces":               {"{namespaces: [bank]}", "Pod", bare, false},
		"NamespacesByPrefix":            {"{namespaces: [sh*]}", "Pod", bare, true},
		"NamespacesBySuffix":            {"{namespaces: ['*op']}", "Pod", bare, true},
		"NamespacesByPart":              {"{namespaces: ['*ho*']}", "Pod", bare, true},
		"ANamespaceByItsOwnName":        {"{namespaces: [shop]}", "Namespace", ns("shop", ""), true},
		"Excluded":                      {"{excludedNamespaces: [sh*]}", "Pod", bare, false},
		"NotExcluded":                   {"{excludedNamespaces: [kube-*]}", "Pod", bare, true},
		"LabelSelector":                 {"{labelSelector: {matchLabels: {app: web}}}", "Pod", pod("web", "shop", `"app": "web"`), true},
		"LabelSelectorOfOthers":         {"{labelSelector: {matchExpressions: [{key: app, operator: NotIn, values: [web]}]}}", "Pod", pod("web", "shop", `"app": "web"`), false},
		"NamespaceSelector":             {"{namespaceSelector: {matchLabels: {stage: prod}}}", "Pod", bare, true},
		"NamespaceSelectorOfOthers":     {"{namespaceSelector: {matchLabels: {stage: test}}}", "Pod", bare, false},
		"NamespaceSelectorOfANamespace": {"{namespaceSelector: {matchLabels: {stage: new}}}", "Namespace", ns("x", `"stage": "new"`), true},
		"Name":                          {"{name: web}", "Pod", bare, true},
		"NameByPrefix":                  {"{name: db*}", "Pod", bare, false},
		"Original":                      {"{source: Original}", "Pod", bare, true},
		"Generated":                     {"{source: Generated}", "Pod", bare, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := mustForeign(t, map[string]string{"t.yaml": template("v1", labelled), "c.yaml": demand("all", "match: "+tc.match)})
			got := said(t, e, there(t, shop), asked(admissionv1.Create, tc.kind, tc.object), guardrail.Admission)
			if (len(got) > 0) != tc.want {
				t.Errorf("matched: %t, want %t", !tc.want, tc.want)
			}
		})
	}
}

// What cannot mean what it says is an error with its place, and never a constraint less.
func TestWhatIsWrongWithTemplatesAndConstraints(t *testing.T) {
	rego := func(body string) string {
		return "rego: |\n  package labels\n\n  " + strings.ReplaceAll(body, "\n", "\n  ") + "\n"
	}
	for name, tc := range map[string]struct {
		files map[string]string
		want  string
	}{
		"ABuiltinOutsideOfTheSandbox": {
			map[string]string{"t.yaml": template("v1", rego("violation[{\"msg\": \"x\"}] {\n  http.send({\"method\": \"get\", \"url\": \"http://192.0.2.1\"})\n}"))},
			"gk/t.yaml:28: http.send is not in the sandbox: no evaluation reaches the network, a clock or the process",
		},
		"ExternalData": {
			map[string]string{"t.yaml": template("v1", rego("violation[{\"msg\": \"x\"}] { external_data({\"provider\": \"p\", \"keys\": []}) }"))},
			"gk/t.yaml:27: external_data is not in the sandbox: no provider is asked",
		},
		"OnlyCEL": {
			map[string]string{"t.yaml": template("v1", "code:\n- engine: K8sNativeValidation\n  source: {validations: [{expression: \"true\"}]}\n")},
			"gk/t.yaml:25: spec.targets[0].code: Labels has no Rego, but code for K8sNativeValidation, which is not evaluated here",
		},
		"AConstraintWithoutATemplate": {
			map[string]string{"c.yaml": demand("all", onPods)},
			"gk/c.yaml:2: kind: there is no ConstraintTemplate of kind Labels beside it; there are: none",
		},
		"TwoTemplatesOfOneKind": {
			map[string]string{"t.yaml": template("v1", labelled), "u.yaml": template("v1", labelled)},
			"gk/u.yaml:4: metadata.name: there is a template of kind Labels already, at gk/t.yaml:1",
		},
		"TwoConstraintsOfOneName": {
			map[string]string{"t.yaml": template("v1", labelled), "c.yaml": demand("all", onPods), "d.yaml": demand("all", onPods)},
			"gk/d.yaml:3: metadata.name: there is a constraint Labels/all already, at gk/c.yaml:1",
		},
		"AMisspeltField": {
			map[string]string{"t.yaml": template("v1", labelled), "c.yaml": demand("all", "match: {kind: [Pod]}")},
			"gk/c.yaml:5: spec.match.kind: unknown field; known here: source, kinds, scope",
		},
		"AMisspeltParameter": {
			map[string]string{"t.yaml": template("v1", labelled), "c.yaml": demand("all", "parameters: {lable: x}")},
			"gk/c.yaml:5: spec.parameters.lable: unknown field",
		},
		"AMistypedParameter": {
			map[string]string{"t.yaml": template("v1", labelled), "c.yaml": demand("all", "parameters: {label: [x]}")},
			"gk/c.yaml:5: spec.parameters.label: got array, want string",
		},
		"AnUnknownAction": {
			map[string]string{"t.yaml": template("v1", labelled), "c.yaml": demand("all", "enforcementAction: block")},
			`gk/c.yaml:5: spec.enforcementAction: got "block", want deny, warn, dryrun or scoped`,
		},
		"AnUnknownPoint": {
			map[string]string{"t.yaml": template("v1", labelled), "c.yaml": demand("all", "enforcementAction: scoped\nscopedEnforcementActions: [{action: deny, enforcementPoints: [{name: webhook}]}]")},
			`gk/c.yaml:6: spec.scopedEnforcementActions[0].enforcementPoints[0].name: got "webhook", want validation.gatekeeper.sh`,
		},
		"AWildcardInTheMiddle": {
			map[string]string{"t.yaml": template("v1", labelled), "c.yaml": demand("all", "match: {namespaces: [a*b]}")},
			`gk/c.yaml:5: spec.match.namespaces[0]: "a*b" is no name of a namespace`,
		},
		"AGroupThatThereIsNot": {
			map[string]string{"c.yaml": strings.Replace(demand("all", onPods), "constraints.gatekeeper.sh", "constraint.gatekeeper.sh", 1)},
			`gk/c.yaml:1: apiVersion: got "constraint.gatekeeper.sh/v1beta1": Gatekeeper has no such group`,
		},
		"AMisspeltGroup": {
			map[string]string{"t.yaml": template("v1", labelled), "c.yaml": strings.Replace(demand("all", onPods), "constraints.gatekeeper.sh", "constraints.gatekeper.sh", 1)},
			`gk/c.yaml:1: apiVersion: got "constraints.gatekeper.sh/v1beta1": Gatekeeper has no such group; did you mean constraints.gatekeeper.sh?`,
		},
		"AMisspeltGroupOfTheTemplate": {
			map[string]string{"c.yaml": demand("all", onPods), "t.yaml": strings.Replace(template("v1", labelled), "templates.gatekeeper.sh", "template.gatekeper.sh", 1)},
			`gk/t.yaml:1: apiVersion: got "template.gatekeper.sh/v1": Gatekeeper has no such group; did you mean templates.gatekeeper.sh?`,
		},
		"AMisspeltGroupOfASuite": {
			map[string]string{"s.yaml": "kind: Suite\napiVersion: tst.gatekeper.sh/v1alpha1\n"},
			`gk/s.yaml:2: apiVersion: got "tst.gatekeper.sh/v1alpha1": Gatekeeper has no such group; did you mean test.gatekeeper.sh?`,
		},
		"NoRuleThatReports": {
			map[string]string{"t.yaml": template("v1", rego("deny[{\"msg\": \"x\"}] { true }"))},
			"gk/t.yaml:23: spec.targets[0]: Labels reports nothing: its Rego has no rule violation in package labels",
		},
		"SyntaxOfTheOtherVersion": {
			map[string]string{"t.yaml": template("v1", rego("violation contains {\"msg\": \"x\"} if true"))},
			"gk/t.yaml:27: ",
		},
		"AKindThatTheModelDoesNotHold": {
			map[string]string{"t.yaml": template("v1", rego("violation[{\"msg\": \"x\"}] {\n  data.inventory.cluster[\"storage.k8s.io/v1\"].StorageClass[_]\n}")), "c.yaml": demand("all", onPods)},
			"gk/t.yaml:28: Labels reads data.inventory: the model holds no storage.k8s.io/v1 StorageClass, but: ",
		},
		"AVersionThatTheModelDoesNotHold": {
			map[string]string{"t.yaml": template("v1", rego("violation[{\"msg\": \"x\"}] { data.inventory.namespace[_][\"extensions/v1beta1\"].Ingress[_] }")), "c.yaml": demand("all", onPods)},
			"gk/t.yaml:27: Labels reads data.inventory: the model holds Ingress as networking.k8s.io/v1, not as extensions/v1beta1",
		},
		"InventoryAsAWhole": {
			map[string]string{"t.yaml": template("v1", rego("violation[{\"msg\": \"x\"}] {\n  all := data.inventory.namespace[\"shop\"]\n  all[_][_]\n}")), "c.yaml": demand("all", onPods)},
			"gk/t.yaml:28: data.inventory.namespace.shop is read as a whole: name the kind",
		},
		"DataThatThereIsNot": {
			map[string]string{"t.yaml": template("v1", rego("violation[{\"msg\": \"x\"}] { data.other.thing }"))},
			"gk/t.yaml:27: data.other.thing: a template can read data.inventory, data.lib and its own package",
		},
		"NothingAtAll": {
			map[string]string{"t.yaml": template("v1", labelled)},
			"c.yaml:3: guardrails: is empty, and there is no constraint either; without a guardrail everything would pass",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := foreign(t, tc.files)
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("got  %v\nwant %s...", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "map[") {
				t.Errorf("%v has Go in it", err)
			}
		})
	}
}

// A kind that is only known in an evaluation is refused there.
func TestAKindOfTheInventoryThatIsNotHeldIsNoAnswer(t *testing.T) {
	e := mustForeign(t, map[string]string{"t.yaml": template("v1", `
rego: |
  package labels

  violation[{"msg": "x"}] {
    data.inventory.namespace["shop"]["v1"][input.review.object.metadata.labels.kind][_]
  }
`), "c.yaml": demand("all", onPods)})
	s := there(t, shop)
	ask := func(kind string) error {
		object := strings.Replace(bare, `"namespace": "shop"`, `"namespace": "shop", "labels": {"kind": "`+kind+`"}`, 1)
		_, err := e.Evaluate(t.Context(), guardrail.Review{Request: asked(admissionv1.Create, "Pod", object), Before: s, After: s, Origin: guardrail.Admission})
		return err
	}
	if err := ask("Pod"); err != nil {
		t.Errorf("a kind that is held: %v", err)
	}
	if err := ask("Secret"); err == nil || !strings.Contains(err.Error(), "the model holds no v1 Secret") {
		t.Errorf("a kind that is not held: %v, want an error that names it", err)
	}
}

// An evaluation without end is cut, and is an error of the guardrail, which is a denial.
func TestATemplateWithoutEndIsCut(t *testing.T) {
	e := mustForeign(t, map[string]string{"t.yaml": template("v1", `
rego: |
  package labels

  violation[{"msg": "x"}] {
    numbers.range(1, 1000000)[i]
    numbers.range(1, 1000000)[j]
    i + j == -1
  }
`), "c.yaml": demand("all", onPods)})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	s := there(t, shop)
	_, err := e.Evaluate(ctx, guardrail.Review{Request: asked(admissionv1.Create, "Pod", bare), Before: s, After: s, Origin: guardrail.Admission})
	if err == nil || !strings.HasPrefix(err.Error(), "guardrail Labels/all: ") {
		t.Errorf("got %v, want an error of Labels/all", err)
	}
}

// The namespace's labels are not known: in doubt nothing passes.
func TestANamespaceSelectorNeedsTheNamespace(t *testing.T) {
	e := mustForeign(t, map[string]string{"t.yaml": template("v1", labelled), "c.yaml": demand("all", "match: {namespaceSelector: {matchLabels: {stage: prod}}}")})
	s, err := cluster.New()
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Evaluate(t.Context(), guardrail.Review{Request: asked(admissionv1.Create, "Pod", bare), Before: s, After: s, Origin: guardrail.Admission})
	if err == nil || !strings.Contains(err.Error(), "namespace shop: its labels cannot be matched") {
		t.Errorf("got %v, want that the labels of the namespace are not known", err)
	}
}

// What is written for Gatekeeper and does less than it says is told.
func TestWhatGatekeepersFilesDoNotDoIsTold(t *testing.T) {
	folder := fstest.MapFS{"t.yaml": {Data: []byte(template("v1", labelled))}}
	l, err := guardrail.LoadLibrary(guardrail.Source{Name: "gk", FS: folder})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"gk/t.yaml:1: no constraint uses the template Labels: it judges nothing"}, l.Idle()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	e := mustForeign(t, map[string]string{
		"t.yaml": template("v1", labelled),
		"a.yaml": demand("any", "match: {}"),
		"c.yaml": demand("secrets", `match: {kinds: [{apiGroups: [""], kinds: [Pod, Secret]}]}`),
		"d.yaml": demand("pods", onPods),
	})
	want := []string{
		"gk/a.yaml:1: constraint Labels/any matches kinds of any name, and is asked only about those that the webhook is registered for",
		"gk/c.yaml:1: constraint Labels/secrets matches Secret, about which the chart's webhook is not asked: it is enforced for these only with a rule of its own",
	}
	if diff := cmp.Diff(want, e.Beyond(func(k schema.GroupKind) bool { return k.Kind == "Pod" })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
