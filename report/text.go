package report

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// Style says how text looks. The zero Style has no colour.
type Style struct{ Colour bool }

const (
	red    = "31"
	yellow = "33"
	green  = "32"
	bold   = "1"
)

func (s Style) paint(code, text string) string {
	if !s.Colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s Style) verdict(v connectivity.Verdict) string {
	return s.paint([...]string{connectivity.VerdictBlocked: green, connectivity.VerdictUnknown: yellow, connectivity.VerdictOpen: red}[v], v.String())
}

// Text writes the findings grouped by object, and then the remarks, a line each.
func (r *Result) Text(w io.Writer, s Style) error {
	var b bytes.Buffer
	findings := r.Findings
	for i, f := range findings {
		if i == 0 || findings[i-1].Object != f.Object {
			if i > 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "%s: %s\n", line(f.Location.String()), s.paint(bold, line(title(f.Object))))
		}
		colour := yellow
		if f.Action == "deny" {
			colour = red
		}
		message := f.Message
		if i+1 < len(findings) && findings[i+1].Object == f.Object && f.sharesAdvice(findings[i+1]) {
			message = f.WithoutAdvice() // one edit is for both, and is told once
		}
		fmt.Fprintf(&b, "  %s [%s] %s\n", s.paint(colour, string(f.Action)), line(f.Guardrail), strings.Join(lines(message), "\n  "))
	}
	whom := r.whomToAsk()
	for i, about := range whom {
		if i == 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line(about) + "\n")
	}
	for i, m := range r.remarks() {
		if i == 0 && len(findings) > 0 {
			b.WriteByte('\n')
		}
		colour := yellow
		if m.failure {
			colour = red
		}
		if m.location.File != "" {
			b.WriteString(line(m.location.String()) + ": ")
		}
		b.WriteString(s.paint(colour, line(m.text)) + "\n")
	}
	_, err := w.Write(b.Bytes())
	return err
}

