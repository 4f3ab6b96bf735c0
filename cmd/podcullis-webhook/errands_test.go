package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/webhook"
)

func TestJudgeCanary(t *testing.T) {
	refusal := errors.New(`admission webhook "netpols.podcullis.io" denied the request: 1 guardrail denies this change to NetworkPolicy default/podcullis-canary: [podcullis-canary] refused`)
	warning := []string{"would be denied: [podcullis-canary] is refused"}
	cases := map[string]struct {
		reason   string
		mode     webhook.Mode
		refusal  error
		warnings []string
		want     string // the beginning of what is wrong
	}{
		"EnforceRefuses":          {reason: "that is what enforce is for", mode: webhook.Enforce, refusal: refusal},
		"AuditWarns":              {reason: "audit refuses nothing and says what it would have refused", mode: webhook.Audit, warnings: warning},
		"AuditRefuses":            {reason: "the server is not in the mode that the release says", mode: webhook.Audit, refusal: refusal, want: "mode audit refuses nothing"},
		"EnforceWarns":            {reason: "the server is not in the mode that the release says", mode: webhook.Enforce, warnings: warning, want: "mode enforce, and there was only a warning"},
		"NobodyAsked":             {reason: "no warning and no refusal: nobody judged it", mode: webhook.Enforce, want: "the API server accepted it without a word"},
		"WarningOfSomebodyElse":   {reason: "another webhook's warning is no answer", mode: webhook.Audit, warnings: []string{"deprecated"}, want: "the API server accepted it without a word"},
		"RefusedBySomebodyElse":   {reason: "another webhook's refusal is no answer", mode: webhook.Enforce, refusal: errors.New(`admission webhook "other.example" denied the request: no`), want: "the API server did not get an answer"},
		"NoReplicaUnderFail":      {reason: "a call that fails is no answer", mode: webhook.Enforce, refusal: errors.New("failed calling webhook: connection refused"), want: "the API server did not get an answer"},
		"ForbiddenByRBACIsToldSo": {reason: "the text of the API server says what is missing", mode: webhook.Audit, refusal: errors.New("networkpolicies is forbidden"), want: "the API server did not get an answer"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := judgeCanary(tc.mode, tc.refusal, tc.warnings)
			if (err == nil) != (tc.want == "") || (err != nil && !strings.HasPrefix(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q: %s", err, tc.want, tc.reason)
			}
		})
	}
}

func TestParseTarget(t *testing.T) {
	cases := map[string]struct {
		text string
		want target
		bad  bool
	}{
		"ClusterScoped": {text: "validatingwebhookconfigurations.admissionregistration.k8s.io/podcullis", want: target{resource: schema.GroupResource{Group: "admissionregistration.k8s.io", Resource: "validatingwebhookconfigurations"}, name: "podcullis"}},
		"Namespaced":    {text: "secrets/podcullis/podcullis-tls", want: target{resource: schema.GroupResource{Resource: "secrets"}, namespace: "podcullis", name: "podcullis-tls"}},
		"NoName":        {text: "secrets/", bad: true},
		"NoResource":    {text: "/x", bad: true},
		"OnlyResource":  {text: "secrets", bad: true},
		"TooMany":       {text: "a/b/c/d", bad: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := parseTarget(tc.text)
			if (err != nil) != tc.bad {
				t.Fatalf("got error %v", err)
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(target{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFlagsThatDoNotHoldAreNamed(t *testing.T) {
	cases := map[string]struct {
		args []string
		want string
	}{
		"SecretAlone":     {args: []string{"--certificate-secret=a/b"}, want: "--certificate-secret needs --cert-dir"},
		"SecretName":      {args: []string{"--certificate-secret=b"}, want: `--certificate-secret must be namespace/name, got "b"`},
		"HostWithout":     {args: []string{"--certificate-host=b"}, want: "--certificate-host and --webhook-configuration need --certificate-secret"},
		"Remove":          {args: []string{"--remove=b"}, want: `--remove: want RESOURCE[.GROUP]/[NAMESPACE/]NAME, got "b"`},
		"AuditOfFiles":    {args: []string{"--audit", "--cluster-manifests=x"}, want: "--audit needs an API server"},
		"AuditInterval":   {args: []string{"--audit", "--audit-interval=1s"}, want: "--audit-interval must be >= 1m0s, got 1s"},
		"AuditLease":      {args: []string{"--audit", "--audit-lease=b"}, want: `--audit-lease must be namespace/name, got "b"`},
		"AuditReports":    {args: []string{"--audit", "--audit-reports=b"}, want: `--audit-reports must be one of auto, openreports, policyreport, none, got "b"`},
		"CanaryAndRemove": {args: []string{"--remove=a/b", "--canary=default"}, want: "--canary and --remove: give one of them, got both"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), tc.args, &stdout, &stderr); code != 2 {
				t.Errorf("exit code %d, want 2", code)
			}
			if !strings.Contains(stderr.String(), tc.want) {
				t.Errorf("got %q, want %q", stderr.String(), tc.want)
			}
		})
	}
}
