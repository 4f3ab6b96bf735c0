package report

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"

	kjson "sigs.k8s.io/json"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// KindBaseline is the kind of a baseline.
const KindBaseline = "Baseline"

// Baseline is what was wrong once, and is known.
type Baseline struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Items are sorted, so that two versions of a file differ where the findings do.
	Items []BaselineItem `json:"items"`
}

// BaselineItem is a finding or a remark. It is known again by its fingerprint; the rest is
// for those who read the file.
type BaselineItem struct {
	Fingerprint string      `json:"fingerprint"`
	Guardrail   string      `json:"guardrail"`
	Object      *jsonObject `json:"object,omitempty"`
	Message     string      `json:"message"`
}

// String says it in a line: "[default-deny] Pod shop/a: ...".
func (i BaselineItem) String() string {
	text := "[" + i.Guardrail + "] "
	if o := i.Object; o != nil {
		text += title(cluster.Ref{Namespace: o.Namespace, Kind: o.Kind, Name: o.Name}) + ": "
	}
	return line(text + i.Message)
}

// Baseline is all that a result has to tell but what is exempted, which never counts.
func (r *Result) Baseline() Baseline {
	all := *r
	all.Findings = slices.Concat(r.Known, r.Findings)
	b := Baseline{APIVersion: APIVersion, Kind: KindBaseline, Items: []BaselineItem{}}
	for _, e := range all.sorted().Entries() {
		if e.ID == isExempted && e.Remark() {
			continue
		}
		item := BaselineItem{Fingerprint: e.Fingerprint, Guardrail: e.ID, Message: e.Summary}
		if e.Object != (cluster.Ref{}) {
			o := objectOf(e.Object)
			item.Object = &o
		}
		b.Items = append(b.Items, item)
	}
	slices.SortStableFunc(b.Items, func(x, y BaselineItem) int {
		return cmp.Or(cmp.Compare(x.Guardrail, y.Guardrail), cmp.Compare(x.String(), y.String()), cmp.Compare(x.Fingerprint, y.Fingerprint))
	})
	return b
}

// sorted has the findings in the order in which they are numbered.
func (r *Result) sorted() *Result {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(a.Object.Compare(b.Object), cmp.Compare(a.Guardrail, b.Guardrail), cmp.Compare(a.Message, b.Message))
	})
	return r
}

// Write writes the baseline as JSON.
func (b Baseline) Write(w io.Writer) error { return writeJSON(w, b) }

var fingerprintForm = regexp.MustCompile(`^[0-9a-f]{32}(-[1-9][0-9]*)?$`)

// ParseBaseline reads a baseline, strictly: one that was not understood could hide anything.
func ParseBaseline(file string, text []byte) (Baseline, error) {
	var b Baseline
	strict, err := kjson.UnmarshalStrict(text, &b)
	if err = errors.Join(append(strict, err)...); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return b, fmt.Errorf("%s: no JSON: %w", file, err)
		}
		return b, fmt.Errorf("%s: %w", file, err)
	}
	if b.APIVersion != APIVersion || b.Kind != KindBaseline {
		return b, fmt.Errorf("%s: apiVersion %q and kind %q, want %s and %s", file, b.APIVersion, b.Kind, APIVersion, KindBaseline)
	}
	for i, item := range b.Items {
		if !fingerprintForm.MatchString(item.Fingerprint) {
			return b, fmt.Errorf("%s: items[%d].fingerprint: %q is none: want 32 hexadecimal digits", file, i, item.Fingerprint)
		}
	}
	return b, nil
}

// Since takes out of a result what a baseline names: findings become Known, remarks go.
// What it names and is not there any more is Gone.
func (r *Result) Since(b Baseline) {
	named := map[string]bool{}
	for _, item := range b.Items {
		named[item.Fingerprint] = true
	}
	there := map[string]bool{}
	known := func(print string) bool {
		there[print] = true
		return named[print]
	}
	prints := fingerprinter{}
	var found []Finding
	for _, f := range r.sorted().Findings {
		f.Fingerprint = prints.finding(f)
		if known(f.Fingerprint) {
			r.Known = append(r.Known, f)
		} else {
			found = append(found, f)
		}
	}
	r.Findings = found
	// Remarks are told apart by what they say: two of the same words are the same to people.
	dropped := map[string]bool{}
	for _, m := range r.remarks() {
		if m.id != isExempted && known(prints.remark(m)) {
			dropped[m.id+"\x00"+m.text] = true
			r.KnownRemarks++
		}
	}
	r.keep(func(m remark) bool { return !dropped[m.id+"\x00"+m.text] })
	for _, item := range b.Items {
		if !there[item.Fingerprint] {
			r.Gone = append(r.Gone, item)
		}
	}
}

// keep keeps some of the remarks, each with what it is made of.
func (r *Result) keep(want func(remark) bool) {
	one := func(part Result) bool {
		for _, m := range part.remarks() {
			return want(m)
		}
		return true
	}
	r.Unread = slices.DeleteFunc(slices.Clone(r.Unread), func(x Unread) bool { return !one(Result{Unread: []Unread{x}}) })
	r.Unmodelled = slices.DeleteFunc(slices.Clone(r.Unmodelled), func(x Unmodelled) bool { return !one(Result{Unmodelled: []Unmodelled{x}}) })
	r.Noted = slices.DeleteFunc(slices.Clone(r.Noted), func(x Noted) bool { return !one(Result{Noted: []Noted{x}}) })
	r.Unjudged = slices.DeleteFunc(slices.Clone(r.Unjudged), func(x Unjudged) bool { return !one(Result{Unjudged: []Unjudged{x}}) })
	r.Unmatched = slices.DeleteFunc(slices.Clone(r.Unmatched), func(x Unmatched) bool { return !one(Result{Unmatched: []Unmatched{x}}) })
	r.Expired = slices.DeleteFunc(slices.Clone(r.Expired), func(x guardrail.Exemption) bool { return !one(Result{Expired: []guardrail.Exemption{x}}) })
}
