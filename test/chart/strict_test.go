package chart

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podcullis/podcullis/test/controlplane"
)

// The chart's own objects under our strictest guardrails, as docs/install.md has it: what
// helm renders goes to the command line.
func TestOwnObjectsUnderStrictGuardrails(t *testing.T) {
	bin := controlplane.Bin(t)
	cli := filepath.Join(t.TempDir(), "podcullis")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", cli, "../../cmd/podcullis").CombinedOutput(); err != nil {
		t.Fatalf("build the command line: %v\n%s", err, out)
	}
	strict := documented(t, "own chart")
	tests := map[string]struct {
		values []string
		config string
		exit   int
		says   []string // on standard output and standard error
	}{
		"APIServersAreNamed": {
			values: []string{"networkPolicy.apiServerCIDRs={172.16.0.0/28}"}, config: strict,
			says: []string{"no violations"},
		},
		"EverythingOn": {
			values: []string{"networkPolicy.apiServerCIDRs={172.16.0.0/28}", "audit.enabled=true", "serviceMonitor.enabled=true", "prometheusRule.enabled=true", "dashboard.enabled=true", "certificates.mode=self-managed"},
			config: strict, says: []string{"no violations"},
		},
		"AddressesUnknown": {
			config: strict + documented(t, "own chart, addresses unknown"),
			says:   []string{"no violations", "api-servers-call-from-anywhere"},
		},
		"AddressesUnknownIsTold": {
			config: strict, exit: 1,
			says: []string{
				"[nothing-is-exposed] podcullis/Deployment/podcullis could be reached from anywhere outside the cluster but 172.16.0.0/28 (IPv6 included) on TCP 9443\n",
				"podcullis explain -f ... 203.0.113.0/24 podcullis/Deployment/podcullis 9443/TCP",
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			args := []string{"template", "podcullis", chartDir, "-n", "podcullis"}
			for _, v := range tc.values {
				args = append(args, "--set", v)
			}
			var rendered, said bytes.Buffer
			helm := exec.CommandContext(t.Context(), filepath.Join(bin, "helm"), args...)
			helm.Stdout, helm.Stderr = &rendered, &said
			if err := helm.Run(); err != nil {
				t.Fatalf("helm: %v\n%s", err, said.String())
			}
			config := filepath.Join(t.TempDir(), "strict.yaml")
			if err := os.WriteFile(config, []byte(tc.config), 0o600); err != nil {
				t.Fatal(err)
			}
			code, text := checked(t.Context(), t, cli, config, &rendered)
			if code != tc.exit {
				t.Errorf("exit code %d, want %d", code, tc.exit)
			}
			for _, want := range tc.says {
				if !strings.Contains(text, want) {
					t.Errorf("does not say %q", want)
				}
			}
			for _, job := range []string{"podcullis-uninstall", "podcullis-test"} {
				if strings.Contains(text, job+" could be reached") {
					t.Errorf("nobody has to call %s", job)
				}
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}

func checked(ctx context.Context, t *testing.T, cli, config string, objects *bytes.Buffer) (code int, text string) {
	t.Helper()
	check := exec.CommandContext(ctx, cli, "check", "-f", "-", "--config", config)
	check.Stdin = objects
	out, err := check.CombinedOutput()
	if err != nil && check.ProcessState == nil {
		t.Fatal(err)
	}
	return check.ProcessState.ExitCode(), string(out)
}

// documented is the YAML in docs/install.md that is marked as tested here.
func documented(t *testing.T, what string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "install.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "<!-- test: "+what+" -->\n```yaml\n")
	block, _, ends := strings.Cut(rest, "```\n")
	if !found || !ends {
		t.Fatalf("docs/install.md has no block %q", what)
	}
	return block
}
