package customresource

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/podcullis/podcullis/customresource/v1alpha1"
	"github.com/podcullis/podcullis/guardrail"
)

// What is in force of objects at most. The oldest come first, so that nobody displaces what is
// there with more.
const (
	MaxGuardrails = 100
	MaxExemptions = 1000
	// MaxSpecBytes is how large one spec may be.
	MaxSpecBytes = 64 << 10
)

// Base is what the objects come beside.
type Base struct {
	Library *guardrail.Library
	Config  *guardrail.Config
	// Entries is set where Services, Ingresses and routes are in the model.
	Entries bool
	// AtMost is the most that a Guardrail object may do; empty for deny.
	AtMost guardrail.Action
}

// Objects are those of one moment.
type Objects struct {
	Guardrails []*v1alpha1.Guardrail
	Exemptions []*v1alpha1.Exemption
	// Unconfirmed, if not empty, is why the exemptions may not be true any more. None is in force
	// then; guardrails stay.
	Unconfirmed string
}

// Outcome is what became of the objects.
type Outcome struct {
	// Instances and Exemptions are what is in force, or was until it expired, by name.
	Instances  []guardrail.Instance
	Exemptions []guardrail.Exemption
	// Guardrails and ExemptionObjects are what is said of each object.
	Guardrails       map[string]Verdict
	ExemptionObjects map[types.NamespacedName]Verdict
	// Lost are the guardrails that were in force with another library or configuration file, of
	// which nothing is right with this one. Who can keep the others does so.
	Lost Lost
}

// Lost names guardrails, each with why nothing is in force of it. It is an error.
type Lost []string

func (l Lost) Error() string {
	return "nothing would be in force any more of these, which are in force now: " + guardrail.Cut(strings.Join(l, "; "), maxMessage)
}

