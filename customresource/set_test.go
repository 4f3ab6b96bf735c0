package customresource

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podcullis/podcullis/customresource/v1alpha1"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
)

var today = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

const (
	right = `{"from":{"podSelector":{"matchLabels":{"app":"web"}}},"to":{"podSelector":{"matchLabels":{"app":"db"}}}}`
	wrong = `{"form":{},"to":{"podSelector":{"matchLabels":{"app":"db"}}}}`
)

func newBase(t *testing.T) Base {
	t.Helper()
	l, err := guardrail.LoadLibrary(guardrail.Source{Name: guardrail.Embedded, FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	c, err := guardrail.ParseConfig("file.yaml", []byte(`
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- {name: kept, guardrail: default-deny, action: deny}
- {name: lent, guardrail: default-deny, action: deny, exemptible: true}
`))
	if err != nil {
		t.Fatal(err)
	}
	return Base{Library: l, Config: c}
}

// made is a Guardrail object of an age in days.
func made(name string, generation int64, parameters string, days int) *v1alpha1.Guardrail {
	return &v1alpha1.Guardrail{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Generation: generation, CreationTimestamp: metav1.NewTime(today.AddDate(0, 0, -days))},
		Spec: v1alpha1.GuardrailSpec{
			Guardrail: "forbidden-paths", Action: "deny", Exemptible: true, Parameters: &runtime.RawExtension{Raw: []byte(parameters)},
		},
	}
}

func of(list ...*v1alpha1.Guardrail) Objects { return Objects{Guardrails: list} }

func names(o Outcome) string {
	var out []string
	for _, in := range o.Instances {
		out = append(out, in.Name)
	}
	return strings.Join(out, " ")
}

// A broken one changes nothing: what was in force of it stays, until it is gone, or is right.
func TestABrokenOneChangesNothing(t *testing.T) {
	b, s := newBase(t), NewSet()
	first := s.Compose(b, of(made("web", 1, right, 1)), today)
	broken := s.Compose(b, of(made("web", 2, wrong, 1), made("new", 1, wrong, 1)), today)
	if names(broken) != "web" || broken.Digest() != first.Digest() {
		t.Errorf("in force after an update that is broken: %s", names(broken))
	}
	v := broken.Guardrails["web"]
	if v.Loaded.True || v.Ready.Reason != ReasonOlderInForce || v.InForce != 1 || v.Generation != 2 ||
		!strings.Contains(v.Loaded.Message, "spec.parameters.form: unknown field") {
		t.Errorf("verdict of the broken one: %+v", v)
	}
	if v := broken.Guardrails["new"]; v.Ready.Reason != ReasonInvalid || v.InForce != 0 {
		t.Errorf("verdict of one that never was right: %+v", v)
	}
	if again := s.Compose(b, of(made("web", 2, wrong, 1)), today); names(again) != "web" {
		t.Error("it is forgotten when it is looked at again")
	}
	if gone := s.Compose(b, of(), today); names(gone) != "" {
		t.Error("it stays in force when the object is gone")
	}
	if back := s.Compose(b, of(made("web", 2, wrong, 1)), today); names(back) != "" {
		t.Error("what was in force of an object that went counts for a new one")
	}
	if v := s.Compose(b, of(made("web", 3, right, 1)), today).Guardrails["web"]; !v.Ready.True || v.InForce != 3 {
		t.Errorf("verdict when it is right again: %+v", v)
	}
}

// Other Rego, or another file, in which nothing is right of what was in force is told; what
// comes with the object itself is not.
func TestWhatOtherRegoLosesIsTold(t *testing.T) {
	b, s := newBase(t), NewSet()
	if o := s.Compose(b, of(made("web", 1, right, 1)), today); len(o.Lost) > 0 {
		t.Fatalf("lost at first: %v", o.Lost)
	}
	l, err := guardrail.LoadLibrary(guardrail.Source{Name: "other", FS: fstest.MapFS{"other.rego": {Data: []byte("# METADATA\n# title: Other\n# description: Other\n# custom:\n#   severity: low\n#   kinds: [Pod]\npackage guardrails.other\n\nviolation contains {\"msg\": \"x\"} if input.request.name == \"x\"\n")}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*Base)
		object []*v1alpha1.Guardrail
		lost   string
	}{
		"OtherRego": {func(b *Base) { b.Library = l }, []*v1alpha1.Guardrail{made("web", 1, right, 1)}, "Guardrail web: spec.guardrail: "},
		"TheSame":   {func(*Base) {}, []*v1alpha1.Guardrail{made("web", 2, wrong, 1)}, ""},
		"TheNameIsOfTheFile": {func(b *Base) {
			c := *b.Config
			c.Guardrails = append(slices.Clone(c.Guardrails), guardrail.Instance{Name: "web", Guardrail: "default-deny", Action: guardrail.Deny})
			b.Config = &c
		}, []*v1alpha1.Guardrail{made("web", 1, right, 1)}, ""},
		"Gone":       {func(b *Base) { b.Library = l }, nil, ""},
		"AnotherOne": {func(b *Base) { b.Library = l }, []*v1alpha1.Guardrail{made("new", 1, right, 1)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			next, set := b, s.Clone()
			test.change(&next)
			o := set.Compose(next, of(test.object...), today)
			if text := strings.Join(o.Lost, "; "); (text == "") != (test.lost == "") || !strings.HasPrefix(text, test.lost) {
				t.Errorf("lost: %q, want %q", text, test.lost)
			}
			if back := s.Compose(b, of(made("web", 1, right, 1)), today); names(back) != "web" {
				t.Errorf("what was not taken left a trace: %v", back.Guardrails)
			}
		})
	}
}

func TestTheFileWins(t *testing.T) {
	b := newBase(t)
	loose := made("kept", 1, right, 1)
	loose.Spec.Action = "audit"
	o := NewSet().Compose(b, of(loose), today)
	if v := o.Guardrails["kept"]; v.Ready.Reason != ReasonNameTaken || len(o.Instances) != 0 {
		t.Errorf("verdict of one with a name of the file: %+v", v)
	}
}

// The oldest are in force, however many come.
func TestNobodyIsDisplaced(t *testing.T) {
	b := newBase(t)
	var all []*v1alpha1.Guardrail
	for i := range MaxGuardrails + 5 {
		all = append(all, made(fmt.Sprintf("g-%03d", i), 1, right, i))
	}
	o := NewSet().Compose(b, of(all...), today)
	if len(o.Instances) != MaxGuardrails {
		t.Errorf("%d are in force", len(o.Instances))
	}
	if v := o.Guardrails["g-000"]; v.Ready.Reason != ReasonTooMany {
		t.Errorf("verdict of the youngest: %+v", v)
	}
	giant := made("giant", 1, `{"from":{},"to":{"podSelector":{"matchLabels":{"app":"`+strings.Repeat("x", MaxSpecBytes)+`"}}}}`, 1)
	if v := NewSet().Compose(b, of(giant), today).Guardrails["giant"]; v.Loaded.True || !strings.Contains(v.Loaded.Message, "may have 65536") {
		t.Errorf("verdict of a giant: %+v", v)
	}
}

func TestObjectsDoNoMoreThanTheyMay(t *testing.T) {
	b := newBase(t)
	b.AtMost = guardrail.Warn
	audit := made("audit", 1, right, 1)
	audit.Spec.Action = "audit"
	o := NewSet().Compose(b, of(made("web", 1, right, 1), audit), today)
	if o.Instances[0].Action != guardrail.AuditOnly || o.Instances[1].Action != guardrail.Warn {
		t.Errorf("actions: %s, %s", o.Instances[0].Action, o.Instances[1].Action)
	}
	if v := o.Guardrails["web"]; !v.Ready.True || !strings.Contains(v.Ready.Message, "deny counts as warn") {
		t.Errorf("verdict: %+v", v)
	}
}

func TestExemptions(t *testing.T) {
	x := func(change func(*v1alpha1.Exemption)) *v1alpha1.Exemption {
		x := &v1alpha1.Exemption{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "move", Generation: 3},
			Spec:       v1alpha1.ExemptionSpec{Guardrails: []string{"web"}, Reason: "the move", Expires: "2026-11-28", RequestedBy: "alice"},
			Status:     v1alpha1.ExemptionStatus{Approval: &v1alpha1.Approval{By: "bob", Generation: 3}},
		}
		change(x)
		return x
	}
	for name, test := range map[string]struct {
		reason, message string
		change          func(*v1alpha1.Exemption)
	}{
		"Approved":            {ReasonInForce, "through 2026-11-28", func(*v1alpha1.Exemption) {}},
		"OfTheFile":           {ReasonInForce, "", func(x *v1alpha1.Exemption) { x.Spec.Guardrails = []string{"lent"} }},
		"NotExemptible":       {ReasonInvalid, "spec.guardrails[0]: guardrail kept is not exemptible", func(x *v1alpha1.Exemption) { x.Spec.Guardrails = []string{"kept"} }},
		"Unknown":             {ReasonInvalid, `spec.guardrails[1]: no guardrail is named "nothing"`, func(x *v1alpha1.Exemption) { x.Spec.Guardrails = []string{"web", "nothing"} }},
		"OfAConstraint":       {ReasonInvalid, `spec.guardrails[0]: no guardrail is named "K8sWanted/it"`, func(x *v1alpha1.Exemption) { x.Spec.Guardrails = []string{"K8sWanted/it"} }},
		"Forever":             {ReasonInvalid, "spec.expires: missing", func(x *v1alpha1.Exemption) { x.Spec.Expires = "" }},
		"NoDay":               {ReasonInvalid, "spec.expires", func(x *v1alpha1.Exemption) { x.Spec.Expires = "2026-02-31" }},
		"ByNobody":            {ReasonNotApproved, "", func(x *v1alpha1.Exemption) { x.Status.Approval = nil }},
		"ByAnEmptyName":       {ReasonNotApproved, "", func(x *v1alpha1.Exemption) { x.Status.Approval.By = "" }},
		"OfAnOlderGeneration": {ReasonChangedSince, "generation 2, and this is generation 3", func(x *v1alpha1.Exemption) { x.Status.Approval.Generation = 2 }},
		"OfALaterGeneration":  {ReasonChangedSince, "", func(x *v1alpha1.Exemption) { x.Status.Approval.Generation = 4 }},
		"ByWhoAsked":          {ReasonOwnApproval, "", func(x *v1alpha1.Exemption) { x.Status.Approval.By = "alice" }},
		"AskedByNobody":       {ReasonInvalid, "spec.requestedBy", func(x *v1alpha1.Exemption) { x.Spec.RequestedBy = "" }},
		"Over":                {ReasonExpired, "", func(x *v1alpha1.Exemption) { x.Spec.Expires = "2026-11-27" }},
	} {
		t.Run(name, func(t *testing.T) {
			objects := of(made("web", 1, right, 1))
			objects.Exemptions = []*v1alpha1.Exemption{x(test.change)}
			o := NewSet().Compose(newBase(t), objects, today)
			v := o.ExemptionObjects[types.NamespacedName{Namespace: "shop", Name: "move"}]
			if v.Ready.Reason != test.reason || !strings.Contains(v.Ready.Message, test.message) || v.Ready.True != (test.reason == ReasonInForce) {
				t.Errorf("verdict: %+v", v)
			}
			b := newBase(t) // whatever one object says, all else is put in force
			c, err := b.Config.Extended(o.Instances, o.Exemptions)
			if err == nil {
				_, err = guardrail.New(b.Library, c)
			}
			if err != nil {
				t.Errorf("what is said to be in force cannot be: %v", err)
			}
		})
	}
	t.Run("OverWithoutAChange", func(t *testing.T) {
		objects := of(made("web", 1, right, 1))
		objects.Exemptions = []*v1alpha1.Exemption{x(func(*v1alpha1.Exemption) {})}
		o := NewSet().Compose(newBase(t), objects, today)
		later := o.At(today.AddDate(0, 0, 1))
		at := types.NamespacedName{Namespace: "shop", Name: "move"}
		if v := later.ExemptionObjects[at]; v.Ready.Reason != ReasonExpired || v.InForce != 0 {
			t.Errorf("verdict a day later: %+v", v)
		}
		if !o.ExemptionObjects[at].Ready.True {
			t.Error("the outcome before has changed")
		}
	})
	t.Run("Unconfirmed", func(t *testing.T) {
		objects := of(made("web", 1, right, 1))
		objects.Exemptions, objects.Unconfirmed = []*v1alpha1.Exemption{x(func(*v1alpha1.Exemption) {})}, "nobody answers"
		o := NewSet().Compose(newBase(t), objects, today)
		if len(o.Exemptions) != 0 || names(o) != "web" {
			t.Errorf("in force: %v and %s", o.Exemptions, names(o))
		}
	})
}
