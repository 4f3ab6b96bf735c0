package suite_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/guardrail/suite"
)

const head = "apiVersion: podcullis.io/v1alpha1\nkind: Suite\nguardrail: default-deny\n"

// aTest is one without a fault, on lines 4 to 6 after head.
const aTest = "tests:\n- {name: a, create: pod.yaml,\n   assertions: [{verdict: allowed}]}\n"

func TestWhatIsWrongInASuite(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"Syntax":                 {"apiVersion: [\n", "s.yaml:1: did not find expected node content"},
		"AnotherVersion":         {strings.Replace(head, "v1alpha1", "v1", 1) + aTest, "s.yaml:1: apiVersion: got podcullis.io/v1, want podcullis.io/v1alpha1"},
		"NoVersion":              {"kind: Suite\n", "s.yaml:1: apiVersion: missing: want podcullis.io/v1alpha1"},
		"NoTests":                {head, "s.yaml:1: tests: missing: a suite without a test shows nothing"},
		"EmptyTests":             {head + "tests: []\n", "s.yaml:1: tests: missing: a suite without a test shows nothing"},
		"TestsAreNoList":         {head + "tests: {a: b}\n", "s.yaml:1: tests: missing: a suite without a test shows nothing\ns.yaml:4: tests: want a list, got an object"},
		"MisspeltField":          {head + "clutser: x.yaml\n" + aTest, `s.yaml:4: unknown field "clutser": did you mean cluster?`},
		"UnknownField":           {head + "zzzzzzzzzz: x\n" + aTest, `s.yaml:4: unknown field "zzzzzzzzzz"; known here: apiVersion, kind, name, tests, config, guardrail, parameters, action, exemptions, cluster, namespaces, user, groups, time`},
		"MisspeltFieldOfATest":   {head + "tests:\n- {name: a, crate: pod.yaml, assertions: [{verdict: allowed}]}\n", "s.yaml:5: tests[0]: unknown field \"crate\": did you mean create?\ns.yaml:5: tests[0]: no change: want create, update, apply or delete with a file or an object"},
		"MisspeltAssertion":      {head + "tests:\n- name: a\n  create: pod.yaml\n  assertions:\n  - verdct: denied\n", `s.yaml:8: tests[0].assertions[0]: unknown field "verdct": did you mean verdict?`},
		"Twice":                  {head + "user: a\nuser: b\n" + aTest, "s.yaml:5: user is there twice"},
		"NoName":                 {head + "tests:\n- {create: a.yaml, assertions: [{verdict: allowed}]}\n", "s.yaml:5: tests[0].name: missing: want what it shows, in a line"},
		"OneNameTwice":           {head + aTest + "- {name: a, create: pod.yaml, assertions: [{verdict: allowed}]}\n", `s.yaml:7: there is a test "a" of suite s at line 5 already`},
		"NoAssertions":           {head + "tests:\n- {name: a, create: a.yaml}\n", "s.yaml:5: tests[0].assertions: missing: a test that cannot fail shows nothing"},
		"AnEmptyAssertion":       {head + "tests:\n- {name: a, create: a.yaml, assertions: [{}]}\n", "s.yaml:5: tests[0].assertions[0]: asserts nothing, so that it cannot fail: want one of verdict, violations, guardrail, message, details, warnings, warning, asked, fix, fixed"},
		"AMatchOfEverything":     {head + "tests:\n- {name: a, create: a.yaml, assertions: [{message: ''}]}\n", "s.yaml:5: tests[0].assertions[0].message: want a regular expression (RE2): an empty one is in every text"},
		"NoExpression":           {head + "tests:\n- {name: a, create: a.yaml, assertions: [{message: [a, '(']}]}\n", "s.yaml:5: tests[0].assertions[0].message[1]: \"(\" is no regular expression (RE2): missing closing ): `(`"},
		"AnotherVerdict":         {head + "tests:\n- {name: a, create: a.yaml, assertions: [{verdict: refused}]}\n", `s.yaml:5: tests[0].assertions[0].verdict: got "refused", want allowed, warned or denied`},
		"AnotherAmount":          {head + "tests:\n- {name: a, create: a.yaml, assertions: [{violations: many}]}\n", `s.yaml:5: tests[0].assertions[0].violations: got "many", want yes, no or how many`},
		"NotFixed":               {head + "tests:\n- {name: a, create: a.yaml, assertions: [{fixed: false}]}\n", "s.yaml:5: tests[0].assertions[0].fixed: want true: the advised edit is made, and has to be allowed"},
		"PerhapsAsked":           {head + "tests:\n- {name: a, create: a.yaml, assertions: [{asked: perhaps}]}\n", `s.yaml:5: tests[0].assertions[0].asked: got "perhaps", want yes or no`},
		"SkipWithoutReason":      {head + "tests:\n- {name: a, skip: true, create: a.yaml, assertions: [{verdict: allowed}]}\n", "s.yaml:5: tests[0].skip: want the reason why it is not run"},
		"GroupsOfNobody":         {head + "groups: [a]\n" + aTest, "s.yaml:4: groups: are those of user, which is missing"},
		"NoTime":                 {head + "time: tomorrow\n" + aTest, `s.yaml:4: time: "tomorrow" is no time such as 2026-11-27T12:00:00Z`},
		"ParametersOfNobody":     {strings.Replace(head, "guardrail: default-deny", "parameters: {a: b}", 1) + aTest, "s.yaml:5: tests[0].guardrail: missing: parameters and action are those of one guardrail"},
		"AnotherAction":          {head + "action: refuse\n" + aTest, `s.yaml:4: action: got "refuse", want deny, warn or audit`},
		"ParametersAreNoObject":  {head + "parameters: [a]\n" + aTest, "s.yaml:4: parameters: want an object, got a list"},
		"LabelsAreNoObject":      {head + "namespaces: {shop: a}\n" + aTest, `s.yaml:4: namespaces: want an object, got "a"`},
		"AnObjectWithAKeyTwice":  {head + "cluster: {a: 1,\n  a: 2}\n" + aTest, "s.yaml:5: a is there twice"},
		"AliasesThatGrow":        {head + "parameters: {a: &a [x,x,x,x,x,x,x,x,x,x], b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a], c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b], d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c], e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]}\n" + aTest, "s.yaml:4: more than 100000 values, aliases followed"},
		"AnAliasOfWhatItIsIn":    {head + "parameters: &p {a: *p}\n" + aTest, "s.yaml:4: more than 100000 values, aliases followed"},
		"AMergeOfWhatItIsIn":     {head + "parameters: &p {<<: *p}\n" + aTest, "s.yaml:4: more than 100000 values, aliases followed"},
		"EveryFaultIsToldByLine": {head + "tests:\n- {name: a, assertions: [{}]}\n- {name: b, create: a.yaml, assertion: []}\n", "s.yaml:5: tests[0]: no change: want create, update, apply or delete with a file or an object\ns.yaml:5: tests[0].assertions[0]: asserts nothing, so that it cannot fail: want one of verdict, violations, guardrail, message, details, warnings, warning, asked, fix, fixed\ns.yaml:6: tests[1]: unknown field \"assertion\": did you mean assertions?\ns.yaml:6: tests[1].assertions: missing: a test that cannot fail shows nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := suite.Parse("s.yaml", []byte(tc.text))
			if err == nil {
				t.Fatalf("no error, want %s", tc.want)
			}
			if diff := cmp.Diff(strings.Split(tc.want, "\n"), strings.Split(err.Error(), "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// told is what is read of a suite, in lines.
func told(t *testing.T, text string) []string {
	t.Helper()
	suites, err := suite.Parse("dir/labels_suite.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range suites {
		for _, x := range s.Tests {
			out = append(out, fmt.Sprintf("%s:%d %s by %s%s on %s, %s", s.Name, x.Line, x.Name, x.Guardrail, x.Parameters.JSON, x.Cluster, x.Changes))
		}
	}
	return out
}

// What a test says counts, and else what its suite does; parameters are those of a guardrail.
func TestWhatTestsShare(t *testing.T) {
	got := told(t, `apiVersion: podcullis.io/v1alpha1
kind: Suite
guardrail: default-deny
parameters: {directions: [Ingress]}
cluster: a.yaml
tests:
- {name: all, create: p.yaml, assertions: [{verdict: allowed}]}
- {name: parameters, parameters: {}, create: p.yaml, assertions: [{verdict: allowed}]}
- {name: guardrail, guardrail: labels, create: p.yaml, assertions: [{verdict: allowed}]}
- {name: cluster, cluster: [], delete: [a, b], create: p.yaml, assertions: [{verdict: allowed}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: other}
---
apiVersion: podcullis.io/v1alpha1
kind: Suite
name: second
tests:
- &t
  name: alias
  create: {a: &x 1, b: *x, <<: {a: 2, c: 2026-01-31}}
  assertions: [{verdict: allowed}]
- <<: *t
  name: merged
`)
	want := []string{
		`labels:7 all by default-deny{"directions":["Ingress"]} on ["a.yaml"], [{create "p.yaml"}]`,
		`labels:8 parameters by default-deny{} on ["a.yaml"], [{create "p.yaml"}]`,
		`labels:9 guardrail by labels on ["a.yaml"], [{create "p.yaml"}]`,
		`labels:10 cluster by default-deny{"directions":["Ingress"]} on [], [{create "p.yaml"} {delete "a"} {delete "b"}]`,
		`second:20 alias by  on [], [{create {"a":1,"b":1,"c":"2026-01-31"}}]`,
		`second:24 merged by  on [], [{create {"a":1,"b":1,"c":"2026-01-31"}}]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`labels:5 a by default-deny on [], [{create "pod.yaml"}]`}, told(t, "\ufeff"+strings.ReplaceAll(head+aTest, "\n", "\r\n"))); diff != "" {
		t.Errorf("CRLF and a byte order mark (-want +got):\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(head + aTest)
	f.Add(head + "parameters: &p {<<: *p}\n" + aTest)
	f.Fuzz(func(t *testing.T, text string) {
		suites, err := suite.Parse("s.yaml", []byte(text))
		if err != nil {
			return
		}
		for _, s := range suites {
			for _, x := range s.Tests {
				if x.Name == "" || len(x.Assertions) == 0 || len(x.Changes) == 0 {
					t.Errorf("%+v passes", x)
				}
			}
		}
	})
}
