package guardrail

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/podcullis/podcullis/policies"
)

// machinery is what only means something to whoever reads the Go of Podcullis or of OPA.
var machinery = regexp.MustCompile(`map\[|<nil>|%!|\[\]interface|interface \{\}|rego_[a-z]+_error|eval_[a-z_]+_error|Go struct|!!str|!!seq|!!map|\bjson: |\byaml: |podcullis:///|github\.com/|__local\d|0x[0-9a-f]{6}|goroutine|\*ast\.|unmarshal|error\(s\)|\d+ errors? occurred`)

// twice is an error with its place or its builtin two times.
var twice = regexp.MustCompile(`(\S+\.rego:\d+: ).*\S+\.rego:\d+: \S+\.rego:|(netpol\.[a-z_]+: )(netpol\.[a-z_]+: )`)

func inWordsOnly(t *testing.T, what, text string) {
	t.Helper()
	if found := machinery.FindString(text); found != "" {
		t.Errorf("%s: %q in: %s", what, found, text)
	}
	if found := twice.FindString(text); found != "" {
		t.Errorf("%s: twice: %s", what, text)
	}
}

// What strangers give every door is in the goldens: there is no Go in them.
func TestErrorsSpeakNoGo(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*errors.golden"))
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			inWordsOnly(t, file, line)
		}
	}
}

// Guardrails that are cut off, or in which letters changed places, are refused by file and
// line, in words; or they load.
func TestBrokenRegoIsRefusedInWords(t *testing.T) {
	whole, err := fs.ReadFile(policies.FS, "least_privilege.rego")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(whole), "package guardrails.least_privilege", "package guardrails.one", 1)
	lib, err := fs.Sub(policies.FS, "lib")
	if err != nil {
		t.Fatal(err)
	}
	shared := Source{Name: "lib", FS: lib}
	broken := map[string]string{}
	for i := 1; i < 60; i++ {
		broken[fmt.Sprintf("cut-%d", i)] = text[:len(text)*i/60]
	}
	words := regexp.MustCompile(`[a-z_]{4,}`).FindAllStringIndex(text, -1)
	for i := 0; i < len(words); i += max(1, len(words)/80) {
		at := words[i]
		w := []byte(text[at[0]:at[1]])
		w[1], w[2] = w[2], w[1]
		broken[fmt.Sprintf("swapped-%d-%s", i, w)] = text[:at[0]] + string(w) + text[at[1]:]
	}
	for i, c := range "{}()[]:=\",#|\x00" {
		broken[fmt.Sprintf("with-%d", i)] = strings.Replace(text, "violation contains", string(c)+" violation contains", 1)
	}
	broken["nothing"], broken["no-text"], broken["a-bom"] = "", "package guardrails.one\n\xff\xfe", "\ufeffpackage guardrails.one"
	refused := 0
	for name, text := range broken {
		_, err := LoadLibrary(shared, Source{Name: "dir", FS: fstest.MapFS{"one.rego": {Data: []byte(text)}}})
		if err == nil {
			continue
		}
		refused++
		inWordsOnly(t, name, err.Error())
		for line := range strings.Lines(err.Error()) {
			if !regexp.MustCompile(`^dir/one\.rego(:\d+)?: \S`).MatchString(line) {
				t.Errorf("%s: no file and line: %s", name, line)
			}
		}
	}
	if refused < 100 {
		t.Errorf("only %d of %d are refused", refused, len(broken))
	}
}

// All that is wrong is told at once, in order, although OPA stops at the first stage.
func TestAllThatIsWrongIsToldAtOnce(t *testing.T) {
	_, err := library(map[string]string{
		"a.rego": metadata + `#   kinds: [Pod]
#   parameters: {properties: {team: {type: string}}}
package guardrails.a
import data.lib.pathz
violation contains {"msg": "1"} if http.sendd({})
violation contains {"msg": "2"} if input.request.object.spec.contianers
violation contains {"msg": "3"} if input.parameters.teams == "a"
violation contains {"msg": "4"} if netpol.openned({"from": {}, "to": {}})
violation contains {"msg": "5"} if some c in netpol.opened({"form": {}, "to": input.parameters.team})
violation contains {"msg": mgs} if msg := "6"
violation contains {"msg": "7"} if input.request.oldObject.metadata.lables.a
violation contains {"msg": "8"} if data.lib.wrds.a == 1
`,
		"b.rego":   "package guardrails.b\nviolation contains {\n",
		"lib.rego": "package lib.words\na := 1\n",
	})
	if err == nil {
		t.Fatal("it loads")
	}
	golden(t, filepath.Join("testdata", "all-errors.golden"), err.Error()+"\n")
	inWordsOnly(t, "all", err.Error())
}

// A guardrail of one kind may compare with null, and read what bindings have.
func TestWhatIsTypedAndWhatIsNot(t *testing.T) {
	for name, tc := range map[string]struct {
		kinds, body string
		refused     string
	}{
		"AField":                {"Pod", `input.request.object.spec.hostNetwork`, ""},
		"MisspeltField":         {"Pod", `input.request.object.spec.hostNetwrk`, "did you mean hostNetwork?"},
		"ByAVariable":           {"Pod", `some c in input.request.object.spec.containers; c.imgae == "x"`, "did you mean image?"},
		"OfReview":              {"NetworkPolicy", `input.review.object.spec.podSelectr`, "did you mean podSelector?"},
		"TwoKinds":              {"Pod, Namespace", `input.request.object.spec.hostNetwrk`, ""},
		"AKindOfOtherAPIs":      {"Service", `input.request.object.spec.anything`, ""},
		"AnyLabel":              {"Pod", `input.request.object.metadata.labels.whatever`, ""},
		"PortsAreNamesOrNumber": {"Pod", `input.request.object.spec.containers[_].livenessProbe.httpGet.port == "http"`, ""},
		"Binding":               {"Pod", `input.request.object.target.name == "node"`, ""},
		"ComparedWithNull":      {"Pod", `input.request.oldObject == null; input.request.object.spec.hostNetwrk`, ""},
		"QuantityIsAnything":    {"Pod", `input.request.object.spec.containers[_].resources.limits.cpu == 1`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := library(map[string]string{"a.rego": metadata + "#   kinds: [" + tc.kinds + "]\npackage guardrails.a\nviolation contains \"x\" if {\n" + strings.ReplaceAll(tc.body, "; ", "\n") + "\n}\n"})
			switch {
			case tc.refused == "" && err != nil:
				t.Error(err)
			case tc.refused != "" && (err == nil || !strings.Contains(err.Error(), tc.refused)):
				t.Errorf("got %v, want %q", err, tc.refused)
			}
		})
	}
}

// What cannot be answered for many objects is said once.
func TestOneErrorForManyObjects(t *testing.T) {
	var u Unanswered
	for _, name := range []string{"a", "b", "b", "c"} {
		u.Add("Pod shop/"+name, fmt.Errorf("a.rego:1: broken"))
	}
	u.Add("Pod shop/d", fmt.Errorf("a.rego:2: broken"))
	want := "Pod shop/a and 3 others: a.rego:1: broken\nPod shop/d: a.rego:2: broken"
	if got := u.Err().Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
