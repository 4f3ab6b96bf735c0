package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

// In these clusters all names of other namespances have a zq in them.
const twoTenants = `
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: zq-bank, labels: {zq-team: zq-money}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec: {selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c, ports: [{containerPort: 5432}]}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: zq-ledger, namespace: zq-bank}
spec: {selector: {matchLabels: {app: zq-ledger}}, template: {metadata: {labels: {app: zq-ledger}}, spec: {containers: [{name: c}]}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: zq-out, namespace: zq-bank}
spec: {podSelector: {}, policyTypes: [Egress], egress: [{}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
`

const noPath = `
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- name: no-path
  guardrail: forbidden-paths
  action: %s
  parameters: {from: {podSelector: {matchExpressions: [{key: app, operator: Exists}]}}, to: {podSelector: {matchLabels: {app: db}}}}
%s`

func tenants(t *testing.T) *liveShop {
	t.Helper()
	dir := t.TempDir()
	servingtest.WriteFile(t, dir, "cluster.yaml", []byte(twoTenants))
	set, err := manifest.Load([]string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := set.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return &liveShop{now: s, moved: make(chan struct{})}
}

func engineOf(t *testing.T, config string) *guardrail.Engine {
	t.Helper()
	library, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	c, err := guardrail.ParseConfig("test", []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := guardrail.New(library, c)
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

func always() bool { return true }

func TestAnswersThatNameNothingOfOtherNamespaces(t *testing.T) {
	exempt := "exemptions: [{name: zq-window, guardrails: [no-path], match: {namespaces: [shop]}, reason: zq}]"
	for name, tt := range map[string]struct {
		config   string
		mode     Mode
		message  string
		warnings []string
		audit    map[string]string
	}{
		"Denied": {
			config: fmt.Sprintf(noPath, "deny", ""), mode: Enforce,
			message: "1 guardrail denies this change to NetworkPolicy shop/allow-all:\n" +
				"[no-path] it concerns shop/StatefulSet/db, NetworkPolicy shop/allow-all, a workload in another namespace\n" +
				"what is of other namespaces is not told here: podcullis's log says more (request uid u)",
			audit: map[string]string{"decision": "denied", "violations": "deny [no-path] it concerns shop/StatefulSet/db, NetworkPolicy shop/allow-all, a workload in another namespace"},
		},
		"Warned": {
			config: fmt.Sprintf(noPath, "warn", ""), mode: Enforce,
			warnings: []string{
				"[no-path] would be denied with action deny: it concerns shop/StatefulSet/db, NetworkPolicy shop/allow-all, a workload in another namespace",
				"what is of other namespaces is not told here: podcullis's log says more (request uid u)",
			},
			audit: map[string]string{"decision": "allowed", "violations": "warn [no-path] it concerns shop/StatefulSet/db, NetworkPolicy shop/allow-all, a workload in another namespace"},
		},
		"Audited": {
			config: fmt.Sprintf(noPath, "deny", ""), mode: Audit,
			warnings: []string{
				"would be denied: [no-path] it concerns shop/StatefulSet/db, NetworkPolicy shop/allow-all, a workload in another namespace",
				"what is of other namespaces is not told here: podcullis's log says more (request uid u)",
			},
			audit: map[string]string{"decision": "would-deny", "violations": "deny [no-path] it concerns shop/StatefulSet/db, NetworkPolicy shop/allow-all, a workload in another namespace"},
		},
		"Exempted": {
			config: fmt.Sprintf(noPath, "deny", exempt), mode: Enforce,
			audit: map[string]string{"decision": "allowed", "exempted": "exempted [no-path] it concerns shop/StatefulSet/db, NetworkPolicy shop/allow-all, a workload in another namespace"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			judge := NewJudge(JudgeOptions{Evaluator: engineOf(t, tt.config), Model: tenants(t), Mode: tt.mode, OwnNamespace: always, Log: servingtest.TextLogger(&log)})
			response := judge.Handle(t.Context(), request(t, "CREATE", "NetworkPolicy", "shop", "allow-all", allowAllText, ""))
			got := []any{response.Result.Message, response.Warnings, response.AuditAnnotations}
			if diff := cmp.Diff([]any{tt.message, tt.warnings, tt.audit}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !strings.Contains(log.String(), "zq-bank/Deployment/zq-ledger") && !strings.Contains(log.String(), "zq-window") {
				t.Errorf("the log does not say it either: %s", log.String())
			}
			// To who may know, all is said.
			judge.OwnNamespace = nil
			if said := judge.Handle(t.Context(), request(t, "CREATE", "NetworkPolicy", "shop", "allow-all", allowAllText, "")); !strings.Contains(spoken(t, said), "zq-ledger") {
				t.Errorf("nothing is said: %v", said)
			}
		})
	}
}

// spoken is all that an answer holds.
func spoken(t interface{ Fatal(...any) }, response admission.Response) string {
	text, err := json.Marshal(response)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// talkative is an evaluator that says what it is told to, about the wrong namespace.
type talkative struct {
	decision guardrail.Decision
	err      error
}

func (t *talkative) Evaluate(_ context.Context, r guardrail.Review) (guardrail.Decision, error) {
	t.decision.Subject = "NetworkPolicy shop/allow-all"
	return t.decision, t.err
}

func (*talkative) Judges(schema.GroupKind) bool { return true }

// Whatever guardrails say, wherever, and whatever goes wrong: no name of another
// namespace is in any field of the answer.
func TestNoAnswerHoldsAForeignName(t *testing.T) {
	model, r := tenants(t), request(t, "CREATE", "NetworkPolicy", "shop", "allow-all", allowAllText, "")
	words := []string{
		"zq-bank", "zq-ledger", "zq-bank/Deployment/zq-ledger", "NetworkPolicy zq-bank/zq-out", "app=zq-ledger", "zq-bank/zq-ledger-5d4f7-abcde",
		"shop/zq-ledger", "shop/Deployment/zq-ledger", "shop/zq-bank/zq-ledger", "db/zq-bank", "shop/StatefulSet/db/zq", "(zq-bank/zq-out)", "zq-team=zq-money.",
		"shop/StatefulSet/db", "NetworkPolicy shop/closed", "shop/db", "10.0.0.0/8", "opened by:", "\n  ", "to fix: keep", "…", "shop/ſtatefulSet/db", "shop/StatefulSet/db" + "zq",
	}
	texts := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 1, 12).Draw(t, "words"), rapid.SampledFrom([]string{" ", "", ", ", "/"}).Draw(t, "between"))
	})
	violations := rapid.Custom(func(t *rapid.T) guardrail.Violation {
		return guardrail.Violation{
			Guardrail: "no-path", Action: rapid.SampledFrom([]guardrail.Action{guardrail.Deny, guardrail.Warn, guardrail.AuditOnly}).Draw(t, "action"),
			Message: texts.Draw(t, "message"), Details: texts.Draw(t, "details"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		says := &talkative{decision: guardrail.Decision{Violations: rapid.SliceOfN(violations, 0, 4).Draw(t, "violations")}}
		for _, v := range rapid.SliceOfN(violations, 0, 2).Draw(t, "exempted") {
			says.decision.Exempted = append(says.decision.Exempted, guardrail.Exempted{Violation: v, Exemption: texts.Draw(t, "exemption"), Reason: texts.Draw(t, "reason")})
		}
		for range rapid.IntRange(0, 2).Draw(t, "failures") {
			says.decision.Failures = append(says.decision.Failures, guardrail.Failure{Guardrail: "no-path", Action: guardrail.Warn, Err: errors.New(texts.Draw(t, "failure"))})
		}
		if rapid.Bool().Draw(t, "fails") {
			says.err = errors.New(texts.Draw(t, "error"))
		}
		judge := NewJudge(JudgeOptions{
			Evaluator: says, Model: model, OwnNamespace: always, Log: slog.New(slog.DiscardHandler),
			Mode: rapid.SampledFrom([]Mode{Enforce, Audit}).Draw(t, "mode"),
		})
		if answer := spoken(t, judge.Handle(context.Background(), r)); strings.Contains(answer, "zq") {
			t.Fatalf("the answer tells %s", answer)
		}
		// What the judge itself says.
		v := verdict{
			decision: guardrail.Decision{Subject: "NetworkPolicy shop/allow-all", Violations: says.decision.Violations}, after: model.Snapshot(),
			code:       rapid.SampledFrom([]int{http.StatusBadRequest, http.StatusConflict, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusGatewayTimeout}).Draw(t, "code"),
			retryAfter: rapid.IntRange(0, maxRetryAfter).Draw(t, "retryAfter"), claim: texts.Draw(t, "claim"),
		}
		why := texts.Draw(t, "why")
		if v.err = errors.New(why); rapid.Bool().Draw(t, "waits") {
			v.err = waitError(why)
		}
		if answer := spoken(t, judge.respond(v.conceal(&r))); strings.Contains(answer, "zq") {
			t.Fatalf("the answer tells %s", answer)
		}
	})
}
