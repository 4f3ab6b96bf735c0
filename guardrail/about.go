package guardrail

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// About is what people want to know of a guardrail that objects to something: why it is
// there, whom to ask, and where to read more. All may be empty.
type About struct{ Description, Owner, Link string }

// About is what the configuration says of the guardrail.
func (in *Instance) About() About { return About{in.Description, in.Owner, in.Link} }

// How long each may be: it is one line of a denial.
const (
	maxDescription = 200
	maxOwner       = 80
	maxLink        = 200
)

// Of says it in a line: "ask team-payments about NAME: card data stays in the shop
// (https://...)". It is empty where nothing is known.
func (a About) Of(name string) string {
	if a == (About{}) {
		return ""
	}
	text := "about " + name
	if a.Owner != "" {
		text = fmt.Sprintf("ask %s about %s", a.Owner, name)
	}
	if a.Description != "" {
		text += ": " + strings.TrimRight(a.Description, ". ")
	}
	switch {
	case a.Link != "" && a.Description == "":
		text += ": " + a.Link
	case a.Link != "":
		text += " (" + a.Link + ")"
	}
	return text
}

func (v *configValidator) checkAbout(a About, path []any) {
	for _, field := range []struct {
		name, text string
		most       int
	}{{"description", a.Description, maxDescription}, {"owner", a.Owner, maxOwner}, {"link", a.Link, maxLink}} {
		if n := utf8.RuneCountInString(field.text); n > field.most {
			v.at(under(path, field.name), "%d letters, want at most %d: it is shown in one line of a denial", n, field.most)
		}
		if strings.ContainsFunc(field.text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			v.at(under(path, field.name), "%q: want one line of printable text; in YAML, `>-` folds several lines into one", field.text)
		}
	}
	if a.Link == "" {
		return
	}
	if u, err := url.Parse(a.Link); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.ContainsAny(a.Link, " ()") {
		v.at(under(path, "link"), "%q is not a link such as https://wiki.example.com/network", a.Link)
	}
}

// maxToldAbout bounds how many guardrails a denial tells about.
const maxToldAbout = 3

// whoToAsk is what is known about the guardrails of some violations, a line each.
func whoToAsk(list []Violation) []string {
	var out []string
	seen := map[string]bool{}
	for _, v := range list {
		text := v.About.Of(v.Guardrail)
		if text == "" || seen[v.Guardrail] {
			continue
		}
		if seen[v.Guardrail] = true; len(out) < maxToldAbout {
			out = append(out, text)
		}
	}
	return out
}
