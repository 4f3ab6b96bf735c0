package guardrail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

var today = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// review is an admission review of one object that is created (before nil),
// deleted (after nil) or updated.
func review(t testing.TB, s *cluster.Snapshot, before, after runtime.Object) Review {
	t.Helper()
	r := Review{Request: &admissionv1.AdmissionRequest{UID: "u"}, Before: s, Origin: Admission, Time: today}
	r.Request.Operation = admissionv1.Create
	object := after
	if before != nil {
		r.Request.Operation, r.Request.OldObject, r.Change.Before = admissionv1.Update, raw(t, before), clustertest.Stored(t, before)
	}
	if after != nil {
		r.Request.Object, r.Change.After = raw(t, after), clustertest.Stored(t, after)
	} else {
		r.Request.Operation, object = admissionv1.Delete, before
	}
	meta := object.(metav1.Object)
	r.Request.Kind.Kind = r.Change.Ref().Kind
	r.Request.Namespace, r.Request.Name = meta.GetNamespace(), meta.GetName()
	r.After = clustertest.Apply(t, s, r.Change)
	return r
}

func raw(t testing.TB, o runtime.Object) runtime.RawExtension {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return runtime.RawExtension{Raw: text}
}

// engine has guardrails whose bodies a test writes, all with the same action.
func engine(t testing.TB, action Action, bodies map[string]string) *Engine {
	t.Helper()
	files, config := map[string]string{}, "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n"
	for name, body := range bodies {
		files[name+".rego"] = metadata + "package guardrails." + strings.ReplaceAll(name, "-", "_") + "\n" + body
		config += fmt.Sprintf("- {name: %s, guardrail: %s, action: %s}\n", name, name, action)
	}
	l, err := library(files)
	if err != nil {
		t.Fatal(err)
	}
	e, err := configure("c", config, l)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// anyPod is a review that says nothing by itself.
func anyPod(t testing.TB) Review {
	t.Helper()
	return review(t, clustertest.Snapshot(t, clustertest.Namespace("shop", "team=web")), nil, clustertest.Pod("shop/a", clustertest.Labels("app=a")))
}

func messages(d Decision) []string {
	var out []string
	for _, v := range d.Violations {
		out = append(out, fmt.Sprintf("%s %s: %s", v.Action, v.Guardrail, v.Message))
	}
	return out
}

func TestBothFormsOfReporting(t *testing.T) {
	e := engine(t, Deny, map[string]string{
		"gatekeeper": `violation contains {"msg": "v", "details": {"a": 1}} if input.review.kind.kind == "Pod"`,
		"conftest":   "deny contains \"string\"\ndeny contains {\"msg\": \"object\"}\ndeny_more contains \"suffix\"\nwarn contains \"only a warning\"\n",
	})
	d, err := e.Evaluate(context.Background(), anyPod(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"deny conftest: object", "warn conftest: only a warning", "deny conftest: string", "deny conftest: suffix", "deny gatekeeper: v"}
	if diff := cmp.Diff(want, messages(d)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := fmt.Sprint(d.Violations[4].Details); got != "map[a:1]" {
		t.Errorf("details = %s", got)
	}
}

func TestAWarnRuleNeverStrengthensTheAction(t *testing.T) {
	for _, action := range []Action{Warn, AuditOnly} {
		d, err := engine(t, action, map[string]string{"a": "warn contains \"w\"\ndeny contains \"d\"\n"}).Evaluate(context.Background(), anyPod(t))
		if err != nil || d.Denied() || len(d.With(action)) != 2 {
			t.Errorf("action %s: %v, %v", action, messages(d), err)
		}
	}
}

func TestAGuardrailThatCannotAnswerIsAnError(t *testing.T) {
	for name, c := range map[string]struct{ body, mentioned string }{
		"builtin-error":     {`violation contains "x" if to_number("a") == 1`, "to_number"},
		"our-builtin-error": {`violation contains "x" if count(netpol.opened(object.union({"from": {}}, {}))) > 0`, "from and to"},
		"misspelt-question": {`violation contains "x" if count(netpol.open(object.union({"from": {"podSelecter": {}}, "to": {}}, {}))) > 0`, "podSelecter"},
		"bad-scope":         {`violation contains "x" if count(netpol.open(object.union({"from": {}, "to": {}, "scope": "imaginary"}, {}))) > 0`, "scope"},
		"isolation-nowhere": {`violation contains "x" if count(netpol.isolation({})) > 0`, "namespace: missing"},
		"selects-null":      {`violation contains "x" if netpol.selects(input.request.oldObject)`, "want a NetworkPolicy"},
		"divide-by-zero":    {`violation contains "x" if 1 / (count(input.request.uid) - 1) > 0`, "divide by zero"},
		"conflict":          {"violation contains \"x\" if p\np := true if true\np := false if input.request.uid\n", "produced conflicting values"},
		"message-missing":   {`violation contains {"message": "x"}`, "no msg"},
		"message-is-number": {`violation contains 7`, "no msg"},
		"message-empty":     {`violation contains {"msg": ""}`, "no msg"},
		"bad-regex":         {`violation contains "x" if regex.match(concat("", ["(", input.request.uid]), "a")`, "regex"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := engine(t, Deny, map[string]string{name: c.body}).Evaluate(context.Background(), anyPod(t))
			var f Failure
			if !errors.As(err, &f) || f.Guardrail != name || !strings.Contains(err.Error(), c.mentioned) {
				t.Errorf("action deny: error %v, want one of guardrail %s about %q", err, name, c.mentioned)
			}
			if len(d.Violations) > 0 {
				t.Errorf("violations %v beside the error", messages(d))
			}
			for _, action := range []Action{Warn, AuditOnly} {
				d, err = engine(t, action, map[string]string{name: c.body}).Evaluate(context.Background(), anyPod(t))
				if err != nil || d.Denied() || len(d.Failures) != 1 || d.Failures[0].Guardrail != name || d.Failures[0].Action != action {
					t.Errorf("action %s: error %v, failures %v, want one failure and no error", action, err, d.Failures)
				}
			}
		})
	}
}

func TestOthersAreHeardWhenOneFails(t *testing.T) {
	d, err := engine(t, Deny, map[string]string{"broken": `violation contains "x" if to_number("a")`, "fine": `violation contains "seen"`}).Evaluate(context.Background(), anyPod(t))
	if err == nil || strings.Contains(err.Error(), "fine") {
		t.Errorf("error = %v, want that of broken alone", err)
	}
	if diff := cmp.Diff([]string{"deny fine: seen"}, messages(d)); diff != "" {
		t.Error(diff)
	}
}

func TestHostileGuardrailsEndAtTheDeadline(t *testing.T) {
	for name, body := range map[string]string{
		"huge-range":         `violation contains "x" if count(numbers.range(1, 100000000)) == 1`,
		"huge-comprehension": `violation contains "x" if count([1 | some a in numbers.range(1, 10000); some b in numbers.range(1, 10000); a + b == 0]) == 1`,
		"many-solutions":     `violation contains "x" if { some a in numbers.range(1, 3000); some b in numbers.range(1, 3000); some c in numbers.range(1, 3000); a + b + c == 0 }`,
		"deep-walk":          `violation contains "x" if { some a in numbers.range(1, 100000); walk(input, [_, v]); v == a }`,
	} {
		t.Run(name, func(t *testing.T) {
			const limit = 300 * time.Millisecond
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			started := time.Now()
			_, err := engine(t, Deny, map[string]string{name: body}).Evaluate(ctx, anyPod(t))
			if took := time.Since(started); took > limit+2*time.Second {
				t.Errorf("took %s", took)
			}
			var f Failure
			if !errors.As(err, &f) || f.Guardrail != name || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error = %v, want the deadline's, of guardrail %s", err, name)
			}
		})
	}
}

func TestAnEndedContextIsAnErrorOfEveryGuardrail(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := engine(t, Deny, map[string]string{"a": `violation contains "x" if false`, "b": `violation contains "x" if count(netpol.open({"from": {}, "to": {}})) > 1`}).Evaluate(ctx, anyPod(t))
	if err == nil || !strings.Contains(err.Error(), "guardrail a") || !strings.Contains(err.Error(), "guardrail b") {
		t.Errorf("error = %v", err)
	}
}

func TestAPanicIsAnError(t *testing.T) {
	r := anyPod(t)
	r.After = nil
	_, err := engine(t, Deny, map[string]string{"a": `violation contains "x" if count(netpol.open({"from": {}, "to": {}})) > 0`}).Evaluate(context.Background(), r)
	if err == nil || !strings.Contains(err.Error(), "guardrail a") {
		t.Errorf("error = %v", err)
	}
}

func TestAMessageIsCutAtItsLimit(t *testing.T) {
	d, err := engine(t, Deny, map[string]string{"a": `violation contains concat("", ["ä" | some x in numbers.range(1, 9000)])`}).Evaluate(context.Background(), anyPod(t))
	if err != nil {
		t.Fatal(err)
	}
	if m := d.Violations[0].Message; len(m) > maxMessageBytes || !strings.HasSuffix(m, "ä…") {
		t.Errorf("%d bytes, ends with %q", len(m), m[len(m)-8:])
	}
}

func TestMoreThanTwentyViolations(t *testing.T) {
	d, err := engine(t, Deny, map[string]string{"a": `violation contains format_int(x, 10) if some x in numbers.range(100, 124)`}).Evaluate(context.Background(), anyPod(t))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(d.DenialMessage(), "\n")
	if len(lines) != 22 || lines[0] != "1 guardrail denies this change to Pod shop/a:" || lines[1] != "[a] 100" || lines[20] != "[a] 119" || lines[21] != "and 5 more" {
		t.Errorf("message:\n%s", d.DenialMessage())
	}
}

func TestRepeatsAreToldOnce(t *testing.T) {
	d, err := engine(t, Deny, map[string]string{"a": "violation contains {\"msg\": \"same\", \"details\": x} if some x in [1, 2]\ndeny contains \"same\"\n"}).Evaluate(context.Background(), anyPod(t))
	if err != nil || len(d.Violations) != 1 {
		t.Errorf("%v, %v, want one violation", messages(d), err)
	}
}

func TestMatch(t *testing.T) {
	s := clustertest.Snapshot(t, clustertest.Namespace("shop", "team=web"), clustertest.Namespace("lab", "team=data"))
	shop := review(t, s, nil, clustertest.Pod("shop/a"))
	lab := review(t, s, nil, clustertest.Pod("lab/a"))
	netpol := review(t, s, nil, clustertest.Netpol("shop/a", "{podSelector: {}}"))
	namespace := review(t, s, nil, clustertest.Namespace("shop", "team=web", "a=b"))
	nowhere := review(t, s, nil, clustertest.Pod("nowhere/a"))
	fromFile := review(t, s, nil, clustertest.Pod("nowhere/a"))
	fromFile.Origin = CLI
	for name, c := range map[string]struct {
		match string
		yes   []Review
		no    []Review
		err   []Review
	}{
		"everything":          {"{}", []Review{shop, lab, netpol, namespace, nowhere}, nil, nil},
		"kinds":               {"{kinds: [Pod]}", []Review{shop, lab}, []Review{netpol, namespace}, nil},
		"namespaces":          {"{namespaces: [shop]}", []Review{shop, netpol, namespace}, []Review{lab, nowhere}, nil},
		"excluded namespaces": {"{excludedNamespaces: [shop]}", []Review{lab, nowhere}, []Review{shop, netpol, namespace}, nil},
		"namespace selector":  {"{namespaceSelector: {matchLabels: {team: web}}}", []Review{shop, netpol, namespace, fromFile}, []Review{lab}, []Review{nowhere}},
		"by the name":         {"{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}", []Review{shop}, []Review{lab, fromFile}, []Review{nowhere}},
		"by what it is after": {"{namespaceSelector: {matchLabels: {a: b}}}", []Review{namespace}, []Review{shop}, nil},
		"empty selector":      {"{namespaceSelector: {}}", []Review{shop, lab, nowhere}, nil, nil},
		"both":                {"{namespaces: [shop], kinds: [NetworkPolicy]}", []Review{netpol}, []Review{shop, namespace}, nil},
	} {
		l, err := library(map[string]string{"a.rego": metadata + "package guardrails.a\nviolation contains \"x\"\n"})
		if err != nil {
			t.Fatal(err)
		}
		e, err := configure("c", "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails: [{name: a, guardrail: a, action: deny, match: "+c.match+"}]\n", l)
		if err != nil {
			t.Fatal(err)
		}
		ask := func(list []Review, violations int, wantErr bool) {
			t.Helper()
			for _, r := range list {
				d, err := e.Evaluate(context.Background(), r)
				if len(d.Violations) != violations || (err != nil) != wantErr {
					t.Errorf("%s: %s: %v, %v; want %d violations, an error: %t", name, r.Subject(), messages(d), err, violations, wantErr)
				}
			}
		}
		ask(c.yes, 1, false)
		ask(c.no, 0, false)
		ask(c.err, 0, true)
	}
}

func TestExclude(t *testing.T) {
	l := embedded(t)
	e, err := configure("c", string(DefaultConfig), l)
	if err != nil {
		t.Fatal(err)
	}
	s := clustertest.Snapshot(t)
	d, err := e.Evaluate(context.Background(), review(t, s, nil, clustertest.Pod("kube-system/a")))
	if err != nil || len(d.Violations) > 0 || len(d.Evaluated) > 0 {
		t.Errorf("in an excluded namespace: %v, %v", messages(d), err)
	}
	d, err = e.Evaluate(context.Background(), review(t, s, nil, clustertest.Pod("shop/a")))
	if err != nil || !d.Denied() {
		t.Errorf("elsewhere: %v, %v", messages(d), err)
	}
}

func TestExemptions(t *testing.T) {
	e, err := configure("c", string(DefaultConfig)+`
exemptions:
- {name: window, guardrails: [default-deny], reason: ticket, expires: 2026-11-24, match: {namespaces: [legacy]}}
`, embedded(t))
	if err != nil {
		t.Fatal(err)
	}
	s := clustertest.Snapshot(t)
	for _, c := range []struct {
		object   string
		time     time.Time
		exempted bool
	}{
		{"legacy/a", today, true},
		{"legacy/a", time.Date(2026, 11, 24, 23, 59, 59, 0, time.UTC), true},
		{"legacy/a", time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC), false},
		{"shop/a", today, false},
	} {
		r := review(t, s, nil, clustertest.Pod(c.object))
		r.Time = c.time
		d, err := e.Evaluate(context.Background(), r)
		if err != nil || d.Denied() == c.exempted || (len(d.Exempted) == 1) != c.exempted {
			t.Errorf("%s at %s: denied %t, exempted %v, error %v", c.object, c.time, d.Denied(), d.Exempted, err)
		}
		if c.exempted && (d.Exempted[0].Exemption != "window" || d.Exempted[0].Reason != "ticket") {
			t.Errorf("exempted by %+v", d.Exempted[0])
		}
	}
}

