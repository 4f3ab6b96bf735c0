package plan_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/plan"
	"github.com/podcullis/podcullis/policies"
)

var update = flag.Bool("update", false, "rewrite the want section of every case")

// TestPlans plans changes of many objects as they happen, and looks at every state that
// the order leaves, without the guardrails: nothing forbidden is open that was not, what
// is required and was open is open, and everything is isolated that was, or that is new.
func TestPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d cases: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := read(t, a)
			p, err := plan.New(context.Background(), c.engine, c.before, c.steps)
			if err != nil {
				t.Fatal(err)
			}
			got := c.words(p)
			want := string(a.Files[len(a.Files)-1].Data)
			if *update {
				a.Files[len(a.Files)-1].Data = []byte(got)
				want = got
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s(-want +got):\n%s", a.Comment, diff)
			}
			c.checkStates(t, p)
		})
	}
}

// change is one change of many objects.
type change struct {
	engine *guardrail.Engine
	before *cluster.Snapshot
	steps  []plan.Step
}

func read(t *testing.T, a *txtar.Archive) *change {
	t.Helper()
	part := map[string][]byte{}
	for _, f := range a.Files {
		part[f.Name] = f.Data
	}
	library, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	config, err := guardrail.ParseConfig("guardrails.yaml", part["guardrails.yaml"])
	if err != nil {
		t.Fatal(err)
	}
	c := &change{}
	if c.engine, err = guardrail.New(library, config); err != nil {
		t.Fatal(err)
	}
	there := load(t, part["before.yaml"])
	if c.before, err = there.Snapshot(); err != nil {
		t.Fatal(err)
	}
	if len(bytes.TrimSpace(part["apply.yaml"])) > 0 {
		set := load(t, part["apply.yaml"])
		for i := range set.Objects {
			is := &set.Objects[i]
			was, _ := there.Lookup(is.Ref())
			c.steps = append(c.steps, review(was, is))
		}
	}
	for name := range strings.FieldsSeq(string(part["delete"])) {
		x := strings.Split(name, "/")
		was, ok := there.Lookup(cluster.Ref{Kind: x[0], Namespace: x[1], Name: x[2]})
		if !ok {
			t.Fatalf("delete: no object %s in before.yaml", name)
		}
		c.steps = append(c.steps, review(was, nil))
	}
	return c
}

func load(t *testing.T, text []byte) *manifest.Set {
	t.Helper()
	set, err := manifest.Load([]string{"-"}, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func review(was, is *manifest.Object) plan.Step {
	o, r := is, &admissionv1.AdmissionRequest{Operation: admissionv1.Update}
	var c cluster.Change
	if was != nil {
		c.Before, r.OldObject = was.Model, runtime.RawExtension{Raw: was.JSON}
	} else {
		r.Operation = admissionv1.Create
	}
	if is != nil {
		c.After, r.Object = is.Model, runtime.RawExtension{Raw: is.JSON}
	} else {
		o, r.Operation = was, admissionv1.Delete
	}
	r.Kind = metav1.GroupVersionKind(o.GroupVersionKind)
	r.Namespace, r.Name = o.Namespace, o.Name
	if o.Kind == "Namespace" {
		r.Namespace = o.Name
	}
	return plan.Step{Review: guardrail.Review{Request: r, Change: c, Time: time.Unix(0, 0)}}
}

func (c *change) title(i int) string {
	return strings.ToLower(string(c.steps[i].Request.Operation)) + " " + c.steps[i].Subject()
}

func (c *change) words(p *plan.Plan) string {
	var b strings.Builder
	for n, wave := range p.Waves {
		fmt.Fprintf(&b, "wave %d\n", n)
		for _, i := range wave {
			fmt.Fprintf(&b, "  %s\n", c.title(i))
		}
	}
	if p.GaveUp {
		b.WriteString("gave up\n")
	}
	if p.Conflict == nil {
		return b.String()
	}
	b.WriteString("no order\n")
	for k, i := range p.Conflict.Steps {
		fmt.Fprintf(&b, "%s\n", c.title(i))
		for _, line := range plan.Said(p.Conflict.Denials[k]) {
			fmt.Fprintf(&b, "  %s\n", line)
		}
	}
	return b.String()
}

// checkStates looks at every state that the waves can leave.
func (c *change) checkStates(t *testing.T, p *plan.Plan) {
	t.Helper()
	var done []cluster.Change
	for _, wave := range p.Waves {
		for some := range 1 << len(wave) {
			changes := slices.Clone(done)
			var names []string
			for k, i := range wave {
				if some&(1<<k) != 0 {
					changes = append(changes, c.steps[i].Change)
					names = append(names, c.title(i))
				}
			}
			state, err := c.before.Apply(changes...)
			if err != nil {
				t.Fatal(err)
			}
			for _, wrong := range c.wrong(t, state) {
				t.Errorf("after %s of the wave: %s", strings.Join(names, ", "), wrong)
			}
		}
		for _, i := range wave {
			done = append(done, c.steps[i].Change)
		}
	}
}

func (c *change) wrong(t *testing.T, state *cluster.Snapshot) (out []string) {
	t.Helper()
	questions, err := c.engine.PathQuestions()
	if err != nil {
		t.Fatal(err)
	}
	required := func(name string) bool { return strings.HasPrefix(name, "needed-") }
	for _, q := range questions {
		was, is := pairs(c.before, q.Query), pairs(state, q.Query)
		for pair, ports := range is {
			if !required(q.Guardrail) && !ports.Subtract(was[pair]).Empty() {
				out = append(out, fmt.Sprintf("%s: %s is open on %s", q.Guardrail, pair, ports))
			}
		}
		for pair, ports := range was {
			from, to, _ := strings.Cut(pair, " ")
			if required(q.Guardrail) && there(state, from) && there(state, to) && !ports.Subtract(is[pair]).Empty() {
				out = append(out, fmt.Sprintf("%s: %s is shut", q.Guardrail, pair))
			}
		}
	}
	if !slices.Contains(c.engine.Guardrails(), "default-deny") {
		return out
	}
	for w := range state.AllWorkloads() {
		isolated := connectivity.IsolationOf(state, w).Isolated[cluster.Ingress] == selector.Yes
		before, old := c.before.Workload(w.Ref)
		if !isolated && (!old || connectivity.IsolationOf(c.before, before).Isolated[cluster.Ingress] == selector.Yes) {
			out = append(out, w.Ref.String()+" is not isolated")
		}
	}
	return out
}

func pairs(s *cluster.Snapshot, q connectivity.Query) map[string]connectivity.PortSet {
	out := map[string]connectivity.PortSet{}
	for _, c := range connectivity.Open(s, q, connectivity.Options{}) {
		key := c.From.String() + " " + c.To.String()
		out[key] = out[key].Union(c.Ports)
	}
	return out
}

func there(s *cluster.Snapshot, name string) bool {
	for w := range s.AllWorkloads() {
		if w.Ref.String() == name {
			return true
		}
	}
	return false
}
