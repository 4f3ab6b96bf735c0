package guardrail

import (
	"fmt"
	"net/netip"
	"strings"
)

// maxViolations bounds how many violations one message lists, and maxLines after how many
// lines it leaves out what is said beside what would be open.
const (
	maxViolations = 20
	maxLines      = 20
)

// DenialMessage is what a person reads when the change is refused: every denying
// violation, sorted, and then how to change it.
func (d Decision) DenialMessage() string {
	denials := d.With(Deny)
	verb := "guardrails deny"
	if distinctGuardrails(denials) == 1 {
		verb = "guardrail denies"
	}
	lines := []string{fmt.Sprintf("%d %s this change to %s:", distinctGuardrails(denials), verb, d.Subject)}
	var end []string
	if d.Advice != "" {
		end = strings.Split("to fix: "+d.Advice, "\n")
	}
	lines = append(lines, d.listed(denials, maxLines-len(lines)-len(end)-len(d.Further()))...)
	return strings.Join(append(lines, end...), "\n")
}

// listed are the violations in about as many lines as there is room for: each with its
// reasons while there is, then the first line of each.
func (d Decision) listed(denials []Violation, room int) []string {
	var out []string
	shown := denials[:min(len(denials), maxViolations)]
	spare := room - len(shown)
	for _, v := range shown {
		lines := strings.Split(fmt.Sprintf("[%s] %s", v.Guardrail, d.worded(v)), "\n")
		if beyond := len(lines) - 1; beyond <= spare {
			spare -= beyond
		} else {
			lines = lines[:1]
		}
		out = append(out, lines...)
	}
	if left := len(denials) - len(shown); left > 0 {
		out = append(out, fmt.Sprintf("and %d more", left))
	}
	return out
}

// Further are the lines that a refusal ends with: what to type to see what the first of
// the denying violations is about, and last whom to ask.
func (d Decision) Further() []string {
	var out []string
	denials := d.With(Deny)
	for _, v := range denials {
		if question := v.Question(); question != "" {
			out = append(out, d.explain(question))
			break
		}
	}
	return append(out, whoToAsk(denials)...)
}

// explain is the command that answers a question about what was judged.
func (d Decision) explain(question string) string {
	inputs, why := d.Inputs, "to see why"
	switch {
	case inputs != "" && d.Unchanged:
		why = "to see how it is without the change"
	case inputs != "":
	case d.Deletes:
		inputs = "--context CONTEXT"
	default:
		inputs = "--context CONTEXT -f FILE"
	}
	return fmt.Sprintf("%s: podcullis explain %s %s", why, inputs, question)
}

// Question are the arguments of `podcullis explain` that ask about the first path that the
// violation names: "shop/Deployment/web shop/StatefulSet/db 5432/TCP". It is empty where
// none is named, or a pod that does not exist yet.
func (v Violation) Question() string {
	var asked []string
	for _, details := range v.Each() {
		fields, _ := details.(map[string]any)
		if fields["way"] != nil {
			continue // it leads through objects that explain does not look at
		}
		from, to := peerArgument(fields["from"]), peerArgument(fields["to"])
		switch {
		case from == "" || to == "":
		case asked == nil:
			asked = append([]string{from, to}, portArgument(fields["ports"])...)
		default: // another block of the same set of addresses
			asked[0], asked[1] = plainer(asked[0], from, to == asked[1]), plainer(asked[1], to, from == asked[0])
		}
	}
	return strings.Join(asked, " ")
}

// somewhere is what people know for addresses on the Internet that are nobody's (RFC 5737).
var somewhere = netip.MustParsePrefix("203.0.113.0/24")

// plainer is the first of some blocks of addresses that differ from others only by where
// they end, such as the nine of "anywhere but 10.0.0.0/8", or somewhere if it is in one of
// them: nobody thinks of 0.0.0.0/5.
func plainer(first, other string, alike bool) string {
	a, err := netip.ParsePrefix(first)
	b, otherErr := netip.ParsePrefix(other)
	if !alike || err != nil || otherErr != nil || a == b || !a.Addr().Is4() || !b.Addr().Is4() {
		return first
	}
	for _, block := range []netip.Prefix{a, b} {
		if block.Bits() <= somewhere.Bits() && block.Contains(somewhere.Addr()) {
			return somewhere.String()
		}
	}
	return first
}

func peerArgument(peer any) string {
	fields, _ := peer.(map[string]any)
	text := func(key string) string {
		s, _ := fields[key].(string)
		return s
	}
	switch {
	case text("cidr") != "":
		return text("cidr")
	case text("namespace") == "" || text("kind") == "" || text("name") == "":
		return ""
	}
	return text("namespace") + "/" + text("kind") + "/" + text("name")
}

// portArgument is the port, where it is one range.
func portArgument(ports any) []string {
	list, _ := ports.([]any)
	if len(list) != 1 {
		return nil
	}
	fields, _ := list[0].(map[string]any)
	first, last := fmt.Sprint(fields["port"]), fmt.Sprint(fields["endPort"])
	if first == last {
		return []string{fmt.Sprintf("%s/%v", first, fields["protocol"])}
	}
	return []string{fmt.Sprintf("%s-%s/%v", first, last, fields["protocol"])}
}

func distinctGuardrails(list []Violation) int {
	names := map[string]bool{}
	for _, v := range list {
		names[v.Guardrail] = true
	}
	return len(names)
}
