package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// Status is how it stands with something.
type Status string

// The statuses, the worst last. What is not known may be anything, but nobody has seen that it
// is wrong.
const (
	OK      Status = "ok"
	Unknown Status = "not known"
	Warning Status = "warning"
	Problem Status = "problem"
)

// order ranks the statuses.
func order() []Status { return []Status{OK, Unknown, Warning, Problem} }

// AtLeast tells whether a status is as bad as another one, or worse.
func (s Status) AtLeast(o Status) bool { return slices.Index(order(), s) >= slices.Index(order(), o) }

// Checkup is what was found, in the order of the questions.
type Checkup struct {
	// Of is what was looked at: "cluster prod", "files".
	Of       string
	Sections []Section
}

// Section is one question and its answers.
type Section struct {
	// ID is short and stable: "network".
	ID       string
	Question string
	Answers  []Answer
}

// Answer is one thing that is told about a question.
type Answer struct {
	Status Status
	Text   string
	// Evidence is what was seen, a line each.
	Evidence []string
	// Mend says what to do about it; empty where nothing has to be done.
	Mend string
	// Source is where somebody who should know says so.
	Source string
}

// Status is the worst of a section's answers.
func (s Section) Status() Status {
	worst := OK
	for _, a := range s.Answers {
		if a.Status.AtLeast(worst) {
			worst = a.Status
		}
	}
	return worst
}

// Status is the worst of all.
func (c Checkup) Status() Status {
	worst := OK
	for _, s := range c.Sections {
		if of := s.Status(); of.AtLeast(worst) {
			worst = of
		}
	}
	return worst
}

// Count is how many sections have a status.
func (c Checkup) Count(s Status) int {
	n := 0
	for _, section := range c.Sections {
		if section.Status() == s {
			n++
		}
	}
	return n
}

// Examine answers every question that facts can answer.
func Examine(f Facts) Checkup {
	out := Checkup{Of: f.Of}
	add := func(id, question string, answers []Answer) {
		out.Sections = append(out.Sections, Section{id, question, answers})
	}
	add("webhook", "Is the webhook asked, and does it answer?", f.webhook())
	add("network", "Does the network enforce NetworkPolicies?", f.network())
	add("features", "Does it enforce what the NetworkPolicies here use?", f.features())
	add("other-policies", "Do policies of other APIs have a say?", f.otherPolicies())
	add("netpols", "Which NetworkPolicies do nothing?", f.netpols())
	add("least-privilege", "Which NetworkPolicies let through more than anybody needs?", f.wide())
	add("isolation", "Which namespaces have no default-deny?", f.isolation())
	add("host-network", "Which pods are on their node's network, where NetworkPolicies say nothing?", f.hostNetwork())
	return out
}

// maxListed bounds the lines of an answer: whoever wants all of a kind asks the audit.
const maxListed = 10

// listed are the first of some lines, and how many more there are.
func listed(lines []string) []string {
	if n := len(lines) - maxListed; n > 0 {
		return append(slices.Clone(lines[:maxListed]), fmt.Sprintf("and %d more", n))
	}
	return lines
}

// count is a number with its noun: "1 pod", "3 pods".
func count(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "y") && !strings.HasSuffix(noun, "ay"):
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(noun, "y"))
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
