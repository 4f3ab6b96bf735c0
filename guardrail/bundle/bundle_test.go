package bundle_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	opa "github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/compile"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/bundle"
	"github.com/podcullis/podcullis/guardrail/bundle/bundletest"
	"github.com/podcullis/podcullis/policies"
)

const (
	configText = "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n- {name: isolated, guardrail: default-deny, action: deny}\n"
	labelRego  = `# METADATA
# title: Teams are named
# description: Every pod says whose it is.
# custom:
#   severity: low
#   kinds: [Pod]
package guardrails.team

violation contains {"msg": "no team"} if not input.request.object.metadata.labels.team
`
)

var signedAt = time.Date(2026, 11, 27, 9, 30, 0, 0, time.UTC)

func embedded() guardrail.Source { return guardrail.Source{Name: guardrail.Embedded, FS: policies.FS} }

// full is a bundle with Rego, and its key.
func full(t testing.TB) ([]byte, bundletest.Key) {
	t.Helper()
	serial := int64(7)
	raw, err := bundle.Build(bundle.Plan{
		Revision: "v7", Serial: &serial, Config: []byte(configText + "- {name: team, guardrail: team, action: warn}\n"),
		Rego: []guardrail.Source{{Name: "mine", FS: fstest.MapFS{"team.rego": {Data: []byte(labelRego)}, "team_test.rego": {Data: []byte("no rego")}, "notes.txt": {Data: []byte("x")}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	key := bundletest.NewKey(t)
	return bundletest.Sign(t, raw, key, "prod", signedAt), key
}

func TestWhatIsBuiltAndSignedIsReadAndLoads(t *testing.T) {
	raw, key := full(t)
	b, err := bundle.Read(raw, bundle.Options{Trust: bundletest.Trust(t, key, "prod")})
	if err != nil {
		t.Fatal(err)
	}
	if b.Revision() != "v7" || !b.Manifest.HasSerial || b.Manifest.Serial != 7 || b.KeyID() != "team" || !b.Signature.Signed.Equal(signedAt) || !b.Ordered() {
		t.Errorf("got %+v, %+v", b.Manifest, b.Signature)
	}
	var names []string
	for _, f := range b.Files {
		names = append(names, f.Name)
	}
	if got := strings.Join(names, " "); got != ".manifest .signatures.json guardrails.yaml rego/team.rego" {
		t.Errorf("it holds %s", got)
	}
	library, config, err := b.Load(embedded())
	if err != nil {
		t.Fatal(err)
	}
	engine, err := guardrail.New(library, config)
	if err != nil {
		t.Fatal(err)
	}
	if engine.Revision() != "v7" || strings.Join(engine.Guardrails(), " ") != "isolated team" {
		t.Errorf("revision %q, guardrails %v", engine.Revision(), engine.Guardrails())
	}
}

// A pipeline that builds twice publishes one bundle.
func TestTheSamePlanMakesTheSameBytes(t *testing.T) {
	a, b := bundletest.Build(t, "v1", 1, configText), bundletest.Build(t, "v1", 1, configText)
	if !bytes.Equal(a, b) {
		t.Error("two builds of one plan differ")
	}
	if bytes.Equal(a, bundletest.Build(t, "v1", 2, configText)) {
		t.Error("another serial makes the same bundle")
	}
}

func TestKeysOfEachKindSignAsOPADoes(t *testing.T) {
	for name, key := range map[string]bundletest.Key{"ECDSA": bundletest.NewKey(t), "RSA": bundletest.NewRSAKey(t, 2048)} {
		t.Run(name, func(t *testing.T) {
			raw := bundletest.Sign(t, bundletest.Build(t, "v1", 1, configText), key, "prod", signedAt)
			algorithm := map[string]string{"ECDSA": "ES256", "RSA": "RS256"}[name]
			// OPA's own reader, with its own verification.
			read, err := opa.NewReader(bytes.NewReader(raw)).WithBundleVerificationConfig(opa.NewVerificationConfig(
				map[string]*opa.KeyConfig{"team": {Key: string(key.Public), Algorithm: algorithm}}, "", "prod", nil)).Read()
			if err != nil {
				t.Fatalf("OPA does not take the bundle: %v", err)
			}
			if read.Manifest.Revision != "v1" {
				t.Errorf("OPA reads the revision %q", read.Manifest.Revision)
			}
			if _, err := bundle.Read(raw, bundle.Options{Trust: bundletest.Trust(t, key, "prod")}); err != nil {
				t.Error(err)
			}
		})
	}
}

// What `opa build` makes of a directory, and signs.
func TestBundlesThatOPABuildsAreTaken(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("rules/team.rego", labelRego)
	write("podcullis/data.yaml", configText)
	write(".manifest", `{"revision": "opa-3", "roots": ["guardrails", "lib", "podcullis"], "metadata": {"podcullis": {"serial": 3}}}`)
	key := bundletest.NewRSAKey(t, 2048)
	build := func(signed bool) []byte {
		t.Helper()
		var out bytes.Buffer
		c := compile.New().WithAsBundle(true).WithPaths(dir).WithOutput(&out).
			WithRegoVersion(ast.RegoV1).WithCapabilities(guardrail.Capabilities())
		if signed {
			c = c.WithBundleSigningConfig(opa.NewSigningConfig(string(key.Private), "RS256", "")).WithBundleVerificationKeyID("ci")
		}
		if err := c.Build(context.Background()); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	public, err := bundle.ParsePublicKey("", key.Public)
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{
		"SignedByOPA": build(true),
		"SignedByUs":  bundletest.Sign(t, build(false), key, "", signedAt),
	} {
		t.Run(name, func(t *testing.T) {
			b, err := bundle.Read(raw, bundle.Options{Trust: bundle.Trust{Keys: []bundle.PublicKey{public}}})
			if err != nil {
				t.Fatal(err)
			}
			if b.Revision() != "opa-3" || b.Manifest.Serial != 3 {
				t.Errorf("manifest %+v", b.Manifest)
			}
			if err := b.Try(embedded()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Each way in which a bundle is not what it should be has its own reason.
func TestRefusals(t *testing.T) {
	good, key := full(t)
	stranger := bundletest.NewKey(t)
	resigned := func(raw []byte) []byte { return bundletest.Sign(t, raw, key, "prod", signedAt) }
	changed := func(name, text string) []byte { return bundletest.With(t, good, name, text) }
	unsigned := bundletest.Without(t, good, ".signatures.json")
	with := func(e bundletest.Entry) []byte {
		return bundletest.Archive(t, append(bundletest.Entries(t, good), e)...)
	}
	forged := func(change func(header, payload map[string]any)) []byte {
		return changed(".signatures.json", forge(t, good, change))
	}
	tests := map[string]struct {
		raw    []byte
		reason bundle.Reason
		says   string
	}{
		"Empty":               {nil, bundle.Broken, "is no gzipped tar archive"},
		"Truncated":           {good[:len(good)-9], bundle.Broken, "the archive is broken"},
		"CutInTheMiddle":      {good[:len(good)/2], bundle.Broken, "the archive is broken"},
		"NoArchive":           {[]byte("<html>log in</html>"), bundle.Broken, "is no gzipped tar archive"},
		"Unsigned":            {unsigned, bundle.Unsigned, "the bundle is not signed"},
		"SignedByAStranger":   {bundletest.Sign(t, unsigned, stranger, "prod", signedAt), bundle.BadSignature, `by none of the trusted keys: team ES256`},
		"AnotherScope":        {bundletest.Sign(t, unsigned, key, "staging", signedAt), bundle.Scope, `signed for the scope "staging": want "prod"`},
		"NoScope":             {bundletest.Sign(t, unsigned, key, "", signedAt), bundle.Scope, `want "prod"`},
		"AFileChanged":        {changed("rego/team.rego", "package guardrails.team\n"), bundle.Tampered, `"rego/team.rego" is not what was signed`},
		"TheConfigChanged":    {changed("guardrails.yaml", strings.Replace(configText, "deny}", "audit}", 1)), bundle.Tampered, `"guardrails.yaml" is not what was signed`},
		"TheManifestChanged":  {changed(".manifest", `{"revision":"v8","roots":["guardrails","lib","podcullis"],"rego_version":1,"metadata":{"podcullis":{"serial":8}}}`), bundle.Tampered, `".manifest" is not what was signed`},
		"AFileAdded":          {changed("rego/more.rego", "package lib.more\n"), bundle.Tampered, `the signature does not name "rego/more.rego"`},
		"AFileGone":           {bundletest.Without(t, good, "rego/team.rego"), bundle.Tampered, `the signature names "rego/team.rego", which the bundle lacks`},
		"AFileTwice":          {with(bundletest.File("guardrails.yaml", configText)), bundle.Broken, `"guardrails.yaml" is in the archive twice`},
		"AFileTwiceByASlash":  {with(bundletest.File("/guardrails.yaml", configText)), bundle.Broken, `"guardrails.yaml" is in the archive twice`},
		"ASignatureTwice":     {with(bundletest.File("./.signatures.json", "{}")), bundle.Broken, `".signatures.json" is in the archive twice`},
		"AboveTheRoot":        {with(bundletest.File("../../etc/x.rego", "x")), bundle.Broken, "is no name of a file within the bundle"},
		"AboveInTheMiddle":    {with(bundletest.File("rego/../../x.rego", "x")), bundle.Broken, "is no name of a file within the bundle"},
		"ABackslash":          {with(bundletest.File(`rego\..\x.rego`, "x")), bundle.Broken, "is no name of a file within the bundle"},
		"ASymlink":            {with(bundletest.Entry{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: "rego/x.rego", Linkname: "/etc/passwd"}}), bundle.Broken, "is a link or a device"},
		"AHardLink":           {with(bundletest.Entry{Header: tar.Header{Typeflag: tar.TypeLink, Name: "rego/x.rego", Linkname: "rego/team.rego"}}), bundle.Broken, "is a link or a device"},
		"ADevice":             {with(bundletest.Entry{Header: tar.Header{Typeflag: tar.TypeChar, Name: "zero"}}), bundle.Broken, "is a link or a device"},
		"RootsOfOthers":       {resigned(changed(".manifest", `{"roots":["guardrails","system"]}`)), bundle.BadManifest, `roots: "system" is not about guardrails`},
		"RootsThatOverlap":    {resigned(changed(".manifest", `{"roots":["","guardrails"]}`)), bundle.BadManifest, "overlap"},
		"OutsideItsRoots":     {resigned(changed(".manifest", `{"roots":["lib","podcullis"]}`)), bundle.BadManifest, "rego/team.rego: is guardrails.team"},
		"ConfigOutsideRoots":  {resigned(changed(".manifest", `{"roots":["lib","guardrails"]}`)), bundle.BadManifest, "guardrails.yaml: is podcullis"},
		"AnotherRego":         {resigned(changed(".manifest", `{"rego_version":0}`)), bundle.BadManifest, "rego_version 0: guardrails are Rego v1"},
		"AnotherRegoOfAFile":  {resigned(changed(".manifest", `{"file_rego_versions":{"/rego/team.rego":0}}`)), bundle.BadManifest, "rego_version 0"},
		"ASerialThatIsNone":   {resigned(changed(".manifest", `{"metadata":{"podcullis":{"serial":1.5}}}`)), bundle.BadManifest, "metadata.podcullis.serial: want a whole number"},
		"AMisspeltSerial":     {resigned(changed(".manifest", `{"metadata":{"podcullis":{"serail":1}}}`)), bundle.BadManifest, `unknown field "serail"; known here: serial`},
		"ARevisionOfTwoLines": {resigned(changed(".manifest", `{"revision":"a\nb"}`)), bundle.BadManifest, "revision: want one line"},
		"DataNobodyReads":     {resigned(changed("data.json", `{"teams":["a"]}`)), bundle.BadManifest, "data.teams: guardrails read no data of a bundle"},
		"TwoConfigurations":   {resigned(changed("data.json", `{"podcullis":{}}`)), bundle.BadManifest, "two configurations: guardrails.yaml and data.json#/podcullis"},
		"NoConfiguration":     {resigned(bundletest.Without(t, good, "guardrails.yaml")), bundle.BadManifest, "the bundle has no configuration"},
		"Wasm":                {resigned(changed("policy.wasm", "x")), bundle.BadManifest, "guardrails are Rego"},
		"ADelta":              {resigned(changed("patch.json", `{"data":[]}`)), bundle.BadManifest, "a bundle of differences"},
		"AnotherManifest":     {resigned(changed("x/.manifest", `{}`)), bundle.BadManifest, "want one manifest"},
		"AManifestInProtobuf": {resigned(changed(".manifest.pb", "")), bundle.BadManifest, "want one manifest"},
		"AlgorithmNone":       {forged(func(h, _ map[string]any) { h["alg"] = "none" }), bundle.Key, "no trusted key is of that name and kind"},
		"AlgorithmHMAC":       {forged(func(h, _ map[string]any) { h["alg"] = "HS256" }), bundle.Key, "no trusted key is of that name and kind"},
		"AnotherKeyID":        {forged(func(h, _ map[string]any) { h["kid"] = "other" }), bundle.Key, `signed by the key "other"`},
		"AFileListForged":     {forged(func(_, p map[string]any) { p["files"] = p["files"].([]any)[1:] }), bundle.BadSignature, "by none of the trusted keys"},
		"ACriticalHeader":     {forged(func(h, _ map[string]any) { h["crit"] = []string{"b64"}; h["b64"] = false }), bundle.BadSignature, "crit"},
		"NoToken":             {changed(".signatures.json", `{"signatures":["abc"]}`), bundle.BadSignature, "no JSON Web Token"},
		"TwoTokens":           {changed(".signatures.json", `{"signatures":["a.b.c","a.b.c"]}`), bundle.BadSignature, "has 2 signatures: want one"},
		"NoTokens":            {changed(".signatures.json", `{"signatures":[]}`), bundle.BadSignature, "has 0 signatures"},
		"APlugin":             {changed(".signatures.json", `{"signatures":["a.b.c"],"plugin":"mine"}`), bundle.BadSignature, "plugin"},
		"ManyFiles":           {bundletest.Archive(t, many(2001)...), bundle.TooLarge, "more than 2000 files"},
		"ABomb":               {bomb(t, 200<<20), bundle.TooLarge, "unpacks to more than"},
		"ABombAfterTheEnd":    {append(bundletest.Archive(t, bundletest.File("guardrails.yaml", configText)), bomb(t, 200<<20)...), bundle.TooLarge, "unpacks to more than"},
		"ABombOfHoles":        {holes(30), bundle.TooLarge, "unpacks to more than"},
		"ABombOfAliases":      {changed("data.yaml", aliases()), bundle.Tampered, `does not name "data.yaml"`},
		"ABombSigned":         {aliased(t, key), bundle.Tampered, `"data.yaml" is not what was signed`},
		"Huge":                {make([]byte, 9<<20), bundle.TooLarge, "more than 8388608 bytes"},
	}
	trust := bundletest.Trust(t, key, "prod")
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := bundle.Read(test.raw, bundle.Options{Trust: trust})
			if err == nil || bundle.ReasonOf(err) != test.reason || !strings.Contains(err.Error(), test.says) {
				t.Errorf("want %s: ...%s..., got %s: %v", test.reason, test.says, bundle.ReasonOf(err), err)
			}
		})
	}
}

// forge changes a token and keeps its signature.
func forge(t *testing.T, raw []byte, change func(header, payload map[string]any)) string {
	t.Helper()
	for _, e := range bundletest.Entries(t, raw) {
		if e.Name != ".signatures.json" {
			continue
		}
		var list opa.SignaturesConfig
		if err := json.Unmarshal([]byte(e.Text), &list); err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(list.Signatures[0], ".")
		maps := make([]map[string]any, 2)
		for i := range maps {
			text, err := base64.RawURLEncoding.DecodeString(parts[i])
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &maps[i]); err != nil {
				t.Fatal(err)
			}
		}
		change(maps[0], maps[1])
		for i := range maps {
			text, err := json.Marshal(maps[i])
			if err != nil {
				t.Fatal(err)
			}
			parts[i] = base64.RawURLEncoding.EncodeToString(text)
		}
		list.Signatures[0] = strings.Join(parts, ".")
		text, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	t.Fatal("no signature")
	return ""
}

func many(n int) (out []bundletest.Entry) {
	for i := range n {
		out = append(out, bundletest.File("f"+strings.Repeat("x", i%50)+string(rune('a'+i%26))+filepath.Base(time.Duration(i).String()), ""))
	}
	return out
}

// bomb is an archive of a few hundred bytes a megabyte.
func bomb(t *testing.T, size int) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "guardrails.yaml", Size: int64(size), Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for range size >> 20 {
		if _, err := archive.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	archive.Close()
	zipped.Close()
	return out.Bytes()
}

// holes is an archive of files that are 16 MiB of nothing each, in a few hundred bytes.
func holes(n int) []byte {
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	block := func(kind byte, name string, size int) {
		h := make([]byte, 512)
		copy(h, name)
		copy(h[100:], "0000644\x000000000\x000000000\x00")
		copy(h[124:], fmt.Sprintf("%011o\x0000000000000\x00", size))
		copy(h[148:], "        ")
		h[156] = kind
		copy(h[257:], "ustar\x0000")
		sum := 0
		for _, b := range h {
			sum += int(b)
		}
		copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
		zipped.Write(h)
	}
	padded := func(text string) { zipped.Write(append([]byte(text), make([]byte, 512-len(text))...)) }
	record := func(key, value string) string {
		size := len(key) + len(value) + 5
		return fmt.Sprintf("%d %s=%s\n", size, key, value)
	}
	const size = "16777216"
	for i := range n {
		records := record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") + record("GNU.sparse.name", fmt.Sprintf("f%02d.txt", i)) + record("GNU.sparse.realsize", size)
		block('x', "pax", len(records))
		padded(records)
		block('0', "sparse", 512)
		padded("1\n" + size + "\n0\n")
	}
	zipped.Write(make([]byte, 1024))
	zipped.Close()
	return out.Bytes()
}

// aliases is a document of 2^60 parts.
func aliases() string {
	text := "a0: &a0 [x]\n"
	for i := range 60 {
		text += fmt.Sprintf("a%[2]d: &a%[2]d [*a%[1]d, *a%[1]d]\n", i, i+1)
	}
	return text
}

func aliased(t *testing.T, key bundletest.Key) []byte {
	t.Helper()
	raw := bundletest.Sign(t, bundletest.Archive(t, bundletest.File("data.yaml", "podcullis: {}\n")), key, "prod", signedAt)
	return bundletest.With(t, raw, "data.yaml", aliases())
}

func TestWeakHashesProveNothing(t *testing.T) {
	key := bundletest.NewRSAKey(t, 2048)
	list := []opa.FileInfo{{Name: "guardrails.yaml", Hash: "d41d8cd98f00b204e9800998ecf8427e", Algorithm: "MD5"}}
	token, err := opa.GenerateSignedToken(list, opa.NewSigningConfig(string(key.Private), "RS256", ""), "team")
	if err != nil {
		t.Fatal(err)
	}
	raw := bundletest.Archive(t, bundletest.File("guardrails.yaml", ""), bundletest.File(".signatures.json", `{"signatures":["`+token+`"]}`))
	_, err = bundle.Read(raw, bundle.Options{Trust: bundletest.Trust(t, key, "")})
	if bundle.ReasonOf(err) != bundle.BadSignature || !strings.Contains(err.Error(), `signed by its "MD5"`) {
		t.Errorf("got %v", err)
	}
}

// The text of a document is not what is signed, but what it means: a text that OPA's reader and
// ours would understand differently must not be read by us once more.
func TestADocumentIsReadAsItIsSigned(t *testing.T) {
	key := bundletest.NewKey(t)
	manifest := `{"roots":["guardrails","lib","podcullis"]}`
	config := `{"apiVersion":"podcullis.io/v1alpha1","kind":"Guardrails","guardrails":[{"name":"isolated","guardrail":"default-deny","action":"deny"}]}`
	signed := bundletest.Sign(t, bundletest.Archive(t, bundletest.File(".manifest", manifest), bundletest.File("data.json", `{"podcullis":`+config+`}`)), key, "", signedAt)
	read := func(raw []byte) *bundle.Bundle {
		t.Helper()
		b, err := bundle.Read(raw, bundle.Options{Trust: bundletest.Trust(t, key, "")})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	// The same value, with a first reading that says something else.
	twice := bundletest.With(t, signed, "data.json", `{"podcullis":{"guardrails":[],"exclude":{"namespaces":["shop"]}},"podcullis":`+config+`}`)
	c, err := read(twice).Config()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Exclude.Namespaces) != 0 || len(c.Guardrails) != 1 || c.Guardrails[0].Action != guardrail.Deny {
		t.Errorf("another configuration than was signed: %+v", c)
	}
}

func TestAnUnsignedBundleIsTakenByName(t *testing.T) {
	raw := bundletest.Build(t, "v1", -1, configText)
	b, err := bundle.Read(raw, bundle.Options{Trust: bundle.Trust{Unsigned: true}})
	if err != nil {
		t.Fatal(err)
	}
	if b.KeyID() != "" || b.Ordered() {
		t.Error("nobody signed it, and it has no place in an order")
	}
}

// Errors of a bundle name the file in it and the line, as those of files do.
func TestWhatDoesNotLoadIsNamed(t *testing.T) {
	for name, test := range map[string]struct{ config, rego, says string }{
		"RegoThatDoesNotParse":   {configText, "package guardrails.team\n\nviolation contains {", "bundle/rego/team.rego:3"},
		"RegoWithoutABuiltin":    {configText, strings.Replace(labelRego, "if not", `if http.send({"url": "x"}).ok == input.request.name #`, 1), "bundle/rego/team.rego:9: undefined function http.send"},
		"AnUnknownGuardrail":     {strings.Replace(configText, "default-deny", "default-denny", 1), labelRego, `bundle/guardrails.yaml:4: guardrails[0].guardrail: no guardrail "default-denny"`},
		"AnUnknownField":         {configText + "exempt: []\n", labelRego, `bundle/guardrails.yaml:5: unknown field "exempt"`},
		"AGuardrailThatIsThere":  {configText, strings.Replace(labelRego, "guardrails.team", "guardrails.default_deny", 1), "package annotation redeclared: bundle/rego/team.rego:1"},
		"AParameterThatIsNone":   {strings.Replace(configText, "action: deny", "action: deny, parameters: {x: 1}", 1), labelRego, "bundle/guardrails.yaml:4: guardrails[0].parameters.x"},
		"APackageOutsideOfThose": {configText, "package system.x\n", "bundle/rego/team.rego"},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := bundle.Build(bundle.Plan{Config: []byte(test.config), Rego: []guardrail.Source{{Name: "mine", FS: fstest.MapFS{"team.rego": {Data: []byte(test.rego)}}}}})
			if err != nil {
				t.Fatal(err)
			}
			b, err := bundle.Read(raw, bundle.Options{Trust: bundle.Trust{Unsigned: true}})
			if err == nil {
				err = b.Try(embedded())
			} else {
				err = &bundle.Refusal{Reason: bundle.Invalid, Err: err}
				test.says = strings.TrimPrefix(test.says, "bundle/") // the manifest refuses it before
			}
			if err == nil || bundle.ReasonOf(err) != bundle.Invalid || !strings.Contains(err.Error(), test.says) {
				t.Errorf("want %q, got %s: %v", test.says, bundle.ReasonOf(err), err)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	good, _ := full(f)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(bundletest.Build(f, "v1", 1, configText))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := bundle.Read(raw, bundle.Options{Trust: bundle.Trust{Unsigned: true}, Limits: bundle.Limits{Compressed: 1 << 20, Unpacked: 1 << 20, Files: 50}})
		if err != nil {
			return
		}
		if len(b.Digest) != 64 || b.Revision() == "" {
			t.Errorf("read without a digest or revision: %+v", b)
		}
		_, _ = b.Config()
	})
}
