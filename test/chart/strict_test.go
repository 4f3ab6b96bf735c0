package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podcullis/podcullis/test/controlplane"
)

// The chart's own objects under our strictest guardrails: the command lines are those of
// docs/install.md, and the configuration is the example that they name.
func TestOwnObjectsUnderStrictGuardrails(t *testing.T) {
	path := toolsOnPath(t)
	whole := example(t)
	strict, _, found := strings.Cut(whole, "exemptions:\n")
	if !found {
		t.Fatal("the example has no exemptions")
	}
	const known = "own chart, addresses known"
	tests := map[string]struct {
		command string   // in docs/install.md
		values  []string // beside those of the command
		config  string   // strict.yaml, where the command asks for one
		exit    int
		says    []string // on standard output and standard error
	}{
		"Defaults": {command: "own chart", says: []string{"no violations", "api-servers-call-from-anywhere", "the addresses of the API servers are not known"}},
		"APIServersAreNamed": {
			command: known, config: strict, says: []string{"no violations"},
		},
		"EverythingOn": {
			command: known, config: strict, says: []string{"no violations"},
			values: []string{"audit.enabled=true", "serviceMonitor.enabled=true", "prometheusRule.enabled=true", "dashboard.enabled=true", "certificates.mode=self-managed"},
		},
		"AddressesUnknownIsTold": {
			command: known, config: strict, exit: 1,
			values: []string{"networkPolicy.apiServerCIDRs=null"},
			says: []string{
				"[nothing-is-exposed] podcullis/Deployment/podcullis could be reached from anywhere outside the cluster but 172.16.0.0/28 (IPv6 included) on TCP 9443\n",
				"podcullis explain -f ... 203.0.113.0/24 podcullis/Deployment/podcullis 9443/TCP",
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			command := documented(t, tc.command)
			if tc.config != "" {
				file := filepath.Join(t.TempDir(), "strict.yaml")
				if err := os.WriteFile(file, []byte(tc.config), 0o600); err != nil {
					t.Fatal(err)
				}
				command = strings.Replace(command, "strict.yaml", file, 1)
			}
			for _, v := range tc.values {
				command = strings.Replace(command, " | ", " --set "+v+" | ", 1)
			}
			code, text := shell(t, path, command)
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
				t.Logf("%s%s", command, text)
			}
		})
	}
}

// toolsOnPath builds the command line, and is a PATH on which it and helm are.
func toolsOnPath(t *testing.T) string {
	t.Helper()
	bin, err := filepath.Abs(controlplane.Bin(t))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "podcullis"), "../../cmd/podcullis").CombinedOutput(); err != nil {
		t.Fatalf("build the command line: %v\n%s", err, out)
	}
	return strings.Join([]string{dir, bin, os.Getenv("PATH")}, string(os.PathListSeparator))
}

// shell runs a command line in the repository's folder, as its reader does.
func shell(t *testing.T, path, command string) (code int, text string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "sh", "-c", command)
	c.Dir = filepath.Join("..", "..")
	c.Env = append(os.Environ(), "PATH="+path)
	out, err := c.CombinedOutput()
	if err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), string(out)
}

func example(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "examples", "own-chart-strict.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// documented is the command line in docs/install.md that is marked as tested here.
func documented(t *testing.T, what string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "install.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "<!-- test: "+what+" -->\n```sh\n")
	block, _, ends := strings.Cut(rest, "```\n")
	if !found || !ends {
		t.Fatalf("docs/install.md has no block %q", what)
	}
	return block
}
