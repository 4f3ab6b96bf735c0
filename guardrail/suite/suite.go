package suite

import (
	"encoding/json"
	"regexp"
)

// The identity of a suite.
const (
	APIVersion = "podcullis.io/v1alpha1"
	Kind       = "Suite"
)

// Suite is a document of a file.
type Suite struct {
	File string
	Line int
	// Name is what tests are called by; that of the file where it says none.
	Name  string
	Tests []Test
}

// Test is a change to a cluster, and what the answer has to be.
type Test struct {
	File string
	Line int
	Name string
	// Skip says why it is not run.
	Skip string
	Stage
	// Changes are made one after the other, in the order of create, update, apply and delete.
	Changes    []Change
	Assertions []Assertion
}

// Stage is who judges, and what is there. What a test does not say its suite may.
type Stage struct {
	// Config is a configuration: the name of a file, or an object.
	Config Value
	// Guardrail is a name of the configuration, or a guardrail itself, with Parameters and
	// Action; empty is all of the configuration.
	Guardrail  string
	Parameters Value
	Action     string
	// Exemptions are those of a configuration, a list.
	Exemptions Value
	// Cluster is what is there before: files, folders and objects.
	Cluster []Value
	// Namespaces are labels by name. They are there before, too.
	Namespaces Value
	User       string
	Groups     []string
	// Time is in RFC 3339; empty is now.
	Time string
	// Line is where it is said which guardrail judges.
	Line int
}

// Change is what is done with some objects.
type Change struct {
	// Operation is create, update, apply or delete.
	Operation string
	// Of is the name of a file or folder, an object, or, of a delete, KIND/NAMESPACE/NAME.
	Of Value
}

// Value is a part of a suite in JSON, and where it stands.
type Value struct {
	Line int
	JSON json.RawMessage // nil where it is not said
}

// Text is the value where it is a text, such as the name of a file.
func (v Value) Text() (string, bool) {
	var text *string
	if json.Unmarshal(v.JSON, &text) != nil || text == nil {
		return "", false
	}
	return *text, true
}

// String is the value in JSON.
func (v Value) String() string { return string(v.JSON) }

// Said tells whether it is said at all.
func (v Value) Said() bool { return v.JSON != nil }

// The verdicts.
const (
	Allowed = "allowed" // and nothing else is said
	Warned  = "warned"  // allowed, with warnings
	Denied  = "denied"
)

// Assertion is what has to be so.
type Assertion struct {
	Line int
	// Verdict is what is answered; empty is any.
	Verdict string
	// Violations is how many there are of those that Guardrail, Message and Details choose;
	// nil is any number.
	Violations *Amount
	Guardrail  string
	Message    []*regexp.Regexp
	Details    Value
	// Warnings is how many warnings are shown; Warning is what some of them say.
	Warnings *Amount
	Warning  []*regexp.Regexp
	// Asked is whether a guardrail is asked at all; nil is that it has to be.
	Asked *bool
	// Fix is what the edit says that is advised.
	Fix []*regexp.Regexp
	// Fixed is set where that edit is made, and has to be allowed.
	Fixed bool
	lines map[string]int // of the fields
}

// line is where a field stands.
func (a *Assertion) line(field string) int {
	if l, ok := a.lines[field]; ok {
		return l
	}
	return a.Line
}

// Amount is how many there have to be.
type Amount struct {
	// Some is at least one, and else it is N.
	Some bool
	N    int
}

// Fits tells whether so many are as many.
func (a Amount) Fits(n int) bool { return a.Some && n > 0 || !a.Some && n == a.N }
