package guardrail

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

// asked are the paths that netpol.open lists for a question, as "from to".
func asked(t interface {
	Fatal(...any)
	Skip(...any)
}, e *evaluation, question string,
) []string {
	v, err := e.open([]*ast.Term{ast.MustParseTerm(question)})
	if err != nil && (strings.Contains(err.Error(), "let except name fewer") || strings.Contains(err.Error(), "nobody is left")) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	raw, err := ast.JSON(v)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range raw.([]any) {
		fields := c.(map[string]any)
		out = append(out, peerArgument(fields["from"])+" "+peerArgument(fields["to"]))
	}
	slices.Sort(out)
	return out
}

// TestLawEnds holds of random questions with lists and exceptions: what they choose is
// what each element's selectors choose but for what its exceptions' choose.
func TestLawEnds(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		labels := func(what string) map[string]string {
			out := map[string]string{}
			for _, key := range []string{"app", "tier"} {
				if v := rapid.SampledFrom([]string{"", "a", "b"}).Draw(r, what+" "+key); v != "" {
					out[key] = v
				}
			}
			return out
		}
		var objects []runtime.Object
		podLabels, nsLabels := map[string]map[string]string{}, map[string]map[string]string{}
		for _, ns := range []string{"one", "two"} {
			nsLabels[ns] = labels(ns)
			objects = append(objects, clustertest.Namespace(ns, labelList(nsLabels[ns])...))
			for i := range 4 {
				name := fmt.Sprintf("%s/w%d", ns, i)
				podLabels[name] = labels(name)
				objects = append(objects, clustertest.Deployment(name, clustertest.Labels(labelList(podLabels[name])...)))
			}
		}
		type place struct {
			Namespaces map[string]any `json:"namespaceSelector,omitempty"`
			Pods       map[string]any `json:"podSelector,omitempty"`
			Except     []place        `json:"except,omitempty"`
		}
		match := func(l map[string]string) map[string]any { return map[string]any{"matchLabels": l} }
		drawPlace := func(what string, least int) place {
			p := place{match(labels(what + " ns")), match(labels(what + " pods")), nil}
			if least > 0 && len(p.Pods["matchLabels"].(map[string]string)) == 0 {
				p.Pods = match(map[string]string{"app": "a"})
			}
			return p
		}
		drawEnds := func(what string) []place {
			var out []place
			for i := range rapid.IntRange(1, 2).Draw(r, what) {
				p := drawPlace(fmt.Sprint(what, i), 0)
				for k := range rapid.IntRange(0, 2).Draw(r, what+" exceptions") {
					p.Except = append(p.Except, drawPlace(fmt.Sprint(what, i, "except", k), 1))
				}
				out = append(out, p)
			}
			return out
		}
		holds := func(want map[string]any, is map[string]string) bool {
			for k, v := range want["matchLabels"].(map[string]string) {
				if is[k] != v {
					return false
				}
			}
			return true
		}
		chooses := func(all []place, name string) bool {
			ns, _, _ := strings.Cut(name, "/")
			is := func(p place) bool { return holds(p.Namespaces, nsLabels[ns]) && holds(p.Pods, podLabels[name]) }
			return slices.ContainsFunc(all, func(p place) bool { return is(p) && !slices.ContainsFunc(p.Except, is) })
		}
		from, to := drawEnds("from"), drawEnds("to")
		var want []string
		for f := range podLabels {
			for d := range podLabels {
				if f != d && chooses(from, f) && chooses(to, d) {
					want = append(want, strings.Replace(f, "/", "/Deployment/", 1)+" "+strings.Replace(d, "/", "/Deployment/", 1))
				}
			}
		}
		slices.Sort(want)
		question, err := json.Marshal(map[string]any{"from": from, "to": to})
		if err != nil {
			r.Fatal(err)
		}
		s := clustertest.Snapshot(t, objects...)
		e := &evaluation{
			Review: &Review{Before: s, After: s, Origin: Admission},
			world:  newWorld(newLane().newTurn(context.Background()), s, s, connectivity.Options{}),
		}
		if diff := cmp.Diff(want, asked(r, e, string(question))); diff != "" {
			r.Fatalf("%s\n-want +got:\n%s", question, diff)
		}
	})
}

