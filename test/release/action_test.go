package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const root = "../.."

// podcullis builds the binary, once.
var podcullis = sync.OnceValues(func() (string, error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("podcullis-release-test-%d", os.Getpid()))
	out, err := exec.Command("go", "build", "-o", path, root+"/cmd/podcullis").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build podcullis: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := podcullis(); err == nil {
		os.Remove(path)
	}
	os.Exit(code)
}

// run is a step of the action: what it said, its outputs, and the code with which it ended.
type run struct {
	said, summary string
	outputs       map[string]string
	code          int
}

func step(t *testing.T, script string, env ...string) run {
	t.Helper()
	for _, need := range []string{"bash", "curl", "jq", "sha256sum"} {
		if _, err := exec.LookPath(need); err != nil {
			t.Skipf("%s is not installed", need)
		}
	}
	dir := t.TempDir()
	path, err := filepath.Abs(filepath.Join(root, ".github", "action", script))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path)
	cmd.Dir = root
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "RUNNER_TEMP=" + t.TempDir(), "RUNNER_OS=Linux", "RUNNER_ARCH=X64", "NO_PROXY=*",
		"GITHUB_OUTPUT=" + dir + "/output", "GITHUB_STEP_SUMMARY=" + dir + "/summary", "GITHUB_TOKEN=secret", "GITHUB_REPOSITORY=shop/deploy",
	}, env...)
	said, err := cmd.CombinedOutput()
	r := run{said: string(said), outputs: map[string]string{}, code: cmd.ProcessState.ExitCode()}
	if err != nil && r.code < 0 {
		t.Fatal(err)
	}
	for _, line := range strings.Split(read(dir+"/output"), "\n") {
		if key, value, ok := strings.Cut(line, "="); ok {
			r.outputs[key] = value
		}
	}
	r.summary = read(dir + "/summary")
	return r
}

func read(path string) string {
	text, _ := os.ReadFile(path) //nolint:gosec // a file of the test; one that is not there is empty
	return string(text)
}

func binary(t *testing.T) string {
	t.Helper()
	path, err := podcullis()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestActionJudgesAChange: diff and findings are in summary and comment, SARIF is written, and
// the job fails at the end only.
func TestActionJudgesAChange(t *testing.T) {
	r := step(t, "check.sh", "PODCULLIS="+binary(t), "FILES=examples/shop-after\n", "BEFORE=examples/shop", "CONFIG=examples/shop-guardrails.yaml", "FAIL_ON=deny")
	if r.code != 0 || r.outputs["result"] != "violations" {
		t.Fatalf("code %d, result %q:\n%s", r.code, r.outputs["result"], r.said)
	}
	comment := read(r.outputs["comment"])
	for _, want := range []string{"<!-- podcullis -->\n### Podcullis: guardrails are violated\n", "only-backend-reaches-db", "<details><summary>Which connections change</summary>", "5432"} {
		if !strings.Contains(comment, want) {
			t.Errorf("the comment lacks %q:\n%s", want, comment)
		}
	}
	if comment != r.summary {
		t.Error("the summary of the job is another text than the comment")
	}
	if !strings.Contains(r.said, "::error ") {
		t.Errorf("no annotation:\n%s", r.said)
	}
	var sarif struct{ Runs []struct{ Results []any } }
	if err := json.Unmarshal([]byte(read(r.outputs["sarif"])), &sarif); err != nil || len(sarif.Runs) != 1 || len(sarif.Runs[0].Results) == 0 {
		t.Errorf("SARIF without a result: %v", err)
	}
	if end := step(t, "conclude.sh", "RESULT="+r.outputs["result"]); end.code != 1 {
		t.Errorf("the job ends with %d, want 1", end.code)
	}
}

// TestActionWithOddNames: a name may hold what looks like a flag, and blanks.
func TestActionWithOddNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "my-files of-f")
	if err := os.CopyFS(dir, os.DirFS(root+"/examples/shop-after")); err != nil {
		t.Fatal(err)
	}
	r := step(t, "check.sh", "PODCULLIS="+binary(t), "FILES="+dir, "BEFORE=examples/shop", "CONFIG=examples/shop-guardrails.yaml")
	if r.outputs["result"] != "violations" || !strings.Contains(r.summary, "Which connections change") || strings.Contains(r.summary, "no such file") {
		t.Errorf("%+v", r)
	}
}

func TestActionOfACleanChange(t *testing.T) {
	r := step(t, "check.sh", "PODCULLIS="+binary(t), "FILES=examples/shop", "BEFORE=examples/shop", "CONFIG=examples/shop-guardrails.yaml")
	if r.outputs["result"] != "clean" {
		t.Fatalf("%+v", r)
	}
	if end := step(t, "conclude.sh", "RESULT=clean"); end.code != 0 {
		t.Errorf("the job ends with %d, want 0", end.code)
	}
}

