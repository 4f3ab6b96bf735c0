package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podcullis/podcullis/audit"
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/suggest"
)

// solve finds the netpols, and proves that guardrails are kept.
func (s *suggesting) solve(ctx context.Context) error {
	var err error
	if s.result, err = suggest.New(s.request); err != nil {
		return hint(err, "this is a fault of Podcullis: please report it with the list and the manifests")
	}
	if s.require() {
		if s.result, err = suggest.New(s.request); err != nil {
			return hint(err, "this is a fault of Podcullis: please report it with the list and the manifests")
		}
	}
	if err := s.unkept(); err != nil {
		return err
	}
	var wrong []string
	for _, conflict := range [][]string{s.opensForbidden(), s.closesRequired()} {
		for _, line := range conflict {
			if !slices.Contains(wrong, line) {
				wrong = append(wrong, line)
			}
		}
	}
	if len(wrong) > 0 {
		return hint(errors.New("the list and the guardrails contradict each other:\n"+strings.Join(wrong, "\n")), "take out of the list, or out of the guardrail, what the other one says; nothing was suggested")
	}
	return s.judge(ctx)
}

// require adds to the list what guardrails require and would not be open, and tells whether
// there was something.
func (s *suggesting) require() bool {
	added := false
	for _, q := range s.rules {
		if !q.Required || q.Action != guardrail.Deny {
			continue
		}
		for _, x := range connectivity.Blocked(s.result.After, q.Query, s.proving()) {
			if !s.touches(x.From, x.To) {
				continue
			}
			s.request.Wanted = append(s.request.Wanted, suggest.Wanted{From: x.From, To: x.To, Ports: x.Ports, Why: "required by " + q.Guardrail})
			added = true
		}
	}
	return added
}

// proving are the options by which a result is proved.
func (s *suggesting) proving() connectivity.Options {
	o := s.request.Options
	o.NothingRestricts = true // other APIs are not what is suggested
	return o
}

