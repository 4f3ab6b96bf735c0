package main

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/report/picture"
)

const (
	onlyChanged    = "changed"
	onlyViolations = "violations"
)

// validate names what --only has nothing to choose from.
func (o *graphOptions) validate() error {
	for _, what := range o.only {
		if err := oneOf("only", what, onlyChanged, onlyViolations); err != nil {
			return err
		}
	}
	switch {
	case slices.Contains(o.only, onlyChanged) && len(o.before) == 0:
		return hint(errors.New("--only changed needs a version to compare with"), "name it with --before")
	case slices.Contains(o.only, onlyViolations) && o.network.config == "":
		return hint(errors.New("--only violations needs guardrails"), "name their configuration with --config")
	}
	return nil
}

// heading says what the picture is of. It has a date only when somebody asks for one: the
// same files give the same picture.
func (o *graphOptions) heading() picture.Heading {
	h := picture.Heading{Title: o.title, Stamp: o.stamp, Origin: o.sources.words()}
	if v := build().Version; v != "(devel)" {
		h.Version = v
	}
	if len(o.before) > 0 {
		h.Origin += ", compared with " + strings.Join(o.before, ", ")
	}
	if o.stamp == "now" {
		h.Stamp = time.Now().UTC().Format("2006-01-02 15:04 UTC")
	}
	return h
}

// words are the sources as somebody gave them.
func (s *sources) words() string {
	names := slices.Concat(s.files, s.kustomizations, s.charts)
	for i, n := range names {
		if n == "-" {
			names[i] = "standard input"
		}
	}
	if s.live() {
		context := s.context
		if context == "" {
			context = "of " + s.kubeconfig
		}
		names = append(names, "cluster "+context)
	}
	return strings.Join(names, ", ")
}

// chosen is the picture of what the flags choose.
func (o *graphOptions) chosen(source *picture.Source) *picture.Graph {
	if !o.filter.active() && len(o.only) == 0 {
		return picture.New(*source)
	}
	if o.filter.active() {
		source.Connections, source.Before = o.filter.connections(source.Connections), o.filter.connections(source.Before)
		source.Asked = o.filter.asked(source.Asked)
		source.Lonely = func(r cluster.Ref) bool { return o.filter.namespace == r.Namespace }
	}
	g := picture.New(*source)
	if len(o.only) > 0 {
		g = g.Only(slices.Contains(o.only, onlyChanged), slices.Contains(o.only, onlyViolations))
	}
	return g.Concerning()
}

// active tells whether anything is left out.
func (f *filter) active() bool {
	return f.from != "" || f.to != "" || f.namespace != "" || len(f.ports) > 0 || f.external || f.internal
}

// asked are those of the paths that somebody asked about which the flags choose.
func (f *filter) asked(all []connectivity.Explanation) []connectivity.Explanation {
	var out []connectivity.Explanation
	for _, x := range all {
		from, to, ok := f.ends(x.From, x.To)
		ports := x.Asked.Intersect(f.portSet)
		if ok && !ports.Empty() {
			x.From, x.To, x.Asked = from, to, ports
			out = append(out, x)
		}
	}
	return out
}