func TestAnUpdateThatChangesNothingReadIsNotEvaluated(t *testing.T) {
	e := engine(t, Deny, map[string]string{
		"paths":       `violation contains "p" if count(netpol.opened({"from": {}, "to": {}})) >= 0`,
		"annotations": `violation contains "a" if input.request.object.metadata.name`,
	})
	plain := clustertest.Pod("shop/a", clustertest.Labels("app=a"))
	annotated, touched, relabelled := plain.DeepCopy(), plain.DeepCopy(), plain.DeepCopy()
	annotated.Annotations = map[string]string{"note": "hi"}
	touched.ResourceVersion, touched.ManagedFields = "7", []metav1.ManagedFieldsEntry{{Manager: "m"}}
	relabelled.Labels = map[string]string{"app": "b"}
	s := clustertest.Snapshot(t, plain)
	for _, c := range []struct {
		reason string
		after  runtime.Object
		want   []string
	}{
		{"nothing", plain, nil},
		{"what every write touches", touched, nil},
		{"annotations", annotated, []string{"annotations"}},
		{"labels", relabelled, []string{"annotations", "paths"}},
	} {
		d, err := e.Evaluate(context.Background(), review(t, s, plain, c.after))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, name := range []string{"annotations", "paths"} {
			if strings.Contains(strings.Join(d.Evaluated, " "), name) {
				got = append(got, name)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("an update of %s asks (-want +got):\n%s", c.reason, diff)
		}
	}
}

func TestTheSameReviewGetsTheSameDecision(t *testing.T) {
	var objects []runtime.Object
	for i := range 12 {
		objects = append(objects, clustertest.Deployment(fmt.Sprintf("shop/d%d", i), clustertest.Labels(fmt.Sprintf("app=d%d", i), "tier=frontend")))
	}
	objects = append(objects, clustertest.Deployment("shop/db", clustertest.Labels("tier=db")), clustertest.Netpol("shop/deny", "{podSelector: {}, policyTypes: [Ingress, Egress]}"))
	config := string(DefaultConfig) + `
- name: paths
  guardrail: forbidden-paths
  action: warn
  parameters: {from: {podSelector: {matchLabels: {tier: frontend}}}, to: {podSelector: {matchLabels: {tier: db}}}}
`
	var first string
	for range 50 {
		e, err := configure("c", config, embedded(t))
		if err != nil {
			t.Fatal(err)
		}
		d, err := e.Evaluate(context.Background(), review(t, clustertest.Snapshot(t, objects...), objects[13], nil))
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = string(text)
			if len(d.Violations) != 2 || d.Count() != 25 {
				t.Fatalf("%d violations about %d, want one of 13 without isolation and one of 12 paths", len(d.Violations), d.Count())
			}
		}
		if string(text) != first {
			t.Fatal(cmp.Diff(first, string(text)))
		}
	}
}

