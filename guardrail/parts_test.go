package guardrail

import (
	"testing"
	"time"
)

// A guardrail that may deny and warns besides is two, of which neither does what the other one does.
func TestPartsOfAGuardrail(t *testing.T) {
	e, err := configure("c", `apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- {name: shut, guardrail: forbidden-paths, action: deny, parameters: {from: {}, to: {}}}
- {name: isolated, guardrail: default-deny, action: deny}
- {name: told, guardrail: default-deny, action: warn}
`, embedded(t))
	if err != nil {
		t.Fatal(err)
	}
	rules := func(f InForce) map[string]int {
		out := map[string]int{}
		for _, i := range f.instances {
			out[i.Name] = len(i.rules)
		}
		return out
	}
	denying, remarking := rules(e.InForce().Denying()), rules(e.InForce().Remarking())
	if len(denying) != 2 || denying["shut"] != 1 || denying["isolated"] == 0 {
		t.Errorf("denying: %v", denying)
	}
	if len(remarking) != 2 || remarking["shut"] != 1 || remarking["told"] == 0 {
		t.Errorf("remarking: %v", remarking)
	}
	if again := rules(e.InForce().Denying().Denying()); len(again) != 2 {
		t.Errorf("of the denying ones, those that deny: %v", again)
	}
}

// An evaluation that nobody waits for takes no turn of the others, and waits while there
// are such, but not for ever.
func TestTheBackgroundGivesWay(t *testing.T) {
	l := newLane()
	behind := l.newTurn(t.Context())
	behind.inBackground()
	if !behind.take() {
		t.Fatal("no turn")
	}
	asked := l.newTurn(t.Context())
	if !asked.take() {
		t.Fatal("the background holds a turn of the others")
	}
	began := time.Now()
	behind.giveWay()
	if waited := time.Since(began); waited < givingWay/2 {
		t.Errorf("it gave way for %s", waited)
	}
	asked.end()
	behind.end()
	if n := l.asked.Load(); n != 0 {
		t.Errorf("%d evaluations are left", n)
	}
	if !l.turns.TryAcquire(1) || !l.behind.TryAcquire(1) {
		t.Error("a turn is left")
	}
}
