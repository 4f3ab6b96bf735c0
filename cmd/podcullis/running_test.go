package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podcullis/podcullis/test/controlplane"
)

// The examples, as the subcommands are given them.
var (
	shop      = filepath.Join("..", "..", "examples", "shop")
	shopAfter = filepath.Join("..", "..", "examples", "shop-after")
	shopRules = filepath.Join("..", "..", "examples", "shop-guardrails.yaml")
)

// A running cluster is a source like any other, and what files change of it is a diff.
func TestRunningCluster(t *testing.T) {
	plane := controlplane.Start(t, controlplane.Options{})
	dir, err := filepath.Abs(shop)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := plane.Kubectl(t.Context(), "", "apply", "-f", dir); err != nil {
		t.Fatal(err)
	}
	err = controlplane.Await(t.Context(), "a pod of each workload", func(ctx context.Context) error {
		pods, _, err := plane.Kubectl(ctx, "", "get", "pods", "-n", "shop", "-o", "name")
		if n := len(strings.Fields(pods)); err == nil && n != 5 {
			err = fmt.Errorf("%d pods", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	running := []string{"--kubeconfig", plane.Kubeconfig}
	relabelled := write(t, "relabelled.yaml", `
apiVersion: apps/v1
kind: Deployment
metadata: {name: analytics, namespace: shop}
spec:
  selector: {matchLabels: {app: statistics}}
  template: {metadata: {labels: {app: statistics}}, spec: {containers: [{name: a, image: a}]}}
`)
	tests := map[string]struct {
		reason string
		args   []string
		same   []string // the subcommand that writes the same to standard output
		code   int
		stdout []string // parts of it, when same is empty
		stderr string   // a part of it
	}{
		"ConnectionsAreThoseOfTheFiles": {
			reason: "what was applied is what the files say, whatever the API server has added",
			args:   []string{"connections"},
			same:   []string{"connections", "-f", shop},
			stderr: "6 connections between 5 workloads",
		},
		"TheFilesAreNoDifference": {
			reason: "defaults and statuses open nothing",
			args:   []string{"diff", "-f", shop},
			stderr: "no connection differs",
		},
		"AnotherVersionIsTheDifference": {
			reason: "a netpol replaces that of its name, another one is added",
			args:   []string{"diff", "--context", "podcullis-test", "-f", shopAfter},
			same:   []string{"diff", "-f", shop, "-f", shopAfter},
			code:   violations,
		},
		"OnlyWhatIsNewNeedsAFile": {
			reason: "nothing is deleted for not being in the files",
			args:   []string{"diff", "-f", filepath.Join(shopAfter, "30-debug.yaml")},
			code:   violations,
			stdout: []string{"added    shop/Deployment/frontend   shop/StatefulSet/db   TCP 5432"},
			stderr: "1 connection: 1 added, 0 changed, 0 removed",
		},
		"PodsOfAChangedTemplateMakeWay": {
			reason: "no netpol is for the new label; the pods of the old one do not go on by themselves",
			args:   []string{"diff", "-f", relabelled},
			code:   violations,
			stderr: "1 connection: 0 added, 0 changed, 1 removed",
		},
		"CheckIsClean": {
			reason: "the shop obeys its guardrails",
			args:   []string{"check", "--config", shopRules},
		},
		"AuditFindsWhatIsThere": {
			reason: "the whole of a cluster, in the words of admission; nobody has to have a file of it",
			args:   []string{"audit", "--config", shopRules, "-f", filepath.Join("..", "..", "examples", "allow-all.yaml"), "-o", "wide"},
			code:   violations,
			stdout: []string{"critical   only-backend-reaches-db   NetworkPolicy shop/allow-all", "could reach shop/StatefulSet/db on all ports"},
			stderr: "next: `podcullis explain --context ... 0.0.0.0/0 shop/",
		},
		"CheckJudgesWhatWouldBe": {
			reason: "the finding is in the file, and the path leads to a workload that only the cluster has",
			args:   []string{"check", "--config", shopRules, "-f", filepath.Join(shopAfter, "30-debug.yaml")},
			code:   violations,
			stdout: []string{"30-debug.yaml:3: NetworkPolicy shop/debug-db\n", "shop/Deployment/frontend could reach shop/StatefulSet/db on TCP 5432"},
		},
		"FindingsAboutTheClusterSayWhich": {
			reason: "no file holds it",
			args:   []string{"check", "--config", write(t, "egress.yaml", "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails: [{name: none, guardrail: forbidden-paths, action: deny, parameters: {from: {podSelector: {matchLabels: {app: backend}}}, to: {podSelector: {matchLabels: {app: db}}}}}]\n")},
			code:   violations,
			stdout: []string{"cluster podcullis-test: NetworkPolicy shop/"},
		},
		"Explain": {
			reason: "one path of it",
			args:   []string{"explain", "shop/frontend", "shop/db", "--expect", "blocked"},
			stdout: []string{"blocked"},
		},
		"UnknownContext": {
			reason: "the kubeconfig has no such cluster",
			args:   []string{"connections", "--context", "prod"},
			code:   unable,
			stderr: `context "prod" does not exist`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := command(t, append(tc.args, running...)...)
			if code != tc.code {
				t.Errorf("%s: exit code %d, want %d\n%s%s", tc.reason, code, tc.code, stdout, stderr)
			}
			if tc.same != nil {
				_, want, _ := command(t, tc.same...)
				if diff := cmp.Diff(want, stdout); diff != "" {
					t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
				}
			}
			for _, want := range tc.stdout {
				if !strings.Contains(stdout, want) {
					t.Errorf("%s: no %q in\n%s%s", tc.reason, want, stdout, stderr)
				}
			}
			if !strings.Contains(stderr, tc.stderr) {
				t.Errorf("%s: no %q in\n%s", tc.reason, tc.stderr, stderr)
			}
		})
	}

	t.Run("EitherVersionMayBeRunning", func(t *testing.T) {
		live := "kubeconfig=" + plane.Kubeconfig
		for _, tt := range []struct {
			args []string
			code int
		}{
			{[]string{"diff", "--before", live, "--after", shop}, clean},
			{[]string{"diff", "--before", live, "--after", "context=podcullis-test," + live}, clean},
			{[]string{"diff", "--before", live, "--after", live, "--after", filepath.Join(shopAfter, "30-debug.yaml")}, violations},
			{[]string{"graph", "-f", shop, "--before", live}, clean},
		} {
			if code, stdout, stderr := command(t, tt.args...); code != tt.code {
				t.Errorf("%v: exit code %d, want %d\n%s%s", tt.args, code, tt.code, stdout, stderr)
			}
		}
	})
	t.Run("WhereKubectlWouldApplyIt", func(t *testing.T) {
		text, err := os.ReadFile(plane.Kubeconfig)
		if err != nil {
			t.Fatal(err)
		}
		config, err := clientcmd.Load(text)
		if err != nil {
			t.Fatal(err)
		}
		config.Contexts[config.CurrentContext].Namespace = "shop"
		text, err = clientcmd.Write(*config)
		if err != nil {
			t.Fatal(err)
		}
		nameless := write(t, "a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: nameless}\n")
		args := []string{"connections", "--kubeconfig", write(t, "kubeconfig", string(text)), "-f", nameless, "--from"}
		if code, _, stderr := command(t, append(args, "shop/nameless")...); code != clean || !strings.Contains(stderr, "taken to be in shop, that of context "+config.CurrentContext) {
			t.Errorf("exit code %d: %s", code, stderr)
		}
		if code, _, stderr := command(t, append(args, "other/nameless", "--default-namespace", "other")...); code != clean {
			t.Errorf("exit code %d: %s", code, stderr)
		}
	})
	t.Run("WhoMayNotListIsTold", func(t *testing.T) {
		mallory, err := plane.UserKubeconfig("mallory")
		if err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := command(t, "connections", "--kubeconfig", mallory)
		if code != unable || stdout != "" || !strings.Contains(stderr, `User "mallory" cannot list resource "networkpolicies"`) || !strings.Contains(stderr, "hint: whoever asks needs list") {
			t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
		}
	})
	t.Run("ClusterThatDoesNotAnswer", func(t *testing.T) {
		if err := plane.StopAPIServer(); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := command(t, append([]string{"connections"}, running...)...)
		if code != unable || stdout != "" || !strings.Contains(stderr, "hint: see that `kubectl --context podcullis-test ") {
			t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
		}
	})
}

func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), args, errorReader{}, &out, &err)
	return code, out.String(), err.String()
}

// errorReader is a standard input that nobody should read.
type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, errors.New("standard input was read") }

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