// Digest tells what is in force from anything else.
func (o *Outcome) Digest() string {
	if len(o.Instances)+len(o.Exemptions) == 0 {
		return ""
	}
	text, err := json.Marshal([]any{o.Instances, o.Exemptions})
	if err != nil {
		text = fmt.Appendf(nil, "%v", o)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// At is the same at a later time: what has expired since is said to have.
func (o *Outcome) At(now time.Time) Outcome {
	out := *o
	out.ExemptionObjects = maps.Clone(o.ExemptionObjects)
	for _, x := range o.Exemptions {
		_, name, _ := strings.Cut(x.Name, "/")
		at := types.NamespacedName{Namespace: x.Home(), Name: name}
		if v, ok := out.ExemptionObjects[at]; ok && x.Expired(now) {
			out.ExemptionObjects[at] = v.expired(x.Expires)
		}
	}
	return out
}

// Set composes what is in force again and again, and knows what was before. It is for one
// goroutine.
type Set struct {
	known map[types.UID]known
}

// known is what is known of a Guardrail object.
type known struct {
	generation int64
	base       Base
	instance   guardrail.Instance
	faults     []guardrail.FieldFault
	// good is the newest generation that was right, and goodInstance what it said.
	good         int64
	goodInstance guardrail.Instance
	// inForce is set where that was in force.
	inForce bool
}

// NewSet makes a Set that knows nothing.
func NewSet() *Set { return &Set{known: map[types.UID]known{}} }

// Clone is a Set that knows the same.
func (s *Set) Clone() *Set { return &Set{known: maps.Clone(s.known)} }

// Compose says what is in force now.
func (s *Set) Compose(b Base, objects Objects, now time.Time) Outcome {
	out := Outcome{Guardrails: map[string]Verdict{}, ExemptionObjects: map[types.NamespacedName]Verdict{}}
	s.composeGuardrails(b, objects.Guardrails, &out)
	instances := slices.Concat(b.Config.Guardrails, out.Instances)
	composeExemptions(instances, objects, now, &out)
	return out
}

func (s *Set) composeGuardrails(b Base, objects []*v1alpha1.Guardrail, out *Outcome) {
	objects = slices.Clone(objects)
	slices.SortFunc(objects, func(a, b *v1alpha1.Guardrail) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	now := make(map[types.UID]known, len(objects))
	for _, g := range objects {
		k := s.look(b, g)
		lost := func(why string) {
			if before := s.known[g.UID]; before.inForce && before.base != b {
				out.Lost = append(out.Lost, fmt.Sprintf("Guardrail %s: %s", g.Name, why))
			}
		}
		k.inForce = false
		v := Verdict{Generation: g.Generation, Loaded: loaded(k.faults)}
		switch {
		case slices.ContainsFunc(b.Config.Guardrails, func(in guardrail.Instance) bool { return in.Name == g.Name }):
			v.Ready = no(ReasonNameTaken, "metadata.name: the configuration file has a guardrail of this name, and that is the one in force")
		case k.good == 0:
			v.Ready = no(ReasonInvalid, "%s", v.Loaded.Message)
			lost(v.Loaded.Message)
		case len(out.Instances) >= MaxGuardrails:
			v.Ready = no(ReasonTooMany, "%d older objects of kind Guardrail are in force, and more are not", MaxGuardrails)
			lost(v.Ready.Message)
		default:
			out.Instances = append(out.Instances, atMost(k.goodInstance, b.AtMost))
			k.inForce = true
			v.InForce = k.good
			v.Ready = k.ready(b)
		}
		now[g.UID] = k
		out.Guardrails[g.Name] = v
	}
	s.known = now // of what is gone nothing is known
	slices.SortFunc(out.Instances, func(a, b guardrail.Instance) int { return strings.Compare(a.Name, b.Name) })
}

func (k *known) ready(b Base) Condition {
	switch limited := atMost(k.goodInstance, b.AtMost); {
	case len(k.faults) > 0:
		return no(ReasonOlderInForce, "generation %d stays in force: %s", k.good, list(k.faults))
	case limited.Action != k.goodInstance.Action:
		return yes(ReasonInForce, "action %s counts as %s here: objects may do no more", k.goodInstance.Action, limited.Action)
	}
	return yes(ReasonInForce, "")
}

// look checks an object unless it is known.
func (s *Set) look(b Base, g *v1alpha1.Guardrail) known {
	k := s.known[g.UID]
	if k.generation == g.Generation && k.base == b {
		return k
	}
	if k.base != b && k.good != 0 && len(b.Check(&k.goodInstance)) > 0 {
		k.good = 0 // other Rego, or another file, with which it is not right any more
	}
	k.generation, k.base = g.Generation, b
	if k.instance, k.faults = Instance(g); len(k.faults) == 0 {
		k.faults = b.Check(&k.instance)
	}
	if len(k.faults) == 0 {
		k.good, k.goodInstance = g.Generation, k.instance
	}
	return k
}

// Check says what is wrong with a guardrail, by the fields of the object.
func (b Base) Check(in *guardrail.Instance) []guardrail.FieldFault {
	faults := b.Library.Check(b.Config, in)
	for i, f := range faults {
		faults[i].Field = "spec." + f.Field
		if f.Field == "name" {
			faults[i].Field = "metadata.name"
		}
	}
	if len(faults) == 0 && !b.Entries && b.Library.NeedsEntries(b.Config, in) {
		return []guardrail.FieldFault{{Field: "spec.guardrail", Message: in.Guardrail + " asks about Services, Ingresses and routes, and these are not in the model: what is in it is chosen at the start (watchEntries in the values of the chart, or a guardrail of the file that asks about them)"}}
	}
	return faults
}

// atMost bounds what a guardrail does.
func atMost(in guardrail.Instance, most guardrail.Action) guardrail.Instance {
	order := []guardrail.Action{guardrail.AuditOnly, guardrail.Warn, guardrail.Deny}
	if at := slices.Index(order, most); at >= 0 && slices.Index(order, in.Action) > at {
		in.Action = most
	}
	return in
}
