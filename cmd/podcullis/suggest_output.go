package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/report"
	"github.com/podcullis/podcullis/suggest/observed"
)

func netpolsYAML(w io.Writer, all []*cluster.Draft) error {
	for _, d := range all {
		manifest, err := d.Manifest()
		if err != nil {
			return err
		}
		text, err := yaml.JSONToYAML(manifest)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}

// netpolsJSON writes a List, which kubectl applies.
func netpolsJSON(w io.Writer, all []*cluster.Draft) error {
	list := struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Items      []json.RawMessage `json:"items"`
	}{"v1", "List", nil}
	for _, d := range all {
		manifest, err := d.Manifest()
		if err != nil {
			return err
		}
		list.Items = append(list.Items, manifest)
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(list)
}

func netpolNames(w io.Writer, all []*cluster.Draft) error {
	for _, d := range all {
		namespace, name := d.Name()
		if _, err := fmt.Fprintf(w, "%s/NetworkPolicy/%s\n", namespace, name); err != nil {
			return err
		}
	}
	return nil
}

// kept lists the connections that the netpols keep, as they were asked for.
func (s *suggesting) kept() report.List {
	out := report.List{Title: "What the suggested NetworkPolicies keep", Names: []string{"from", "to", "ports", "why"}}
	for _, w := range s.request.Wanted {
		out.Rows = append(out.Rows, []string{w.From.String(), w.To.String(), w.Ports.String(), w.Why})
	}
	slices.SortStableFunc(out.Rows, slices.Compare)
	return out
}

// tell says beside the netpols what they come to, and what the list cannot have seen.
func (s *suggesting) tell() {
	r := s.result
	pairs := map[string]bool{}
	for _, w := range s.request.Wanted {
		if s.touches(w.From, w.To) {
			pairs[w.From.String()+" "+w.To.String()] = true
		}
	}
	s.say("%s with %s in %s keep %s; proved: each is open with them, and nothing else is%s",
		plural(len(r.Netpols), "NetworkPolicy", "NetworkPolicies"), number(r.Rules, "rule"), number(len(s.request.Namespaces), "namespace"), number(len(pairs), "connection"), s.but())
	s.tellGone()
	for _, group := range r.Alike {
		s.say("note: no labels tell %s apart: what one of them may, all may", refList(group))
	}
	s.tellSome("open only because of that", len(r.Shared), func(i int) string {
		return fmt.Sprintf("%s -> %s on %s", r.Shared[i].From, r.Shared[i].To, r.Shared[i].Ports)
	})
	s.tellSome("cannot be excluded", len(r.Extra), func(i int) string {
		c := r.Extra[i]
		why := string(c.Unknown)
		if why == "" {
			why = "an ipBlock holds pods"
		}
		return fmt.Sprintf("%s -> %s on %s (%s)", c.From, c.To, c.Ports, why)
	})
	s.tellSome("kept by the addresses of nodes, which is not proved", len(r.Unproved), func(i int) string {
		return fmt.Sprintf("%s -> %s on %s", r.Unproved[i].From, r.Unproved[i].To, r.Unproved[i].Ports)
	})
	var hosts []string
	for _, u := range r.Unkept {
		hosts = append(hosts, fmt.Sprintf("%s -> %s on %s", u.From, u.To, u.Missing))
	}
	s.tellSome("not kept: an end is on the host's network, which only the addresses of nodes can name (--node-network)", len(hosts), func(i int) string { return hosts[i] })
	s.tellUnseen()
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// but says what else is open.
func (s *suggesting) but() string {
	var but []string
	if d := s.request.DNS; d != nil {
		but = append(but, fmt.Sprintf("UDP and TCP 53 to %s/%s (--dns)", d.Namespace, d.Pods))
	}
	if n := len(s.result.Shared) + len(s.result.Extra); n > 0 {
		but = append(but, fmt.Sprintf("%d that are told below", n))
	}
	if len(but) == 0 {
		return ""
	}
	return ", but " + strings.Join(but, " and ")
}

const someLines = 5

func (s *suggesting) tellSome(what string, n int, line func(int) string) {
	if n == 0 {
		return
	}
	var lines []string
	for i := range min(n, someLines) {
		lines = append(lines, "\n  "+line(i))
	}
	if n > someLines {
		lines = append(lines, fmt.Sprintf("\n  and %d more", n-someLines))
	}
	s.say("note: %s:%s", what, strings.Join(lines, ""))
}

// tellGone names the netpols that have to go, as commands: what they let through stays open
// until then.
func (s *suggesting) tellGone() {
	by := map[string][]string{}
	for _, r := range s.result.Gone {
		by[r.Namespace] = append(by[r.Namespace], r.Name)
	}
	for _, ns := range s.request.Namespaces {
		if names := by[ns]; len(names) > 0 {
			s.say("note: proved for when these are gone, so after applying: kubectl delete networkpolicy -n %s %s", ns, strings.Join(names, " "))
		}
	}
}

// tellUnseen says what the list cannot have seen.
func (s *suggesting) tellUnseen() {
	if s.today() {
		if s.unsure > 0 {
			s.say("note: %s not proved open, and not kept", plural(s.unsure, "connection of today is", "connections of today are"))
		}
		if s.forbidden > 0 {
			s.say("note: %s forbidden, and not kept", plural(s.forbidden, "connection of today is", "connections of today are"))
		}
		s.say("note: what is open today is not what is needed: --flows narrows it to what was seen, --intent to what is wanted")
		return
	}
	s.tellFlows()
	var idle, crons []string
	for w := range s.in.snapshot.AllWorkloads() {
		if !slices.Contains(s.request.Namespaces, w.Namespace) {
			continue
		}
		if w.Kind == "CronJob" || w.Kind == "Job" {
			crons = append(crons, w.Ref.String())
		}
		used := false
		for _, x := range s.request.Wanted {
			used = used || x.From.Workload == w || x.To.Workload == w
		}
		if !used {
			idle = append(idle, w.Ref.String())
		}
	}
	s.tellSome("not in the list at all, so that nothing gets in or out", len(idle), func(i int) string { return idle[i] })
	if s.log != nil {
		s.tellSome("run at times, perhaps at others than were looked at", len(crons), func(i int) string { return crons[i] })
		s.say("note: what happens at start-up, at a failover or once a month was perhaps not seen; probes of the kubelet need no rule, as they come from the pod's own node; what pods on the host's network send and take no NetworkPolicy isolates")
	}
}

// tellFlows says what was read of flows, and what was not kept.
func (s *suggesting) tellFlows() {
	l := s.log
	if l == nil {
		return
	}
	period := "at times that they do not say"
	if !l.Begin.IsZero() {
		period = fmt.Sprintf("from %s to %s (%s)", l.Begin.Format("2006-01-02 15:04"), l.End.Format("2006-01-02 15:04 MST"), l.End.Sub(l.Begin))
	}
	s.say("note: %s seen %s: what did not happen then is not in the list", plural(l.Read, "flow was", "flows were"), period)
	for _, x := range []struct {
		n   int
		why string
	}{
		{l.Dropped, "flows that did not get through, and so are not kept"},
		{l.Lost, "flows that were lost by who observed them, and may be missing"},
		{l.Portless, "flows of protocols without ports (ICMP), of which NetworkPolicies say nothing"},
		{l.Others, "entries that are no flows, or no verdict on one"},
	} {
		if x.n > 0 {
			s.say("note: %s: %d", x.why, x.n)
		}
	}
	flows := func(what string, list []observed.Flow) {
		s.tellSome(what, len(list), func(i int) string {
			return fmt.Sprintf("%s: %s -> %s on %s %d", list[i].At, list[i].From, list[i].To, list[i].Protocol, list[i].First)
		})
	}
	flows("not kept, as it is not known who began", l.Undirected)
	flows("not kept, as it comes from a node: from its own node a pod is always reached, from others by --node-network", s.found.FromNodes)
	flows("not kept, as it leads to a node whose addresses are not told (--node-network)", s.found.ToNodes)
	flows("both ends are outside the cluster", s.found.Beyond)
	flows("no address is told, so that a lot is kept", s.found.Wide)
}
