package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/podcullis/podcullis/test/server"
)

// got is what a log line about a violation that got in says.
type got struct {
	Msg, Guardrail, Violation, By string
	Delay                         time.Duration
}

// gotIn are those that a replica has logged so far.
func (g *gate) gotIn(t *testing.T) []got {
	t.Helper()
	var out []got
	for line := range strings.Lines(g.log(t)) {
		var l got
		if strings.Contains(line, `"violation got in"`) && json.Unmarshal([]byte(line), &l) == nil {
			out = append(out, l)
		}
	}
	return out
}

// seen is podcullis_violations_seen_total of a guardrail.
func (g *gate) seen(ctx context.Context, guardrail string) (int, error) {
	text, err := server.Get(ctx, "http://"+g.metrics+"/metrics")
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`(?m)^podcullis_violations_seen_total\{guardrail="` + guardrail + `"\} (\d+)$`).FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("no podcullis_violations_seen_total of %s", guardrail)
	}
	return strconv.Atoi(m[1])
}

// awaitSeen waits until a replica has counted and logged as many as wanted.
func (g *gate) awaitSeen(t *testing.T, guardrail string, want int) []got {
	t.Helper()
	await(t, fmt.Sprintf("%d violations of %s to be seen", want, guardrail), func(ctx context.Context) error {
		n, err := g.seen(ctx, guardrail)
		if err == nil && n != want {
			err = fmt.Errorf("%d were", n)
		}
		return err
	})
	return g.gotIn(t)
}

// gotInEvents are the Events in a namespace about what got in: "object: note".
func (c cluster) gotInEvents(t *testing.T, namespace string) []string {
	t.Helper()
	out := c.kubectl(t, "", "get", "events", "-n", namespace, "--field-selector=reason=ViolationGotIn",
		"-o", `jsonpath={range .items[*]}{.involvedObject.kind}/{.involvedObject.name}: {.message}{"\n"}{end}`)
	return strings.FieldsFunc(out, func(r rune) bool { return r == '\n' })
}

func (c cluster) awaitEvents(t *testing.T, namespace string, want int) []string {
	t.Helper()
	var events []string
	await(t, fmt.Sprintf("%d Events", want), func(context.Context) error {
		if events = c.gotInEvents(t, namespace); len(events) != want {
			return fmt.Errorf("there are %d: %q", len(events), events)
		}
		return nil
	})
	return events
}

// dbHole lets pods with a label reach the database of the shop.
func dbHole(name, label string) string {
	return `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: ` + name + `, namespace: shop},
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {` + label + `}}}]}]}}`
}

// egress lets pods with a label reach everybody.
func egress(name, label string) string {
	return `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: ` + name + `, namespace: shop},
spec: {podSelector: {matchLabels: {` + label + `}}, policyTypes: [Egress], egress: [{}]}}`
}

