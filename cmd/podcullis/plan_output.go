package main

import (
	"fmt"
	"io"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/plan"
	"github.com/podcullis/podcullis/report"
)

// text is the order for people, or what stands in its way.
func (w *wholePlan) text(out io.Writer) error {
	var b strings.Builder
	switch {
	case len(w.whole) > 0:
		b.WriteString("the change as a whole is denied:\n")
		for i, f := range w.whole {
			message := f.Message
			if i+1 < len(w.whole) && w.whole[i+1].Object == f.Object {
				message = f.WithoutAdvice()
			}
			fmt.Fprintf(&b, "[%s] %s\n", f.Guardrail, message)
		}
	case w.Conflict != nil:
		w.conflictText(&b)
	case w.GaveUp:
		b.WriteString("gave up: too many objects matter, and no order was found soon\n")
	default:
		for n, wave := range w.Waves {
			fmt.Fprintf(&b, "wave %d\n", n)
			for _, i := range wave {
				fmt.Fprintf(&b, "  %s\n", w.steps[i].title())
			}
		}
		if len(w.Free) > 0 {
			b.WriteString("at any time\n")
			for _, i := range w.Free {
				fmt.Fprintf(&b, "  %s\n", w.steps[i].title())
			}
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (w *wholePlan) conflictText(b *strings.Builder) {
	c := w.Conflict
	b.WriteString("no order: all were tried")
	if len(c.Steps) > 1 {
		b.WriteString(", and these wait for each other\n")
	} else {
		b.WriteString(", and this is denied whenever it goes\n")
	}
	for k, i := range c.Steps {
		fmt.Fprintf(b, "%s", w.steps[i].title())
		if next := c.Steps[(k+1)%len(c.Steps)]; next != i {
			fmt.Fprintf(b, ", without %s before it", w.steps[next].title())
		}
		b.WriteString(":\n")
		for _, line := range plan.Said(c.Denials[k]) {
			fmt.Fprintf(b, "  %s\n", line)
		}
	}
	if len(c.Done) > 0 {
		b.WriteString("before them can go\n")
		for _, i := range c.Done {
			fmt.Fprintf(b, "  %s\n", w.steps[i].title())
		}
	}
	b.WriteString("to fix: make it two changes, of which the first keeps what each of them needs, such as one NetworkPolicy that selects the old labels and the new ones\n")
}

type jsonStep struct {
	// Operation is CREATE, UPDATE, DELETE or WAIT: until the pods of the object are gone,
	// or replaced.
	Operation string     `json:"operation"`
	Object    jsonObject `json:"object"`
	// Denied is why it cannot go next; of a conflict.
	Denied []string `json:"denied,omitempty"`
}

func (w *wholePlan) jsonSteps(list []int) []jsonStep {
	out := []jsonStep{}
	for _, i := range list {
		if of := w.steps[i].waitsFor; of != nil {
			out = append(out, jsonStep{Operation: "WAIT", Object: objectOf(of.object())})
			continue
		}
		o := w.steps[i].object()
		out = append(out, jsonStep{Operation: string(w.steps[i].operation()), Object: objectOf(o)})
	}
	return out
}

func objectOf(o *manifest.Object) jsonObject { return jsonObject{o.Kind, o.Namespace, o.Name} }

// changes counts the steps that somebody makes.
func (w *wholePlan) changes() int {
	n := 0
	for _, s := range w.steps {
		if s.waitsFor == nil {
			n++
		}
	}
	return n
}

func (w *wholePlan) json(out io.Writer) error {
	waves := [][]jsonStep{}
	for _, wave := range w.Waves {
		waves = append(waves, w.jsonSteps(wave))
	}
	violations := []map[string]any{}
	for _, f := range w.whole {
		violations = append(violations, map[string]any{"guardrail": f.Guardrail, "severity": f.Severity, "message": f.Message, "details": f.Details})
	}
	doc := map[string]any{
		"apiVersion": report.APIVersion, "kind": "Plan",
		"allowed": len(w.whole) == 0, "found": len(w.whole) == 0 && w.Found(), "gaveUp": w.GaveUp, "tried": w.Tried,
		"waves": waves, "anyTime": w.jsonSteps(w.Free), "violations": violations,
	}
	if c := w.Conflict; c != nil {
		steps := w.jsonSteps(c.Steps)
		for k := range steps {
			steps[k].Denied = plan.Said(c.Denials[k])
		}
		doc["conflict"] = map[string]any{"steps": steps, "first": w.jsonSteps(c.Done)}
	}
	return indented(out, doc)
}

// errNoOrder is when there is nothing to write for a tool.
func (w *wholePlan) noOrder(format string) error {
	if len(w.whole) == 0 && w.Found() {
		return nil
	}
	return hint(fmt.Errorf("-o %s: there is no order", format), "leave out -o to see why")
}

// deletions tells whether things are deleted, and whether all of that comes last.
func (w *wholePlan) deletions() (some, last bool) {
	last = true
	for _, wave := range w.Waves {
		if w.steps[wave[0]].waitsFor != nil {
			continue
		}
		gone := w.steps[wave[0]].is == nil
		last = last && (gone || !some)
		some = some || gone
	}
	return some, last
}

// argocd writes the order as patches of a kustomization: a sync-wave for each object.
func (w *wholePlan) argocd(out io.Writer) error {
	if err := w.noOrder("argocd"); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("# patches of a kustomization: the sync-waves of the objects, in the order that `podcullis plan` found.\n")
	b.WriteString("# Argo CD waits for the health of a wave before the next. Objects that are not listed may be in any wave.\n")
	some, last := w.deletions()
	switch {
	case some && last:
		b.WriteString("# What is deleted goes last: set the sync option PruneLast=true.\n")
	case some:
		b.WriteString("# Some deletions come before other changes, which one sync cannot do: sync once for each group below.\n")
	}
	b.WriteString("patches:\n")
	for n, wave := range w.Waves {
		for _, i := range wave {
			s := w.steps[i]
			if s.is == nil {
				fmt.Fprintf(&b, "# wave %d: %s\n", n, s.title())
				continue
			}
			api, kind := s.is.ToAPIVersionAndKind()
			patch, err := yaml.Marshal(map[string]any{
				"apiVersion": api, "kind": kind,
				"metadata": map[string]any{"name": s.is.Name, "namespace": s.is.Namespace, "annotations": map[string]string{"argocd.argoproj.io/sync-wave": fmt.Sprint(n)}},
			})
			if err != nil {
				return err
			}
			b.WriteString("- patch: |-\n    " + strings.ReplaceAll(strings.TrimSpace(string(patch)), "\n", "\n    ") + "\n")
		}
	}
	_, err := io.WriteString(out, strings.ReplaceAll(b.String(), "\n      namespace: \"\"", ""))
	return err
}

// flux writes the order as Kustomizations of which each waits for the one before it.
func (w *wholePlan) flux(out io.Writer) error {
	if err := w.noOrder("flux"); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("# One Kustomization for each wave, in the order that `podcullis plan` found: put the objects that it lists into its path.\n")
	if some, last := w.deletions(); some && !last {
		b.WriteString("# Some deletions come before other changes: take a commit for each wave.\n")
	}
	before := ""
	for n, wave := range w.Waves {
		fmt.Fprintf(&b, "---\n# wave %d\n", n)
		applies := false
		for _, i := range wave {
			fmt.Fprintf(&b, "#   %s\n", w.steps[i].title())
			applies = applies || w.steps[i].is != nil
		}
		if !applies {
			if w.steps[wave[0]].waitsFor == nil {
				b.WriteString("# prune: true deletes these, once their files are gone\n")
			}
			continue
		}
		name := fmt.Sprintf("wave-%d", n)
		fmt.Fprintf(&b, "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: %s, namespace: flux-system}\nspec:\n", name)
		if before != "" {
			fmt.Fprintf(&b, "  dependsOn: [{name: %s}]\n", before)
		}
		fmt.Fprintf(&b, "  interval: 10m\n  path: ./%s\n  prune: true\n  wait: true\n  sourceRef: {kind: GitRepository, name: fleet}\n", name)
		before = name
	}
	_, err := io.WriteString(out, b.String())
	return err
}
