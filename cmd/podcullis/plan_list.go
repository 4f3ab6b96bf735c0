package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/podcullis/podcullis/plan"
	"github.com/podcullis/podcullis/report"
)

// list is the plan as a table: a row for each step in its wave, for each violation of the
// whole, or for what waits for each other.
func (w *wholePlan) list() report.List {
	l := report.List{Title: w.heading(), Names: []string{"when", "operation", "kind", "namespace", "name", "what"}}
	row := func(when string, i int, what string) {
		s := w.jsonSteps([]int{i})[0]
		l.Rows = append(l.Rows, []string{when, s.Operation, s.Object.Kind, s.Object.Namespace, s.Object.Name, what})
	}
	switch {
	case len(w.whole) > 0:
		for _, f := range w.whole {
			l.Rows = append(l.Rows, []string{"denied", "", f.Object.Kind, f.Object.Namespace, f.Object.Name, "[" + f.Guardrail + "] " + f.Message})
		}
	case w.Conflict != nil:
		for _, i := range w.Conflict.Done {
			row("before them", i, "")
		}
		for k, i := range w.Conflict.Steps {
			row("conflict", i, strings.Join(plan.Said(w.Conflict.Denials[k]), "\n"))
		}
	case !w.GaveUp:
		for n, wave := range w.Waves {
			for _, i := range wave {
				row(fmt.Sprintf("wave %d", n), i, "")
			}
		}
		for _, i := range w.Free {
			row("at any time", i, "")
		}
	}
	return l
}

// heading says in a few words how the plan ended.
func (w *wholePlan) heading() string {
	what := number(w.changes(), "change")
	switch {
	case len(w.whole) > 0:
		return what + ": denied as a whole"
	case w.Conflict != nil:
		return what + ": no order"
	case w.GaveUp:
		return what + ": gave up, no order was found soon"
	}
	return what + ": allowed in " + number(len(w.Waves), "wave")
}

// names are the objects in the order of the plan, as KIND/NAMESPACE/NAME; none where there
// is no order. What has to be waited for is no object of its own.
func (w *wholePlan) names(out io.Writer) error {
	if len(w.whole) > 0 || w.Conflict != nil || w.GaveUp {
		return nil
	}
	var b strings.Builder
	for _, wave := range append(w.Waves[:len(w.Waves):len(w.Waves)], w.Free) {
		for _, i := range wave {
			if w.steps[i].waitsFor == nil {
				b.WriteString(objectOf(w.steps[i].object()).name() + "\n")
			}
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// name is how --delete takes the object.
func (o jsonObject) name() string {
	if o.Namespace == "" {
		return o.Kind + "/" + o.Name
	}
	return o.Kind + "/" + o.Namespace + "/" + o.Name
}
