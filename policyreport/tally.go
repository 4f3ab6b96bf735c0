package policyreport

import (
	"cmp"
	"slices"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// info is the severity of what is no violation of a guardrail.
const info = "info"

// Entry is one thing that is wrong.
type Entry struct {
	// Guardrail is the name in the configuration, Rule the Rego guardrail; that is empty for
	// what is no violation of one: a selector that chooses nobody, say.
	Guardrail, Rule string
	Action          guardrail.Action
	Severity        string
	// Object is whom it is about; zero for what is in the configuration only, which Subject
	// names.
	Object      cluster.Ref
	Subject     string
	Message     string
	Fingerprint string
	Owner       string
}

// fails tells whether it counts as a failure; all else is a warning.
func (e *Entry) fails() bool { return e.Rule != "" && e.Action == guardrail.Deny }

// rank orders entries, the worst first.
func (e *Entry) rank() int {
	action := slices.Index([]guardrail.Action{guardrail.Deny, guardrail.Warn, guardrail.AuditOnly}, e.Action)
	return 10*action + slices.Index([]string{"critical", "high", "medium", "low", info}, e.Severity)
}

func compare(a, b Entry) int {
	return cmp.Or(
		cmp.Compare(a.rank(), b.rank()), a.Object.Compare(b.Object),
		cmp.Compare(a.Guardrail, b.Guardrail), cmp.Compare(a.Message, b.Message), cmp.Compare(a.Fingerprint, b.Fingerprint),
	)
}

// Tally is what is wrong in one namespace, or beside all: how much, and as much of it as
// a report lists.
type Tally struct {
	Fail, Warn int

	entries []Entry
}

// Add counts an entry, and keeps it if it may be listed.
func (t *Tally) Add(e Entry) {
	if e.fails() {
		t.Fail++
	} else {
		t.Warn++
	}
	e.Message = guardrail.Cut(e.Message, maxMessage) // nobody else needs to hold what is longer
	if t.entries = append(t.entries, e); len(t.entries) >= 2*MaxResults {
		t.trim()
	}
}

func (t *Tally) trim() {
	slices.SortFunc(t.entries, compare)
	t.entries = slices.Delete(t.entries, min(len(t.entries), MaxResults), len(t.entries))
}

// Listed are the entries that a report lists. Where that is not all, it leaves a place for
// one that says so.
func (t *Tally) Listed() []Entry {
	t.trim()
	if t.Fail+t.Warn > MaxResults {
		return t.entries[:MaxResults-1]
	}
	return t.entries
}

// Tallies are what is wrong, by namespace; empty is the cluster's.
type Tallies map[string]*Tally

// Add counts an entry in the namespace of its object. That of a Namespace is the
// cluster's.
func (t Tallies) Add(e Entry) {
	of := t[e.Object.Namespace]
	if of == nil {
		of = &Tally{}
		t[e.Object.Namespace] = of
	}
	of.Add(e)
}

// Join counts what another one holds.
func (t *Tally) Join(o *Tally) {
	t.Fail, t.Warn = t.Fail+o.Fail, t.Warn+o.Warn
	if t.entries = append(t.entries, o.entries...); len(t.entries) >= 2*MaxResults {
		t.trim()
	}
}

// Join counts what others hold.
func (t Tallies) Join(o Tallies) {
	for namespace, of := range o {
		if t[namespace] == nil {
			t[namespace] = &Tally{}
		}
		t[namespace].Join(of)
	}
}