// unkept is an error where the list names what netpols of these namespaces cannot keep. What
// is open today and on the host's network is only told.
func (s *suggesting) unkept() error {
	const some = 10
	var lines []string
	hosts := false
	for _, u := range s.result.Unkept {
		if u.HostNetwork && s.today() && !strings.HasPrefix(u.Why, "required") {
			continue
		}
		line := fmt.Sprintf("%s -> %s on %s (%s)", u.From, u.To, u.Missing, u.Why)
		switch {
		case u.HostNetwork:
			hosts = true
			line += ": an end is on the host's network, and no selector names it there"
		case len(u.By) > 0:
			line += fmt.Sprintf(": %s stands in the way, in a namespace for which nothing is suggested", u.By[0])
		default:
			line += ": it would not be open"
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return nil
	}
	if n := len(lines) - some; n > 0 {
		lines = append(lines[:some], fmt.Sprintf("and %d more", n))
	}
	advice := "suggest for that namespace, too, with -n; or take it out of the list"
	if hosts {
		advice = "give the addresses of nodes with --node-network CIDR, or take it out of the list"
	}
	return hint(errors.New("what is listed cannot be kept:\n"+strings.Join(lines, "\n")), "%s", advice)
}

// opensForbidden names what the result would open and a guardrail forbids.
func (s *suggesting) opensForbidden() []string {
	var out []string
	for _, q := range s.rules {
		if q.Required || q.Action != guardrail.Deny {
			continue
		}
		for _, c := range connectivity.Open(s.result.After, q.Query, s.request.Options) {
			if s.touches(c.From, c.To) {
				out = append(out, fmt.Sprintf("%s -> %s on %s: %s forbids it, and %s", c.From, c.To, c.Ports, q.Guardrail, s.asked(c)))
			}
		}
	}
	return out
}

// asked says who wants a connection.
func (s *suggesting) asked(c connectivity.Connection) string {
	var why []string
	for _, w := range s.request.Wanted {
		if same(w.From, c.From) && same(w.To, c.To) && !w.Ports.Intersect(c.Ports).Empty() && !slices.Contains(why, w.Why) {
			why = append(why, w.Why)
		}
	}
	switch {
	case len(why) > 0:
		return fmt.Sprintf("the list wants it (%s)", strings.Join(why, ", "))
	case c.Unknown == connectivity.IPNotAssigned:
		return "an ipBlock may hold the addresses of pods (--pod-network says where they are)"
	case c.Unknown != "":
		return fmt.Sprintf("it cannot be proved shut (%s)", c.Unknown)
	}
	return "no labels tell the pods apart that are listed and those that are not" + s.alikeWith(c)
}

func (s *suggesting) alikeWith(c connectivity.Connection) string {
	for _, p := range []connectivity.Peer{c.From, c.To} {
		for _, group := range s.result.Alike {
			if p.Workload != nil && slices.Contains(group, p.Workload.Ref) {
				return ": " + refList(group)
			}
		}
	}
	return ""
}

func refList(refs []cluster.Ref) string {
	var names []string
	for _, r := range refs {
		names = append(names, r.String())
	}
	return strings.Join(names, ", ")
}

// closesRequired names what a guardrail requires and would not be open.
func (s *suggesting) closesRequired() []string {
	var out []string
	for _, q := range s.rules {
		if !q.Required || q.Action != guardrail.Deny {
			continue
		}
		for _, x := range connectivity.Blocked(s.result.After, q.Query, s.proving()) {
			if s.touches(x.From, x.To) && x.Unknown == "" {
				out = append(out, fmt.Sprintf("%s -> %s on %s: %s requires it, and it would not be open", x.From, x.To, x.Ports, q.Guardrail))
			}
		}
	}
	return out
}

// judge asks all guardrails about the change as a whole, also those that ask nothing that is
// known here.
func (s *suggesting) judge(ctx context.Context) error {
	if s.engine == nil {
		return nil
	}
	objects, err := s.after()
	if err != nil {
		return err
	}
	was := &audit.Earlier{Items: items(s.in.set), Snapshot: s.in.snapshot}
	found, err := audit.ExamineSince(ctx, s.engine, was, items(objects), s.result.After, guardrail.CLI, time.Now())
	switch {
	case errors.Is(err, audit.ErrNothing):
		return nil
	case err != nil:
		return hint(err, "correct the guardrail, or its parameters")
	}
	var denied []string
	for _, f := range found.Findings {
		if f.Action == guardrail.Deny {
			denied = append(denied, fmt.Sprintf("[%s] %s", f.Guardrail, f.Message))
			continue
		}
		s.say("note: [%s] %s", f.Guardrail, f.Message)
	}
	if len(denied) > 0 {
		return hint(errors.New("guardrails deny what the list comes to:\n"+strings.Join(denied, "\n")), "take out of the list, or out of the guardrail, what the other one says; nothing was suggested")
	}
	return nil
}

// after are the objects with the suggested netpols in place of those that go.
func (s *suggesting) after() (*manifest.Set, error) {
	var texts []manifest.Text
	suggested := map[cluster.Ref]bool{}
	for _, d := range s.result.Netpols {
		text, err := d.Manifest()
		if err != nil {
			return nil, err
		}
		namespace, name := d.Name()
		suggested[cluster.Ref{Namespace: namespace, Kind: "NetworkPolicy", Name: name}] = true
		texts = append(texts, manifest.Text{Name: "suggested", Data: json.RawMessage(text)})
	}
	made, err := manifest.Read(manifest.Input{Texts: texts})
	if err != nil {
		return nil, err
	}
	objects := made.Objects
	for _, o := range s.in.set.Objects {
		if ref := o.Ref(); !suggested[ref] && !slices.Contains(s.result.Gone, ref) {
			objects = append(objects, o)
		}
	}
	return manifest.NewSet(objects...), nil
}