func labelList(labels map[string]string) []string {
	var out []string
	for k, v := range labels {
		out = append(out, k+"="+v)
	}
	return out
}

const onlyBackend = `apiVersion: podcullis.io/v1alpha1
kind: Guardrails
podNetwork: [10.244.0.0/16]
guardrails:
- name: only-backend-reaches-db
  guardrail: forbidden-paths
  action: deny
  parameters:
    from:
    - except: [{podSelector: {matchLabels: {app: backend}}}, {podSelector: {matchLabels: {app: db}}}]
    - {outside: true}
    to: {podSelector: {matchLabels: {app: db}}}
`

// "Only backend reaches db" is one guardrail: who else is in the cluster, and all that is
// outside of it.
func TestOnlyBackendReachesDBTheInternetIncluded(t *testing.T) {
	e, err := configure("c", onlyBackend, embedded(t))
	if err != nil {
		t.Fatal(err)
	}
	s := clustertest.Snapshot(t, clustertest.Namespace("shop"),
		clustertest.Deployment("shop/backend", clustertest.Labels("app=backend")), clustertest.Deployment("shop/web", clustertest.Labels("app=web")),
		clustertest.Deployment("shop/bare"), clustertest.Deployment("shop/db", clustertest.Labels("app=db")),
		clustertest.Netpol("shop/db", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: backend}}}]}]}`))
	for name, test := range map[string]struct{ spec, want string }{
		"AllowAll": {
			`{podSelector: {}, ingress: [{}]}`,
			"any address outside the cluster could reach shop/Deployment/db on all ports; shop/Deployment/bare and shop/Deployment/web could reach shop/Deployment/db on all ports",
		},
		"ABlockOutside": {
			`{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 10.8.0.0/16}}]}]}`,
			"10.8.0.0/16 could reach shop/Deployment/db on all ports",
		},
		"TheInternet": {
			`{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 192.168.0.0/16]}}]}]}`,
			"anywhere but 10.0.0.0/8, 192.168.0.0/16 could reach shop/Deployment/db on all ports",
		},
		"Backend": {`{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: backend}}}]}]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := e.Evaluate(context.Background(), review(t, s, nil, clustertest.Netpol("shop/new", test.spec)))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, v := range d.Violations {
				got = append(got, v.Summary())
			}
			if diff := cmp.Diff(test.want, strings.Join(got, "; ")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A frontend that is relabelled to what an exception names is still what its template says.
func TestALabelIsNoWayIntoAnException(t *testing.T) {
	e, err := configure("c", onlyBackend, embedded(t))
	if err != nil {
		t.Fatal(err)
	}
	pod := func(app string) runtime.Object {
		return clustertest.Pod("shop/web-7d9c-a", clustertest.Labels("app="+app, "pod-template-hash=7d9c"), clustertest.ControlledBy("ReplicaSet/web-7d9c"))
	}
	s := clustertest.Snapshot(t, clustertest.Namespace("shop"), clustertest.Deployment("shop/web", clustertest.Labels("app=web")), pod("web"),
		clustertest.Deployment("shop/db", clustertest.Labels("app=db")),
		clustertest.Netpol("shop/db", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: backend}}}]}]}`))
	d, err := e.Evaluate(context.Background(), review(t, s, pod("web"), pod("backend")))
	if err != nil || !d.Denied() {
		t.Errorf("let in: %v %v", d, err)
	}
}

// Every element of a list is looked at for whom it chooses, with its exceptions.
func TestAnElementThatChoosesNobodyIsNamed(t *testing.T) {
	e, err := configure("c", strings.Replace(onlyBackend, "    - {outside: true}\n", "    - {outside: true}\n    - {podSelector: {matchLabels: {app: wbe}}, except: [{namespaceSelector: {matchLabels: {a: b, c: d}}}]}\n", 1), embedded(t))
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.Unmatched(clustertest.Snapshot(t, clustertest.Deployment("shop/web", clustertest.Labels("app=web")), clustertest.Deployment("shop/db", clustertest.Labels("app=db"))))
	if err != nil || len(got) != 1 || !strings.Contains(got[0].String(), "app=wbe") || got[0].Side != "from" {
		t.Errorf("got %v %v", got, err)
	}
}
