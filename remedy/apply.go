package remedy

import (
	"encoding/json"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// changed is the review as it would be with some edits.
type changed struct {
	review guardrail.Review
	edited []Edited
	key    string // equal for edits that come to the same
}

// apply makes the edits. It is false when one leaves nothing, or when what comes out
// is no valid object, or the same as before.
func (s *search) apply(edits []edit) (*changed, bool) {
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b edit) int { // rules go last, and the last of them first
		if (a.last == 0) != (b.last == 0) {
			return a.last - b.last
		}
		return b.last - a.last
	})
	c := &changed{review: s.review}
	if edits[0].labels != nil {
		return c, s.relabel(c, edits)
	}
	if edits[0].create != nil {
		return c, s.create(c, edits[0].create())
	}
	rulesOf := func(d *cluster.Draft) int { return len(d.Spec().Ingress) + len(d.Spec().Egress) }
	var drafts []*cluster.Draft
	renumbered := map[*cluster.Draft]bool{}
	byRef := map[cluster.Ref]*cluster.Draft{}
	for _, e := range edits {
		d := byRef[e.object]
		if d == nil {
			n, ok := s.review.After.Netpol(e.object.Namespace, e.object.Name)
			if !ok {
				return nil, false
			}
			if d, ok = n.Draft(); !ok {
				return nil, false
			}
			byRef[e.object] = d
			drafts = append(drafts, d)
		}
		rules := rulesOf(d)
		if renumbered[d] || !e.netpol(d) {
			return nil, false
		}
		renumbered[d] = e.joint && rulesOf(d) != rules
	}
	for _, d := range drafts {
		if !s.redraft(c, d) {
			return nil, false
		}
	}
	return c, true
}

// redraft takes a netpol as it is drafted: into the change if that is about it, else
// into the cluster before and after.
func (s *search) redraft(c *changed, d *cluster.Draft) bool {
	n, err := d.Compile()
	if err != nil {
		return false
	}
	manifest, err := d.Manifest()
	if err != nil {
		return false
	}
	is, _ := s.review.After.Netpol(n.Namespace, n.Name)
	part, same := changedPart(is, d)
	if same {
		return false
	}
	c.key += string(manifest)
	own := n.Ref() == s.review.Change.Ref()
	c.edited = append(c.edited, Edited{Object: n.Ref(), Own: own, Part: part, Netpol: d})
	if own {
		c.review.Change.After = n
		if c.review.After, err = c.review.Before.Apply(c.review.Change); err != nil {
			return false
		}
		spec := d.Spec()
		return c.rewrite(func(o map[string]any) { o["spec"] = spec })
	}
	edit := cluster.Change{Before: is, After: n}
	if c.review.Before, err = c.review.Before.Apply(edit); err != nil {
		return false
	}
	c.review.After, err = c.review.After.Apply(edit)
	return err == nil
}

// create puts a new netpol beside the change.
func (s *search) create(c *changed, d *cluster.Draft) bool {
	n, err := d.Compile()
	if err != nil {
		return false
	}
	manifest, err := d.Manifest()
	if err != nil {
		return false
	}
	c.key = string(manifest)
	c.edited = []Edited{{Object: n.Ref(), New: true, Part: shortManifest(manifest), Netpol: d}}
	if c.review.Before, err = s.review.Before.Apply(cluster.Change{After: n}); err != nil {
		return false
	}
	c.review.After, err = s.review.After.Apply(cluster.Change{After: n})
	return err == nil
}

// relabel edits an object that is no netpol.
func (s *search) relabel(c *changed, edits []edit) bool {
	after := s.review.Change.After
	l, _ := labelledOf(after)
	l.labels = maps.Clone(l.labels)
	if l.labels == nil {
		l.labels = labels.Set{}
	}
	for _, e := range edits {
		e.labels(&l)
	}
	o := l.with(after)
	var err error
	c.review.Change.After = o
	if c.review.After, err = c.review.Before.Apply(c.review.Change); err != nil {
		return false
	}
	key, err := json.Marshal([]any{l.labels, l.hostNetwork})
	c.key = string(key)
	c.edited = []Edited{{Object: o.Ref(), Own: true}}
	return err == nil && c.rewrite(func(raw map[string]any) { l.write(o, raw) })
}

// rewrite edits the object of the request, for guardrails that read it.
func (c *changed) rewrite(edit func(map[string]any)) bool {
	if c.review.Request == nil || len(c.review.Request.Object.Raw) == 0 {
		return true
	}
	var o map[string]any
	if json.Unmarshal(c.review.Request.Object.Raw, &o) != nil {
		return false
	}
	edit(o)
	raw, err := json.Marshal(o)
	if err != nil {
		return false
	}
	request := *c.review.Request
	request.Object = runtime.RawExtension{Raw: raw}
	c.review.Request = &request
	return true
}

// write puts the labels where an object of that kind has them. A Binding, and kinds
// whose template is elsewhere, stay as they are: guardrails ask the model about them.
func (l labelled) write(o cluster.Object, raw map[string]any) {
	at := func(path ...string) map[string]any {
		m := raw
		for _, p := range path {
			next, ok := m[p].(map[string]any)
			if !ok {
				return nil
			}
			m = next
		}
		return m
	}
	metadata, spec := at("metadata"), at("spec")
	if t, ok := o.(*cluster.Template); ok {
		template := []string{"spec", "template"}
		if t.Kind == "CronJob" {
			template = []string{"spec", "jobTemplate", "spec", "template"}
		}
		metadata, spec = at(append(template, "metadata")...), at(append(template, "spec")...)
	}
	if metadata != nil {
		metadata["labels"] = l.labels
	}
	if spec != nil && !l.hostNetwork {
		delete(spec, "hostNetwork")
	}
}
