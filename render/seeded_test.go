package render_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/render"
)

// A chart renders to the same whenever it is rendered, whatever its templates ask
// of chance and time; and differs nowhere else when a template is added.
func TestSeeded(t *testing.T) {
	lines := []string{
		`a: {{ randAlphaNum 8 }}`,
		`b: {{ randAlphaNum 8 }}`,
		`c: {{ randAlpha 8 | lower }} {{ randNumeric 4 }} {{ randAscii 9 | quote }} {{ randBytes 12 }} {{ randInt 5 9 }}`,
		`d: {{ uuidv4 }} {{ shuffle "abcdefgh" }} {{ now | date "20060102150405" }} {{ now | unixEpoch }} {{ ago (now) }}`,
		`e: {{ $ca := genCA "ca" 365 }}{{ $ca.Cert | b64enc }} {{ (genSignedCert "x" nil (list "x") 365 $ca).Key | b64enc }}`,
		`f: {{ (genSelfSignedCert "x" nil nil 365).Cert | sha256sum }} {{ genPrivateKey "rsa" | sha256sum }}`,
		`g: {{ (genCAWithKey "ca" 365 (genPrivateKey "ecdsa")).Cert | sha256sum }} {{ (buildCustomCert ("a" | b64enc) ("b" | b64enc)).Key }}`,
		`h: {{ bcrypt "x" }} {{ htpasswd "u" "p" }} {{ encryptAES "secret" "x" }} {{ encryptAES "secret" "x" | decryptAES "secret" }}`,
		`i: {{ keys .Values.many | join "," }} {{ values .Values.many | join "," }}`,
	}
	render := func(more string) map[string]string {
		dir := unpack(t, `
-- Chart.yaml --
{apiVersion: v2, name: a, version: 1.0.0}
-- values.yaml --
many: {a: 1, b: 2, c: 3, d: 4, e: 5, f: 6}
-- templates/_helper.tpl --
{{- define "name" }}{{ randAlphaNum 5 }}{{ end -}}
-- templates/m.yaml --
`+strings.Join(lines, "\n")+`
-- templates/n.yaml --
a: {{ randAlphaNum 8 }}
b: {{ include "name" . }}
`+more)
		texts, err := render.Chart{Path: dir}.Render(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, x := range texts {
			out[x.Name[len(dir):]] = string(x.Data)
		}
		return out
	}
	first, again := render(""), render("-- templates/z.yaml --\na: {{ randAlphaNum 8 }}{{ include \"name\" . }}\n")
	if !maps.Equal(first, maps.Collect(func(yield func(string, string) bool) {
		for k, v := range again {
			if k != "/templates/z.yaml" && !yield(k, v) {
				return
			}
		}
	})) {
		t.Errorf("rendered twice (-first +again):\n%s", cmp.Diff(first, again))
	}
	var values []string
	for _, text := range slices.Sorted(maps.Values(again)) {
		for line := range strings.Lines(text) {
			if key, value, _ := strings.Cut(strings.TrimSpace(line), ": "); key == "a" || key == "b" {
				values = append(values, value)
			}
		}
	}
	slices.Sort(values)
	if n := len(values); n != 5 || len(slices.Compact(values)) != n {
		t.Errorf("different calls give the same: %v", values)
	}
	if m := first["/templates/m.yaml"]; !strings.Contains(m, "i: a,b,c,d,e,f 1,2,3,4,5,6") || !strings.Contains(m, " x\ni:") || !strings.Contains(m, " b\nh:") || !strings.Contains(m, " 20260101000000 1767225600 0s\n") {
		t.Errorf("got %s", m)
	}
}