// whomToAsk is what the configuration says of the guardrails that found something, a
// line each.
func (r *Result) whomToAsk() []string {
	var out []string
	for _, f := range r.Findings {
		if text := f.About.Of(f.Guardrail); text != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// sharesAdvice tells whether two findings have the same way out.
func (f Finding) sharesAdvice(o Finding) bool {
	advice := func(f Finding) string { return strings.TrimPrefix(f.Message, f.WithoutAdvice()) }
	return advice(f) != "" && advice(f) == advice(o)
}

// title is an object in the words of a message: "NetworkPolicy shop/allow-web".
func title(r cluster.Ref) string {
	switch {
	case r.Name == "":
		return r.KindText()
	case r.Namespace == "":
		return r.KindText() + " " + r.Name
	}
	return r.KindText() + " " + r.Namespace + "/" + r.Name
}

func portsText(c connectivity.Connection) string {
	if c.Unknown != "" {
		return "unknown: " + c.Ports.String()
	}
	return c.Ports.String()
}

// becauseText lists the reasons in one line. Rules count from 1, as people do.
func becauseText(all []connectivity.Because) string {
	var parts []string
	for _, d := range []cluster.Direction{cluster.Egress, cluster.Ingress} {
		var reasons []string
		for _, b := range all {
			if b.Direction == d {
				reasons = append(reasons, reasonText(b.Reason))
			}
		}
		if len(reasons) > 0 {
			parts = append(parts, d.String()+": "+strings.Join(reasons, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

func reasonText(r connectivity.Reason) string {
	var text string
	switch {
	case r.NotIsolated && r.Netpol == (cluster.Ref{}):
		text = "not isolated"
	case r.NotIsolated:
		text = "perhaps not isolated by " + netpolName(r.Netpol)
	case r.Netpol != (cluster.Ref{}):
		text = fmt.Sprintf("%s rule %d", netpolName(r.Netpol), r.Rule+1)
	default:
		return "unknown: " + string(r.Unknown)
	}
	switch {
	case r.Unknown != "":
		text += " (unknown: " + string(r.Unknown) + ")"
	case r.OverPods:
		text += " (an ipBlock that holds the pod's address)"
	}
	return text
}

// ExplanationText writes an explanation: the verdict, then for each side what
// every netpol that isolates it says. Rules count from 1.
func ExplanationText(w io.Writer, e connectivity.Explanation, s Style) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s to %s on %s: %s", e.From, e.To, e.Asked, s.verdict(e.Verdict))
	if e.Unknown != "" {
		fmt.Fprintf(&b, " (%s)", e.Unknown)
	}
	b.WriteByte('\n')
	if e.Self {
		b.WriteString("  a pod always reaches itself\n")
	}
	for _, f := range foldConnections(e.Connections) {
		c := f.first
		if len(e.Connections) == 1 && c.Ports.Equal(e.Asked) && c.From == e.From && c.To == e.To {
			continue // the first line says it
		}
		state := connectivity.VerdictOpen
		if c.Unknown != "" {
			state = connectivity.VerdictUnknown
		}
		fmt.Fprintf(&b, "  %s to %s on %s: %s\n", f.from, f.to, c.Ports, s.verdict(state))
	}
	switch e.Barriers {
	case 1:
		b.WriteString("  held by one side only: what opens that one opens the path\n")
	case 2:
		b.WriteString("  held by both sides\n")
	}
	if e.Disagree() {
		b.WriteString("  both sides let something through, but they agree on no port\n")
	}
	for _, side := range e.Sides {
		if !side.Outside {
			sideText(&b, side, s)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

func sideText(b *bytes.Buffer, side connectivity.SideExplanation, s Style) {
	fmt.Fprintf(b, "\n%s of %s: %s\n", side.Direction, side.Subject, s.verdict(sideVerdict(side)))
	if len(side.Netpols) == 0 {
		why := "no NetworkPolicy isolates it"
		if side.HostNetwork {
			why = "on the host's network, where no NetworkPolicy isolates it"
		}
		fmt.Fprintf(b, "  %s\n", why)
	}
	for _, n := range side.Netpols {
		fmt.Fprintf(b, "  NetworkPolicy %s isolates %s\n", netpolName(n.Netpol.Ref()), whom(n))
		if len(n.Rules) == 0 {
			fmt.Fprintf(b, "    no %s rule: lets nothing through\n", side.Direction)
		}
		for _, r := range n.Rules {
			fmt.Fprintf(b, "    rule %d: %s\n", r.Rule+1, ruleText(r, &n.Netpol.Rules[side.Direction][r.Rule], side.Peer))
		}
	}
	for _, r := range side.Because {
		if r.Netpol == (cluster.Ref{}) && !r.NotIsolated || r.NotIsolated && len(side.Netpols) > 0 {
			fmt.Fprintf(b, "  %s\n", reasonText(r.Reason))
		}
	}
}

// whom is "it", and how sure that is.
func whom(n connectivity.NetpolExplanation) string {
	text := "it"
	if n.Partly {
		text = "some of its pods"
	}
	switch {
	case n.Selects != selector.Maybe:
		return text
	case n.Netpol.Selector.Broken():
		return text + ", perhaps: its podSelector does not parse"
	}
	return fmt.Sprintf("%s, perhaps: its podSelector asks for %s, which pods have only once they are made", text, strings.Join(n.Netpol.Selector.GeneratedKeys(), " and "))
}

func ruleText(r connectivity.RuleExplanation, rule *cluster.NetpolRule, peer connectivity.Peer) string {
	switch {
	case r.Peer == selector.No && otherFamily(rule, peer.CIDR):
		return "other address family"
	case r.Peer == selector.No && r.Ports.Empty() && !r.BrokenPorts:
		return fmt.Sprintf("neither peer nor port matches (rule: %s; %s%s)", rulePorts(rule), rulePeers(rule), unlike(rule, peer))
	case r.Peer == selector.No:
		return fmt.Sprintf("peer does not match (rule: %s%s)", rulePeers(rule), unlike(rule, peer))
	case r.Through.Empty():
		return fmt.Sprintf("port does not match (rule: %s)", rulePorts(rule))
	}
	text := "lets through " + r.Through.String()
	switch {
	case r.Unknown != "":
		text = fmt.Sprintf("may let through %s (unknown: %s)", r.Through, r.Unknown)
	case r.BrokenPorts:
		text = fmt.Sprintf("may let through %s (a port that does not parse)", r.Through)
	case r.OverPods:
		text += " (by an ipBlock that holds the pod's address)"
	}
	if r.Partly {
		text += ", for some of the addresses"
	}
	return text
}

// otherFamily reports whether a rule is for addresses of the other family only.
func otherFamily(rule *cluster.NetpolRule, block netip.Prefix) bool {
	return block.IsValid() && !slices.ContainsFunc(rule.Peers, func(p cluster.NetpolPeer) bool {
		return p.Block == nil || p.Block.Prefix.Addr().Is4() == block.Addr().Is4()
	})
}

// rulePorts are the ports as the rule has them: "TCP 80, TCP http, UDP 8000-8010".
func rulePorts(rule *cluster.NetpolRule) string {
	var words []string
	for _, p := range rule.Ports {
		name := p.Name
		if name == "" {
			words = append(words, connectivity.PortRange{Protocol: p.Protocol, First: p.First, Last: p.Last}.String())
			continue
		}
		words = append(words, p.Protocol.String()+" "+name)
	}
	return strings.Join(words, ", ")
}

func sideVerdict(s connectivity.SideExplanation) connectivity.Verdict {
	switch {
	case !s.Open.Empty():
		return connectivity.VerdictOpen
	case !s.Unsure.Empty():
		return connectivity.VerdictUnknown
	}
	return connectivity.VerdictBlocked
}