// TestActionThatCannotJudge: nothing to look at, or a flag in a name, is never a success.
func TestActionThatCannotJudge(t *testing.T) {
	for _, files := range []string{"examples/none", "--help", "$(touch /tmp/x)"} {
		r := step(t, "check.sh", "PODCULLIS="+binary(t), "FILES="+files)
		if r.outputs["result"] != "error" || !strings.Contains(r.summary, "could not judge") {
			t.Errorf("%q: %+v", files, r)
		}
	}
	for _, result := range []string{"error", "", "other"} {
		if end := step(t, "conclude.sh", "RESULT="+result); end.code != 2 {
			t.Errorf("result %q ends with %d, want 2", result, end.code)
		}
	}
}

// api stands for GitHub's: the comments of one pull request.
type api struct {
	mu       sync.Mutex
	comments []map[string]any
	writes   []string
	refuses  bool
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer secret" || (a.refuses && r.Method != http.MethodGet) {
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	if r.Method == http.MethodGet {
		page := a.comments
		if r.URL.Query().Get("page") == "1" {
			page = page[:min(len(page), 100)]
		} else {
			page = page[min(len(page), 100):]
		}
		json.NewEncoder(w).Encode(page)
		return
	}
	var body struct{ Body string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.writes = append(a.writes, r.Method+" "+r.URL.Path+" "+body.Body)
	io.WriteString(w, "{}")
}

func comment(id int, kind, body string) map[string]any {
	return map[string]any{"id": id, "user": map[string]any{"type": kind}, "body": body}
}

// TestCommentIsKeptUpToDate: one comment, ours, is rewritten; nobody else's is.
func TestCommentIsKeptUpToDate(t *testing.T) {
	const text = "<!-- podcullis -->\n\"quoted\" \\ `$(x)` ünïcode\t|\n"
	body := filepath.Join(t.TempDir(), "comment.md")
	if err := os.WriteFile(body, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var many []map[string]any
	for i := range 100 {
		many = append(many, comment(i, "User", "hello"))
	}
	for name, test := range map[string]struct {
		comments []map[string]any
		refuses  bool
		want     string
	}{
		"New":           {nil, false, "POST /repos/shop/deploy/issues/7/comments " + text},
		"Ours":          {[]map[string]any{comment(5, "User", "x"), comment(6, "Bot", text)}, false, "PATCH /repos/shop/deploy/issues/comments/6 " + text},
		"OnPageTwo":     {append(many, comment(101, "Bot", text)), false, "PATCH /repos/shop/deploy/issues/comments/101 " + text},
		"SomebodyElses": {[]map[string]any{comment(5, "User", text)}, false, "POST /repos/shop/deploy/issues/7/comments " + text},
		"OfAFork":       {nil, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := &api{comments: test.comments, refuses: test.refuses}
			if a.comments == nil {
				a.comments = []map[string]any{}
			}
			server := httptest.NewServer(a)
			defer server.Close()
			r := step(t, "comment.sh", "BODY="+body, "PULL_REQUEST=7", "GITHUB_API_URL="+server.URL)
			if got := strings.Join(a.writes, "\n"); got != test.want || r.code != 0 {
				t.Errorf("code %d, got %q, want %q\n%s", r.code, got, test.want, r.said)
			}
			if test.refuses && !strings.Contains(r.said, "::warning::the comment cannot be written") {
				t.Errorf("nobody is told: %s", r.said)
			}
		})
	}
}

// TestInstall: what is fetched is what the release names, or the step fails.
func TestInstall(t *testing.T) {
	var archive bytes.Buffer
	z := gzip.NewWriter(&archive)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: "podcullis", Mode: 0o755, Size: 4}); err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "true")
	w.Close()
	z.Close()
	const name = "podcullis_0.1.0_linux_amd64.tar.gz"
	sum := fmt.Sprintf("%x  %s\n", sha256.Sum256(archive.Bytes()), name)
	for test, checksums := range map[string]string{
		"Good": strings.Repeat("0", 64) + "  other.zip\n" + sum, "Tampered": strings.Repeat("0", 64) + "  " + name + "\n", "NotNamed": "", "LooksLikeIt": sum[:64] + "  x" + name + "\n",
	} {
		t.Run(test, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch filepath.Base(r.URL.Path) {
				case name:
					w.Write(archive.Bytes())
				case "podcullis_0.1.0_checksums.txt":
					io.WriteString(w, checksums)
				default:
					http.NotFound(w, r)
				}
			}))
			defer server.Close()
			r := step(t, "install.sh", "VERSION=v0.1.0", "REPOSITORY=podcullis/podcullis", "GITHUB_SERVER_URL="+server.URL)
			if good := test == "Good"; good != (r.code == 0) || good != (read(r.outputs["binary"]) == "true") {
				t.Errorf("%+v", r)
			}
		})
	}
	for _, version := range []string{"", "latest", "v1.0.0;id", "v1.0.0/../../x"} {
		if r := step(t, "install.sh", "VERSION="+version); r.code != 2 {
			t.Errorf("version %q: %+v", version, r)
		}
	}
}