func TestTheMessageOfTheDesign(t *testing.T) {
	e, err := configure("c", `
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- name: frontend-never-reaches-db
  guardrail: forbidden-paths
  action: deny
  parameters: {from: {podSelector: {matchLabels: {tier: frontend}}}, to: {podSelector: {matchLabels: {tier: db}}}}
- name: web-never-reaches-db
  guardrail: forbidden-paths
  action: deny
  parameters: {from: {podSelector: {matchLabels: {app: web}}}, to: {podSelector: {matchLabels: {tier: db}}}}
`, embedded(t))
	if err != nil {
		t.Fatal(err)
	}
	s := clustertest.Snapshot(t,
		clustertest.Deployment("shop/web", clustertest.Labels("app=web", "tier=frontend")),
		clustertest.StatefulSet("shop/db", clustertest.Labels("tier=db")),
		clustertest.Netpol("shop/default-deny", "{podSelector: {}, policyTypes: [Ingress]}"))
	d, err := e.Evaluate(context.Background(), review(t, s, nil, clustertest.Netpol("shop/allow-all", "{podSelector: {}, ingress: [{ports: [{port: 5432}]}]}")))
	if err != nil {
		t.Fatal(err)
	}
	want := `2 guardrails deny this change to NetworkPolicy shop/allow-all:
[frontend-never-reaches-db] shop/Deployment/web could reach shop/StatefulSet/db on TCP 5432
  opened by: ingress rule 1 of NetworkPolicy shop/allow-all
  to fix: narrow that rule's from to the pods that need shop/StatefulSet/db
[web-never-reaches-db] shop/Deployment/web could reach shop/StatefulSet/db on TCP 5432
  opened by: ingress rule 1 of NetworkPolicy shop/allow-all
  to fix: narrow that rule's from to the pods that need shop/StatefulSet/db`
	if diff := cmp.Diff(want, d.DenialMessage()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWhatANetpolSelects(t *testing.T) {
	e := engine(t, Deny, map[string]string{"a": `violation contains {"msg": "s", "details": netpol.selects(input.request.object)}`})
	s := clustertest.Snapshot(t,
		clustertest.Deployment("shop/web", clustertest.Labels("app=web")),
		clustertest.Deployment("shop/db", clustertest.Labels("app=db"), clustertest.Port("postgres", 5432, "")),
		clustertest.Deployment("lab/db", clustertest.Labels("app=db")))
	d, err := e.Evaluate(context.Background(), review(t, s, nil, clustertest.Netpol("shop/n", `
podSelector: {matchLabels: {app: db}}
ingress:
- from: [{podSelector: {matchLabels: {app: web}}}]
  ports: [{port: postgres}, {port: 80, endPort: 90}]
- from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]
`)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(d.Violations[0].Details, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/selects.golden", string(got)+"\n")
}

// TestIndexingChangesNothing compares what guardrails answer with and without
// OPA's rule indexing, which has been wrong before (opa#8410, #9280).
func TestIndexingChangesNothing(t *testing.T) {
	e := engine(t, Deny, map[string]string{
		"kinds": "violation contains \"pod\" if input.request.kind.kind == \"Pod\"\n" +
			"violation contains \"netpol\" if input.request.kind.kind == \"NetworkPolicy\"\n" +
			"violation contains \"either\" if input.request.kind.kind in {\"Pod\", \"NetworkPolicy\"}\n" +
			"violation contains \"not created\" if input.request.operation in {\"UPDATE\", \"DELETE\"}\n",
	})
	shipped, err := configure("c", string(DefaultConfig)+`
- {name: paths, guardrail: forbidden-paths, action: deny, parameters: {from: {}, to: {podSelector: {matchLabels: {app: db}}}}}
`, embedded(t))
	if err != nil {
		t.Fatal(err)
	}
	deny := clustertest.Netpol("shop/deny", "{podSelector: {}, policyTypes: [Ingress, Egress]}")
	web := clustertest.Deployment("shop/web", clustertest.Labels("app=web"))
	s := clustertest.Snapshot(t, deny, web, clustertest.Deployment("shop/db", clustertest.Labels("app=db")))
	violations := 0
	for _, r := range []Review{
		review(t, s, nil, clustertest.Netpol("shop/all", "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}")),
		review(t, s, deny, clustertest.Netpol("shop/deny", "{podSelector: {}}")),
		review(t, s, deny, nil),
		review(t, s, nil, clustertest.Pod("shop/host", clustertest.HostNetwork())),
		review(t, s, web, clustertest.Deployment("shop/web", clustertest.Labels("app=new"))),
		review(t, s, nil, clustertest.Pod("lab/a", clustertest.Labels("app=db"))),
	} {
		for _, i := range append(e.current.Load().instances, shipped.current.Load().instances...) {
			value, err := (&input{review: &r}).value(true, i.parameters)
			if err != nil {
				t.Fatal(err)
			}
			ask := func(indexing bool) any {
				ctx := context.WithValue(context.Background(), evaluationKey{}, &evaluation{
					Review: &r, world: newWorld(newLane().newTurn(context.Background()), r.Before, r.After, connectivity.Options{}), answers: map[int][]answered{},
				})
				results, err := i.query.Eval(ctx, rego.EvalParsedInput(value), rego.EvalRuleIndexing(indexing), rego.EvalEarlyExit(indexing))
				if err != nil || len(results) != 1 {
					t.Fatalf("%s: %v, %v", i.Name, results, err)
				}
				answer, err := ast.JSON(results[0].Expressions[0].Value.(ast.Value))
				if err != nil {
					t.Fatal(err)
				}
				return answer
			}
			with := ask(true)
			if diff := cmp.Diff(ask(false), with); diff != "" {
				t.Errorf("%s of %s (-without +with indexing):\n%s", i.Name, r.Subject(), diff)
			}
			violations += len(with.([]any)[0].([]any))
		}
	}
	if violations < 10 {
		t.Errorf("only %d violations in all: this compares nothing", violations)
	}
}
