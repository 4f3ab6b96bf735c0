package webhook

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/ledger"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

const lawConfig = `
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- name: no-path
  guardrail: forbidden-paths
  action: deny
  parameters: {from: {podSelector: {matchLabels: {front: "yes"}}}, to: {podSelector: {matchLabels: {back: "yes"}}}}
`

// lawNetpol is a random one, of few labels, so that they meet.
func lawNetpol(r *rand.Rand, namespace, name string) string {
	selector := []string{"{}", "{matchLabels: {a: '1'}}", "{matchLabels: {a: '2'}}", "{matchLabels: {front: 'yes'}}", "{matchLabels: {back: 'yes'}}"}
	pick := func() string { return selector[r.IntN(len(selector))] }
	rules := func(side string) string {
		var peers []string
		for range r.IntN(3) {
			peers = append(peers, "{namespaceSelector: {}, podSelector: "+pick()+"}")
		}
		if len(peers) == 0 {
			return "[]"
		}
		return "[{" + side + ": [" + strings.Join(peers, ", ") + "]}]"
	}
	types := []string{"[Ingress]", "[Egress]", "[Ingress, Egress]"}[r.IntN(3)]
	return fmt.Sprintf("{metadata: {name: %s, namespace: %s, uid: %[1]s, resourceVersion: '5'}, spec: {podSelector: %[3]s, policyTypes: %[4]s, ingress: %[5]s, egress: %[6]s}}", name, namespace, pick(), types, rules("from"), rules("to"))
}

func lawPod(r *rand.Rand, namespace, name string) string {
	l := []string{"x: z"}
	for _, label := range []string{"a: '1'", "a: '2'", "front: 'yes'", "back: 'yes'"} {
		if r.IntN(2) == 0 && (label != "a: '2'" || !strings.Contains(strings.Join(l, ""), "a: '1'")) {
			l = append(l, label)
		}
	}
	return fmt.Sprintf("{metadata: {name: %s, namespace: %s, uid: %[1]s, resourceVersion: '5', labels: {%[3]s}}}", name, namespace, strings.Join(l, ", "))
}

// Whatever is in flight: if a change is refused in any combination of it, it is refused
// in one of the worlds.
func TestLawTheWorldsHoldEveryCombination(t *testing.T) {
	library, err := guardrail.LoadLibrary(guardrail.Source{Name: guardrail.Embedded, FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	config, err := guardrail.ParseConfig("law", []byte(lawConfig))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := guardrail.New(library, config)
	if err != nil {
		t.Fatal(err)
	}
	j := NewJudge(JudgeOptions{Evaluator: engine, Remember: true, Ledger: &heldLedger{}, Mode: Enforce, Log: servingtest.Quiet})
	refusedIn, worldsIn, falsely := 0, 0, 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 7))
		namespace := func() string { return []string{"left", "right"}[r.IntN(2)] }
		s := &cluster.Snapshot{}
		apply := func(request admission.Request) {
			change, err := j.changeFrom(&request.AdmissionRequest, s)
			if err != nil {
				t.Fatal(err)
			}
			if s, err = s.Apply(change); err != nil {
				t.Fatal(err)
			}
		}
		in := func(operation, kind, namespace, name, object, old string) admission.Request {
			q := request(t, operation, kind, namespace, name, object, old)
			q.Resource.Group, q.Resource.Resource = q.Kind.Group, strings.ToLower(kind)+"s"
			return q
		}
		var pods, netpols [][3]string // namespace, name, text
		for i := range 3 {
			p := [3]string{namespace(), fmt.Sprintf("p%d", i)}
			p[2] = lawPod(r, p[0], p[1])
			pods = append(pods, p)
			apply(in("CREATE", "Pod", p[0], p[1], p[2], ""))
		}
		for i := range 1 + r.IntN(2) {
			n := [3]string{namespace(), fmt.Sprintf("n%d", i)}
			n[2] = lawNetpol(r, n[0], n[1])
			netpols = append(netpols, n)
			apply(in("CREATE", "NetworkPolicy", n[0], n[1], n[2], ""))
		}
		var entries []ledger.Entry
		for i := range 1 + r.IntN(4) {
			ns, name := namespace(), fmt.Sprintf("f%d", i)
			var q admission.Request
			switch victim := r.IntN(len(netpols)); r.IntN(6) {
			case 0:
				q = in("CREATE", "Pod", ns, name, lawPod(r, ns, name), "")
			case 1:
				p := pods[r.IntN(len(pods))]
				q = in("UPDATE", "Pod", p[0], p[1], lawPod(r, p[0], p[1]), p[2])
			case 2:
				q = in("DELETE", "NetworkPolicy", netpols[victim][0], netpols[victim][1], "", netpols[victim][2])
			default:
				q = in("CREATE", "NetworkPolicy", ns, name, lawNetpol(r, ns, name), "")
			}
			change, err := j.changeFrom(&q.AdmissionRequest, s)
			if err != nil {
				t.Fatal(err)
			}
			if change.Idle() {
				continue
			}
			e, err := j.entryOf(&q, change)
			if err != nil {
				t.Fatal(err)
			}
			e.ID = seed*10 + uint64(i) + 1
			entries = append(entries, e)
		}
		var q admission.Request
		switch ns := namespace(); r.IntN(4) {
		case 0:
			q = in("CREATE", "Pod", ns, "own", lawPod(r, ns, "own"), "")
		case 1:
			p := pods[r.IntN(len(pods))]
			q = in("UPDATE", "Pod", p[0], p[1], lawPod(r, p[0], p[1]), p[2])
		case 2:
			n := netpols[r.IntN(len(netpols))]
			q = in("UPDATE", "NetworkPolicy", n[0], n[1], lawNetpol(r, n[0], n[1]), n[2])
		default:
			q = in("CREATE", "NetworkPolicy", ns, "own", lawNetpol(r, ns, "own"), "")
		}
		change, err := j.changeFrom(&q.AdmissionRequest, s)
		if err != nil {
			t.Fatal(err)
		}
		if change.Idle() || j.evaluate(t.Context(), &q, s, change).refuses() {
			continue
		}
		var wrong string
		for subset := range 1 << len(entries) {
			var some []ledger.Entry
			for i, e := range entries {
				if subset>>i&1 == 1 && e.Ref != change.Ref() {
					some = append(some, e)
				}
			}
			with, err := j.happened(s, some)
			if err != nil {
				t.Fatal(err)
			}
			if j.evaluate(t.Context(), &q, with, change).refuses() {
				wrong = fmt.Sprintf("%s %s %s/%s %s is refused with %s", q.Operation, q.Kind.Kind, q.Namespace, q.Name, q.Object.Raw, nameEntries(some))
				for _, e := range some {
					wrong += fmt.Sprintf("\n  %s %s %s", e.Operation, e.Ref, e.Content)
				}
				break
			}
		}
		v := j.inWorlds(t.Context(), &q, s, change, ledger.View{Entries: entries, Sequence: 1})
		switch {
		case wrong != "" && !v.refuses():
			objects := ""
			for o := range s.Objects() {
				objects += fmt.Sprintf("\n  %s", o.Ref())
			}
			for _, x := range append(pods, netpols...) {
				objects += "\n  " + x[2]
			}
			t.Errorf("seed %d: %s, and in none of the worlds\nthere are:%s", seed, wrong, objects)
		case wrong != "":
			refusedIn++
		case v.refuses():
			falsely++
		}
		worldsIn++
	}
	t.Logf("%d changes, %d of them refused in a combination, %d in a world that is none", worldsIn, refusedIn, falsely)
}