// Nobody asks the webhook any more, and two replicas look on.
func TestWhatGotInIsSeen(t *testing.T) {
	c := start(t)
	c.shop(t)
	c.kubectl(t, "", "delete", "events", "-n", "shop", "--all")
	// What was there before is told by nobody.
	c.kubectl(t, dbHole("old-hole", "app: logging"), "apply", "-f", "-")
	c.kubectl(t, egress("old-way", "app: logging"), "apply", "-f", "-")
	gates := []*gate{c.replica(t, gateOptions{}), c.replica(t, gateOptions{})}

	// Harmless, and a replacement of a pod that has had its hole for long.
	c.kubectl(t, dbHole("harmless", "app: nobody"), "apply", "-f", "-")
	c.kubectl(t, "", "delete", "pod", "-n", "shop", "-l", "app=logging")
	c.awaitPods(t, "shop", "app=logging", 1)

	// A netpol alone.
	c.kubectl(t, egress("ways", "app: frontend"), "apply", "-f", "-")
	c.kubectl(t, dbHole("hole", "app: frontend"), "apply", "-f", "-")
	for _, g := range gates {
		lines := g.awaitSeen(t, "only-backend-reaches-db", 1)
		if len(lines) != 1 || !strings.Contains(lines[0].Violation, "frontend could reach shop/") || !strings.Contains(lines[0].By, "NetworkPolicy shop/hole created (resourceVersion ") || !strings.Contains(lines[0].By, "by kubectl-client-side-apply at 2") {
			t.Errorf("logged: %+v", lines)
		}
		if !strings.Contains(lines[0].By, "together with NetworkPolicy shop/ways created") {
			t.Errorf("the way out was not named: %s", lines[0].By)
		}
	}
	events := c.awaitEvents(t, "shop", 1)
	if !strings.HasPrefix(events[0], "NetworkPolicy/hole: [only-backend-reaches-db] shop/") || !strings.Contains(events[0], "it got in: NetworkPolicy shop/hole created") {
		t.Errorf("Event: %s", events[0])
	}
	t.Logf("Event: %s", events[0])
	t.Logf("log: %+v", gates[0].gotIn(t)[0])

	// A label and a netpol that wait for each other.
	c.kubectl(t, dbHole("readers", "role: reader"), "apply", "-f", "-")
	pod := c.awaitPods(t, "shop", "app=logging", 1)[0]
	c.kubectl(t, "", "delete", "networkpolicy", "-n", "shop", "old-hole")
	c.kubectl(t, "", "label", "-n", "shop", pod, "role=reader")
	// And what isolates everybody.
	c.kubectl(t, "", "delete", "networkpolicy", "-n", "shop", "default-deny")
	for _, g := range gates {
		lines := g.awaitSeen(t, "only-backend-reaches-db", 2)
		if by := lines[1].By; !strings.Contains(by, "Pod shop/") || !strings.Contains(by, "updated (resourceVersion ") || !strings.Contains(by, "by kubectl-label at ") || !strings.Contains(by, "together with NetworkPolicy shop/readers created") {
			t.Errorf("the pair is not named: %+v", lines[1])
		}
		await(t, "the loss of isolation to be logged", func(context.Context) error {
			lines := g.gotIn(t)
			if last := lines[len(lines)-1]; last.Guardrail != "default-deny" || !strings.Contains(last.By, "NetworkPolicy shop/default-deny deleted (resourceVersion ") {
				return fmt.Errorf("the last line is %+v", last)
			}
			return nil
		})
	}
	for _, line := range gates[0].gotIn(t) {
		t.Logf("%s: %s, by %s, after %s", line.Guardrail, line.Violation, line.By, line.Delay)
	}
	for _, event := range c.awaitEvents(t, "shop", 3) { // two replicas, one Event each
		t.Logf("Event: %s", event)
	}
}

// What is refused did not get in, and neither does it in mode audit count as if.
func TestWhatIsRefusedOrExemptIsNotSeen(t *testing.T) {
	c := start(t)
	c.shop(t)
	c.kubectl(t, "", "delete", "events", "-n", "shop", "--all")
	g := c.gate(t, gateOptions{})
	c.kubectl(t, egress("ways", "app: frontend"), "apply", "-f", "-")
	c.denied(t, "", dbHole("hole", "app: frontend"), "create", "-f", "-")
	c.kubectl(t, dbHole("harmless", "app: nobody"), "apply", "-f", "-")
	g.unregister(t)
	// The end of all things: what is seen now is all that is seen.
	c.kubectl(t, "", "delete", "networkpolicy", "-n", "shop", "default-deny")
	await(t, "the deletion to be seen", func(ctx context.Context) error {
		n, err := g.seen(ctx, "default-deny")
		if err == nil && n == 0 {
			err = fmt.Errorf("not yet")
		}
		return err
	})
	for _, line := range g.gotIn(t) {
		if !strings.Contains(line.By, "NetworkPolicy shop/default-deny deleted") {
			t.Errorf("seen: %+v", line)
		}
	}
}
