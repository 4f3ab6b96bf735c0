package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/podcullis/podcullis/report"
)

// evaluationsList is a row for each element that a rule reports, and one for a change of
// which none reports anything.
func evaluationsList(name string, all []evaluated) report.List {
	l := report.List{Title: name + ": " + number(len(all), "change"), Names: []string{"operation", "object", "rule", "value"}}
	for _, e := range all {
		row := func(rule, value string) {
			l.Rows = append(l.Rows, []string{string(e.request.Operation), e.name(), rule, value})
		}
		if !e.said.asked {
			row("", "not asked: "+e.said.why)
			continue
		}
		before := len(l.Rows)
		for _, r := range e.look.Rules {
			for _, v := range r.Values {
				text, err := json.Marshal(v)
				if err != nil {
					text = []byte("?")
				}
				row(r.Name, string(text))
			}
		}
		if len(l.Rows) == before {
			row("", "no rule reported anything")
		}
	}
	return l
}

func (e *evaluated) name() string {
	o := jsonObject{e.request.Kind.Kind, e.request.Namespace, e.request.Name}
	if e.request.Kind.Kind == "Namespace" && e.request.Kind.Group == "" {
		o.Namespace = "" // which the API server sends with a Namespace, too
	}
	return o.name()
}

// reported are the objects of the changes of which a rule reports something.
func reported(w io.Writer, all []evaluated) error {
	for _, e := range all {
		if e.said.asked && !e.look.Silent() {
			if _, err := fmt.Fprintln(w, e.name()); err != nil {
				return err
			}
		}
	}
	return nil
}
