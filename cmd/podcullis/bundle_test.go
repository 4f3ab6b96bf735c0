package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/podcullis/podcullis/guardrail/bundle/bundletest"
)

// desk is a folder with what goes into a bundle, and the command line.
type desk struct {
	t   *testing.T
	dir string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t, t.TempDir()}
	key := bundletest.NewKey(t)
	d.write("key.pem", string(key.Private))
	d.write("team.pem", string(key.Public))
	d.write("stranger.pem", string(bundletest.NewKey(t).Public))
	d.write("guardrails.yaml", "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n- {name: isolated, guardrail: default-deny, action: deny}\n- {name: team, guardrail: team, action: deny}\n")
	d.write("rego/team.rego", `# METADATA
# title: Teams are named
# description: Every pod says whose it is.
# custom:
#   severity: low
#   kinds: [Pod]
package guardrails.team

violation contains {"msg": "no team"} if not input.request.object.metadata.labels.team
`)
	d.write("pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {containers: [{name: web, image: web}]}\n")
	d.write("cluster.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")
	return d
}

func (d *desk) write(name, text string) {
	d.t.Helper()
	file := filepath.Join(d.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// run runs a command in which a name that begins with @ is in the folder, and returns all that it writes.
func (d *desk) run(want int, line string) string {
	d.t.Helper()
	var out bytes.Buffer
	args := strings.Fields(strings.NewReplacer(" @", " "+d.dir+"/", "=@", "="+d.dir+"/").Replace(line))
	if code := run(d.t.Context(), args, strings.NewReader(""), &out, &out); code != want {
		d.t.Errorf("podcullis %s: exit code %d, want %d\n%s", line, code, want, out.String())
	}
	return strings.ReplaceAll(out.String(), d.dir+"/", "@")
}

func (d *desk) says(got string, wants ...string) {
	d.t.Helper()
	for _, want := range wants {
		if !strings.Contains(got, want) {
			d.t.Errorf("want %q in:\n%s", want, got)
		}
	}
}

const fromBuild = "bundle build --config @guardrails.yaml --policy-dir @rego --revision v12 --serial 12 -o @b.tar.gz"

func TestABundleFromItsBuildToItsUse(t *testing.T) {
	d := newDesk(t)
	d.says(d.run(0, fromBuild), "@b.tar.gz: revision v12, digest ", "3 files", "not signed yet")
	first, err := os.ReadFile(filepath.Join(d.dir, "b.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	d.run(0, fromBuild)
	if again, err := os.ReadFile(filepath.Join(d.dir, "b.tar.gz")); err != nil || !bytes.Equal(first, again) {
		t.Error("built twice it is another bundle")
	}
	d.says(d.run(1, "bundle verify @b.tar.gz --key @team.pem"), "refused: unsigned: the bundle is not signed")
	d.says(d.run(0, "bundle verify @b.tar.gz --allow-unsigned"), "good: revision v12", "unsigned")
	d.says(d.run(0, "bundle sign @b.tar.gz --key @key.pem --key-id team --scope prod"), `signed by "team" with ES256`)
	d.says(d.run(0, "bundle verify @b.tar.gz --key team=@team.pem --scope prod"), `good: revision v12`, `signed by "team" with ES256`)
	d.says(d.run(1, "bundle verify @b.tar.gz --key team=@stranger.pem --scope prod"), "refused: signature:")
	d.says(d.run(1, "bundle verify @b.tar.gz --key other=@team.pem --scope prod"), "refused: key:")
	d.says(d.run(1, "bundle verify @b.tar.gz --key @team.pem"), "refused: scope:", `want ""`)
	d.says(d.run(0, "bundle inspect @b.tar.gz"), "revision   v12", "serial     12", `by the key "team" with ES256, of 3 files; not verified here`, "scope      prod", "guardrail  team (team, deny)", "rego/team.rego")
	var seen struct {
		Kind      string
		Revision  string
		Signature struct{ KeyID string }
		Files     []struct{ Name string }
	}
	if err := json.Unmarshal([]byte(d.run(0, "bundle inspect @b.tar.gz -o json")), &seen); err != nil || seen.Kind != "Bundle" || seen.Revision != "v12" || seen.Signature.KeyID != "team" || len(seen.Files) != 4 {
		t.Errorf("inspect -o json: %+v, %v", seen, err)
	}
	const from = " --bundle @b.tar.gz --bundle-key @team.pem --bundle-scope prod"
	d.says(d.run(1, "check -f @pod.yaml"+from), "isolated", "team")
	d.says(d.run(1, "review -f @cluster.yaml --create @pod.yaml"+from), "[isolated]", "[team] no team")
	d.says(d.run(1, "audit -f @cluster.yaml -f @pod.yaml"+from), "isolated")
	d.says(d.run(0, "eval team -f @cluster.yaml --create @pod.yaml"+from), "team was asked")
	d.says(d.run(2, "check -f @pod.yaml --bundle @b.tar.gz"), "no --bundle-key was given")
	d.says(d.run(2, "check -f @pod.yaml --bundle @b.tar.gz --bundle-key @stranger.pem --bundle-scope prod"), "by none of the trusted keys")
	d.says(d.run(2, "check -f @pod.yaml --config @guardrails.yaml"+from), "--bundle and --config or --policy-dir: a bundle holds both")
	d.says(d.run(2, "check -f @pod.yaml --bundle-key @team.pem"), "--bundle-key is about a bundle, and none was given")
}

func TestABundleGoesToARegistryAndComesBack(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	at := "oci+http://" + strings.TrimPrefix(server.URL, "http://") + "/team/guardrails"
	d := newDesk(t)
	d.run(0, fromBuild)
	d.says(d.run(0, "bundle push @b.tar.gz "+at+":prod"), "note: the bundle is not signed")
	d.run(0, "bundle sign @b.tar.gz --key @key.pem")
	pushed := strings.TrimSpace(d.run(0, "bundle push @b.tar.gz "+at+":prod"))
	if !regexp.MustCompile(`^` + regexp.QuoteMeta(at) + `@sha256:[0-9a-f]{64}$`).MatchString(pushed) {
		t.Fatalf("push says %q", pushed)
	}
	d.says(d.run(0, "bundle verify "+pushed+" --key @team.pem"), "good: revision v12")
	d.says(d.run(0, "bundle inspect "+at+":prod"), "revision   v12")
	d.says(d.run(2, "bundle verify "+at+":gone --key @team.pem"), "not found")
	d.says(d.run(2, "bundle push @b.tar.gz https://registry.example/b.tar.gz"), "is no registry")
}

func TestWhatIsNoBundleIsSaid(t *testing.T) {
	d := newDesk(t)
	d.write("typo.yaml", "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n- {name: isolated, guardrail: default-denny, action: deny}\n")
	d.says(d.run(2, "bundle build --config @typo.yaml -o @x.tar.gz"), `@typo.yaml:4: guardrails[0].guardrail: no guardrail "default-denny"`)
	if _, err := os.Stat(filepath.Join(d.dir, "x.tar.gz")); err == nil {
		t.Error("a bundle that does not load was written")
	}
	d.says(d.run(2, "bundle build -o @x.tar.gz"), "no --config was given")
	d.says(d.run(2, "bundle build --config @guardrails.yaml --policy-dir @rego --serial -1"), "--serial must be from 0")
	d.says(d.run(2, "bundle sign @b.tar.gz --key @team.pem"), "--key @team.pem: is a PUBLIC KEY: want PRIVATE KEY")
	d.says(d.run(2, "bundle sign @gone.tar.gz --key @key.pem"), "no such file")
	d.says(d.run(2, "bundle sign @pod.yaml --key @key.pem"), "@pod.yaml: is no gzipped tar archive")
	d.says(d.run(2, "bundle inspect @pod.yaml"), "is no gzipped tar archive")
	d.says(d.run(1, "bundle verify @pod.yaml --key @team.pem"), "refused: broken")
	d.says(d.run(2, "bundle verify @pod.yaml"), "no --key was given")
	d.says(d.run(2, "bundle verify"), "want one bundle")
	d.run(0, fromBuild)
	d.says(d.run(2, "bundle sign @b.tar.gz --key @key.pem --algorithm RS256"), "sign by RS256")
}

// A bundle without the constraints of a folder would deny less than the folder.
func TestBundlesHoldNothingOfGatekeeper(t *testing.T) {
	d := newDesk(t)
	d.write("rego/t.yaml", `apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: owned}
spec:
  crd: {spec: {names: {kind: Owned}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package owned
      violation[{"msg": "no owner"}] { not input.review.object.metadata.labels.owner }
`)
	d.write("rego/sub/c.yaml", "---\napiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Owned\nmetadata: {name: all}\n")
	refused := func() {
		t.Helper()
		d.says(d.run(2, fromBuild),
			"error: @rego/t.yaml:1: template Owned cannot go into a bundle: ", "error: @rego/sub/c.yaml:2: constraint Owned/all cannot go into a bundle: ",
			"hint: give servers the directory itself")
		if _, err := os.Stat(filepath.Join(d.dir, "b.tar.gz")); err == nil {
			t.Error("a bundle was written")
		}
	}
	refused()
	// Constraints alone: what is wrong is said of the files that there are, not of the bundle's.
	d.write("guardrails.yaml", "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails: []\n")
	refused()
}
