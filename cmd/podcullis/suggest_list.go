package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"go4.org/netipx"

	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/suggest"
	"github.com/podcullis/podcullis/suggest/intent"
	"github.com/podcullis/podcullis/suggest/observed"
)

// list finds out what is to be kept.
func (s *suggesting) list() error {
	if s.today() {
		return s.openToday()
	}
	var flows []observed.Flow
	for _, file := range s.options.intents {
		text, err := os.ReadFile(file)
		if err != nil {
			return hint(err, "--intent names a file of kind Connections")
		}
		wanted, err := intent.Read(file, text)
		if err != nil {
			return hint(err, "`%s suggest --help` shows how it is written", s.name)
		}
		flows = append(flows, wanted...)
	}
	for _, file := range s.options.flows {
		log, err := s.readFlows(file)
		if err != nil {
			return hint(err, "nothing is suggested of half a list: correct the file, or say how it is written with --flows-format")
		}
		if s.log == nil {
			s.log = log
		} else {
			s.log.Join(log)
		}
	}
	if s.log != nil {
		flows = append(flows, s.log.Flows...)
	}
	outside, err := prefixes("outside", s.options.outside)
	if err != nil {
		return err
	}
	s.found = observed.Known{Snapshot: s.in.snapshot, Outside: outside, Nodes: s.request.Nodes}.Find(s.withoutDNS(flows))
	if err := s.strangers(); err != nil {
		return err
	}
	for _, w := range s.found.Wanted {
		if w.Ports = s.besideDNS(w); !w.Ports.Empty() {
			s.request.Wanted = append(s.request.Wanted, w)
		}
	}
	return nil
}

func (s *suggesting) readFlows(file string) (*observed.Log, error) {
	in, name := s.stdin, "standard input"
	if file != "-" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		in, name = bytes.NewReader(text), file
	}
	return observed.Read(name, in, observed.Format(s.options.flowsFormat))
}

// withoutDNS leaves out what is kept anyway, where the cluster's DNS is not in the model: a
// namespace of which only applications were given asks for names, too.
func (s *suggesting) withoutDNS(flows []observed.Flow) []observed.Flow {
	dns := s.request.DNS
	if dns == nil {
		return flows
	}
	for range s.in.snapshot.Workloads(dns.Namespace) {
		return flows
	}
	var out []observed.Flow
	for _, f := range flows {
		if f.To.Namespace != dns.Namespace || f.First != 53 || f.Last != 53 {
			out = append(out, f)
		}
	}
	return out
}

// strangers are an error, unless they are to be left out.
func (s *suggesting) strangers() error {
	const some = 10
	var lines []string
	for i, x := range s.found.Strange {
		if i == some {
			lines = append(lines, fmt.Sprintf("and %d more", len(s.found.Strange)-some))
			break
		}
		lines = append(lines, fmt.Sprintf("%s: %s (%s -> %s)", x.At, x.Why, x.From, x.To))
	}
	if len(lines) == 0 {
		return nil
	}
	if s.options.leaveOut {
		s.say("note: left out, as they are not there:\n  %s", strings.Join(lines, "\n  "))
		return nil
	}
	return hint(fmt.Errorf("the list names workloads that are not there:\n%s", strings.Join(lines, "\n")), "give all manifests or a running cluster, or leave these out with --leave-out-unknown: then they get nothing")
}

// openToday lists what is open, less what guardrails forbid.
func (s *suggesting) openToday() error {
	all := connectivity.Connections(s.in.snapshot, s.request.Options)
	for w := range s.in.snapshot.AllWorkloads() {
		if p := (connectivity.Peer{Workload: w}); s.inScope(p) {
			all = append(all, suggest.Within(s.in.snapshot, w, s.request.Options)...)
		}
	}
	forbidden := s.forbiddenIn()
	for _, c := range all {
		if !s.touches(c.From, c.To) {
			continue
		}
		if c.Unknown != "" {
			s.unsure++
			continue
		}
		for _, w := range forbidden.without(c) {
			w.Ports = s.besideDNS(w)
			w.Why = "open today"
			if !w.Ports.Empty() {
				s.request.Wanted = append(s.request.Wanted, w)
			}
		}
	}
	s.forbidden = forbidden.met
	return nil
}

// besideDNS are the ports of a connection that are not kept anyway.
func (s *suggesting) besideDNS(w suggest.Wanted) connectivity.PortSet {
	if w.To.Workload == nil || s.request.DNS == nil || !s.request.DNS.Is(w.To.Workload) {
		return w.Ports
	}
	return w.Ports.Subtract(suggest.DNSPorts())
}

// banned are the connections that guardrails forbid.
type banned struct {
	list []connectivity.Connection
	met  int
}

// forbiddenIn are those that are open today.
func (s *suggesting) forbiddenIn() *banned {
	out := &banned{}
	for _, q := range s.rules {
		if q.Required || q.Action != guardrail.Deny || q.Scope == connectivity.Possible {
			continue
		}
		out.list = append(out.list, connectivity.Open(s.in.snapshot, q.Query, s.request.Options)...)
	}
	return out
}

// without is what is left of a connection: of addresses outside it may be several blocks.
func (b *banned) without(c connectivity.Connection) []suggest.Wanted {
	out := []suggest.Wanted{{From: c.From, To: c.To, Ports: c.Ports}}
	met := false
	for _, x := range b.list {
		var next []suggest.Wanted
		for _, w := range out {
			left := less(w, x)
			met = met || len(left) != 1 || !left[0].Ports.Equal(w.Ports)
			next = append(next, left...)
		}
		out = next
	}
	if met {
		b.met++
	}
	return out
}

// less takes from a wanted connection what another one has.
func less(w suggest.Wanted, x connectivity.Connection) []suggest.Wanted {
	if w.Ports.Intersect(x.Ports).Empty() || !same(w.From, x.From) || !same(w.To, x.To) {
		return []suggest.Wanted{w}
	}
	var out []suggest.Wanted
	if rest := w.Ports.Subtract(x.Ports); !rest.Empty() {
		kept := w
		kept.Ports = rest
		out = append(out, kept)
	}
	w.Ports = w.Ports.Intersect(x.Ports)
	peer, gone := &w.From, x.From
	if w.To.Workload == nil {
		peer, gone = &w.To, x.To
	}
	if peer.Workload != nil {
		return out
	}
	for _, block := range apart(*peer, gone) {
		kept := w
		if w.To.Workload == nil {
			kept.To = block
		} else {
			kept.From = block
		}
		out = append(out, kept)
	}
	return out
}

// same tells whether two peers have to do with each other.
func same(a, b connectivity.Peer) bool {
	if a.Workload != nil && b.Workload != nil {
		return a.Workload.Ref == b.Workload.Ref
	}
	return a.Workload == nil && b.Workload == nil && b.CIDR.IsValid() && a.CIDR.Overlaps(b.CIDR)
}

// apart are the blocks of a that are not in b.
func apart(a, b connectivity.Peer) []connectivity.Peer {
	var set netipx.IPSetBuilder
	set.AddPrefix(a.CIDR)
	set.RemovePrefix(b.CIDR)
	left, err := set.IPSet()
	if err != nil { // the blocks are valid
		return nil
	}
	var out []connectivity.Peer
	for _, p := range left.Prefixes() {
		out = append(out, connectivity.Peer{CIDR: p})
	}
	return out
}
