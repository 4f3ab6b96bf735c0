package guardrail

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/podcullis/podcullis/policies"
)

func embedded(t testing.TB) *Library {
	t.Helper()
	l, err := LoadLibrary(Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// library compiles guardrails that a test writes, by file name.
func library(files map[string]string) (*Library, error) {
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return LoadLibrary(Source{Name: "dir", FS: tree})
}

func configure(file, text string, l *Library) (*Engine, error) {
	c, err := ParseConfig(file, []byte(text))
	if err != nil {
		return nil, err
	}
	return New(l, c)
}

// TestConfigErrors has one configuration a section of testdata/config-errors.txtar,
// and the words about it in config-errors.golden.
func TestConfigErrors(t *testing.T) {
	a, err := txtar.ParseFile(filepath.Join("testdata", "config-errors.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	l := embedded(t)
	var b strings.Builder
	for _, f := range a.Files {
		_, err := configure(f.Name, string(f.Data), l)
		if err == nil {
			t.Errorf("%s is accepted", f.Name)
			continue
		}
		b.WriteString(err.Error() + "\n")
		for _, line := range strings.Split(err.Error(), "\n") {
			if !strings.HasPrefix(line, f.Name+":") {
				t.Errorf("%s: the error %q does not begin with the file and line", f.Name, line)
			}
		}
	}
	golden(t, filepath.Join("testdata", "config-errors.golden"), b.String())
}

func TestTheDefaultConfigHolds(t *testing.T) {
	if _, err := configure("default.yaml", string(DefaultConfig), embedded(t)); err != nil {
		t.Error(err)
	}
}

func TestAReloadThatFailsKeepsTheLastGoodSet(t *testing.T) {
	l := embedded(t)
	e, err := configure("good", string(DefaultConfig), l)
	if err != nil {
		t.Fatal(err)
	}
	bad, err := ParseConfig("bad", []byte(strings.Replace(string(DefaultConfig), "guardrail: default-deny", "guardrail: nothing", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Reload(l, bad); err == nil {
		t.Fatal("a configuration with an unknown guardrail is taken")
	}
	if got := e.Guardrails(); len(got) != 1 || got[0] != "default-deny" {
		t.Errorf("after a reload that failed the guardrails are %v, want [default-deny]", got)
	}
}

func TestNoEngineIsReturnedWithAnError(t *testing.T) {
	c, err := ParseConfig("bad", []byte(strings.Replace(string(DefaultConfig), "guardrail: default-deny", "guardrail: nothing", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if e, err := New(embedded(t), c); err == nil || e != nil {
		t.Errorf("New = %v, %v, want nil and an error: an empty engine panics when asked", e, err)
	}
}

func TestAnExemptionHoldsUntilTheEndOfItsLastDay(t *testing.T) {
	c, err := ParseConfig("c", []byte(strings.TrimSpace(string(DefaultConfig))+`
exemptions:
- {name: x, guardrails: [default-deny], reason: r, expires: 2027-01-31}
- {name: forever, guardrails: [default-deny], reason: r}
`))
	if err != nil {
		t.Fatal(err)
	}
	east := time.FixedZone("east", 9*3600)
	for moment, want := range map[time.Time]bool{
		time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC):            false,
		time.Date(2027, 1, 31, 23, 59, 59, 999999999, time.UTC): false,
		time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC):             true,
		time.Date(2027, 2, 1, 8, 59, 0, 0, east):                false, // still 31 January UTC
		time.Date(2027, 2, 1, 9, 0, 0, 0, east):                 true,
		time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC):            false,
		time.Date(2099, 12, 31, 23, 59, 59, 0, time.UTC):        true,
	} {
		if got := c.Exemptions[0].Expired(moment); got != want {
			t.Errorf("at %s expired = %t, want %t", moment, got, want)
		}
		if c.Exemptions[1].Expired(moment) {
			t.Errorf("an exemption without a last day has expired at %s", moment)
		}
	}
}
