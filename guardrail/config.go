package guardrail

import (
	"bytes"
	_ "embed" // the default configuration
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/podcullis/podcullis/cluster/selector"
)

// The identity of a configuration file.
const (
	ConfigAPIVersion = "podcullis.io/v1alpha1"
	ConfigKind       = "Guardrails"
)

// DefaultConfig is the configuration that holds when none is given.
//
//go:embed default.yaml
var DefaultConfig []byte

// Config is a configuration file: which guardrails apply to what.
type Config struct {
	APIVersion string      `yaml:"apiVersion"`
	Kind       string      `yaml:"kind"`
	Exclude    Exclude     `yaml:"exclude"`
	Guardrails []Instance  `yaml:"guardrails"`
	Exemptions []Exemption `yaml:"exemptions"`
	// PodNetwork are the CIDRs from which pods get their addresses; see
	// connectivity.Options.
	PodNetwork []string `yaml:"podNetwork"`
	// ExtraWorkloads are kinds of other APIs that make pods.
	ExtraWorkloads []ExtraWorkload `yaml:"extraWorkloads"`
	// Messages is what answers at admission tell; empty leaves it to the server, which
	// knows who calls.
	Messages Messages `yaml:"messages"`

	podNetwork []netip.Prefix
	revision   string // of the bundle that it is from
	validator  *configValidator
	only       *string // the constraint that alone is asked, empty for none; nil is all
	toExtend   bool    // may have no guardrail, as more than the file says will be in force
	beside     int     // how many of the guardrails are not in the file
	anyObject  bool    // of any kind may a template of Gatekeeper read, as tests say what there is
}

// FromBundle says of which revision of a bundle the configuration is.
func (c *Config) FromBundle(revision string) { c.revision = revision }

// Messages is what answers at admission tell.
type Messages string

// What there is to choose from.
const (
	// FullMessages name whatever has to do with a violation.
	FullMessages Messages = "full"
	// OwnNamespaceMessages name nothing of other namespaces than the change's own.
	OwnNamespaceMessages Messages = "own-namespace"
)

// Network is PodNetwork as parsed.
func (c *Config) Network() []netip.Prefix { return slices.Clone(c.podNetwork) }

// Exclude are the objects that nobody judges. They stay in the model.
type Exclude struct {
	Namespaces []string `yaml:"namespaces"`
}

// Instance is one use of a Rego guardrail.
type Instance struct {
	// Name is unique and shown in messages.
	Name       string         `yaml:"name"`
	Guardrail  string         `yaml:"guardrail"`
	Action     Action         `yaml:"action"`
	Match      Match          `yaml:"match"`
	Parameters map[string]any `yaml:"parameters"`
	// Exemptible is set when objects of kind Exemption may exempt from it, too.
	Exemptible bool `yaml:"exemptible"`
	// What people want to know of it; see About.
	Description string `yaml:"description"`
	Owner       string `yaml:"owner"`
	Link        string `yaml:"link"`
}

// Match chooses objects. What is left empty matches everything.
type Match struct {
	Namespaces         []string       `yaml:"namespaces"`
	ExcludedNamespaces []string       `yaml:"excludedNamespaces"`
	NamespaceSelector  map[string]any `yaml:"namespaceSelector"`
	Kinds              kindList       `yaml:"kinds"`
	// Workloads are names, or kind/name; of exemptions only.
	Workloads []string `yaml:"workloads"`
	// Netpols are names of NetworkPolicies, Users and Groups those of who makes the
	// change; of exemptions only.
	Netpols []string `yaml:"netpols"`
	Users   []string `yaml:"users"`
	Groups  []string `yaml:"groups"`

	selector selector.Selector
}

// Exemption lets the violations of some guardrails pass, for some objects, until a day.
type Exemption struct {
	Name       string   `yaml:"name"`
	Guardrails []string `yaml:"guardrails"`
	Match      Match    `yaml:"match"`
	Reason     string   `yaml:"reason"`
	// Expires is the last day (UTC) on which it holds, YYYY-MM-DD; empty means never.
	Expires string `yaml:"expires"`

	until time.Time
	home  string // see Granted
}

// Expired reports whether the exemption no longer holds.
func (x Exemption) Expired(now time.Time) bool { return !x.until.IsZero() && !now.Before(x.until) }

// ParseConfig reads a configuration, strictly. Every error names the file, the
// line and the field. What concerns the guardrails' own parameters is checked by New.
func ParseConfig(file string, text []byte) (*Config, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, yamlError(file, err)
	}
	if root.IsZero() {
		return nil, fmt.Errorf("%s:1: is empty: want apiVersion: %s and kind: %s", file, ConfigAPIVersion, ConfigKind)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	c := &Config{}
	if err := d.Decode(c); err != nil {
		return nil, yamlError(file, err)
	}
	var extra yaml.Node
	switch err := d.Decode(&extra); {
	case err == nil:
		return nil, fmt.Errorf("%s:%d: a second document: one file holds one configuration", file, extra.Line)
	case !errors.Is(err, io.EOF):
		return nil, yamlError(file, err)
	}
	v := &configValidator{file: file, root: &root}
	v.check(c)
	if err := v.err(); err != nil {
		return nil, err
	}
	c.validator = v
	return c, nil
}

var (
	yamlLine     = regexp.MustCompile(`^\s*(?:yaml: )?line (\d+): (.*)$`)
	unknownField = regexp.MustCompile(`^field (\S+) not found in type (\S+)$`)
)

// yamlError turns the YAML library's errors into "file:line: what".
func yamlError(file string, err error) error {
	var list []error
	for _, text := range strings.Split(err.Error(), "\n") {
		if m := yamlLine.FindStringSubmatch(text); m != nil {
			what := yamlWords(m[2])
			if u := unknownField.FindStringSubmatch(what); u != nil {
				what = fmt.Sprintf("unknown field %q; known here: %s", u[1], knownFields(u[2]))
			}
			list = append(list, fmt.Errorf("%s:%s: %s", file, m[1], what))
		}
	}
	if len(list) == 0 {
		return fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return errors.Join(list...)
}

func knownFields(goType string) string {
	return map[string]string{
		"guardrail.Config":    "apiVersion, kind, exclude, guardrails, exemptions, podNetwork, extraWorkloads, messages",
		"guardrail.Exclude":   "namespaces",
		"guardrail.Instance":  "name, guardrail, action, match, parameters, exemptible, description, owner, link",
		"guardrail.Match":     "namespaces, excludedNamespaces, namespaceSelector, kinds; of an exemption also workloads, netpols, users, groups",
		"guardrail.Exemption": "name, guardrails, match, reason, expires",
	}[goType]
}
