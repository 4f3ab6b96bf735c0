package cluster_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// goneFrom is the memory of a cluster from which some objects went, one a second, the
// last at noon.
func goneFrom(t *testing.T, stay []runtime.Object, go1 ...runtime.Object) (*cluster.Snapshot, *cluster.Memory) {
	t.Helper()
	s := clustertest.Snapshot(t, append(stay, go1...)...)
	m := cluster.NewMemory(s, cluster.DefaultMemoryLimits())
	for i, o := range go1 {
		s = clustertest.Apply(t, s, clustertest.Delete(t, o)...)
		m = m.After(s, noon.Add(time.Duration(i+1-len(go1))*time.Second))
	}
	return s, m
}

func written(t *testing.T, m *cluster.Memory, now time.Time) string {
	t.Helper()
	b, err := json.Marshal(m.Export(now))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func read(t *testing.T, text string) cluster.MemoryCopy {
	t.Helper()
	var c cluster.MemoryCopy
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

// goneObjects are of every sort that is remembered.
func goneObjects() []runtime.Object {
	drifted := clustertest.Pod("shop/rs-1", clustertest.ControlledBy("ReplicaSet/rs"), clustertest.Labels("app=rs", "more=1"))
	ports := clustertest.Pod("shop/pg-0", clustertest.ControlledBy("Postgres/pg"), clustertest.Labels("tier=db"))
	ports.Spec.HostNetwork, ports.Spec.NodeName = true, "n-1"
	ports.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "sql", ContainerPort: 5432, Protocol: "TCP"}, {Name: "dns", ContainerPort: 53, Protocol: "UDP"}}}}
	return []runtime.Object{
		ports, drifted, clustertest.StatefulSet("shop/db", clustertest.Labels("app=db")), clustertest.Deployment("shop/web", clustertest.Labels("app=web")),
	}
}

// A copy of a copy says what the copy says: nothing of what is remembered is lost.
func TestACopyIsWhole(t *testing.T) {
	s, m := goneFrom(t, []runtime.Object{clustertest.Namespace("shop"), clustertest.ReplicaSet("shop/rs", clustertest.Labels("app=rs"))}, goneObjects()...)
	if m.Len() != 4 {
		t.Fatalf("%d are remembered, want 4", m.Len())
	}
	text := written(t, m, noon)
	again := cluster.NewMemoryFrom(s, cluster.DefaultMemoryLimits(), read(t, text), noon)
	next := written(t, again, noon)
	if diff := cmp.Diff(strings.Replace(text, `"step":4`, `"step":5`, 1), next); diff != "" {
		t.Errorf("-copy +copy of the copy:\n%s", diff)
	}
	if other := written(t, m, noon.Add(time.Minute)); !strings.Contains(other, fmt.Sprintf(`"ago":%d`, time.Minute)) {
		t.Errorf("a minute later: %s", other)
	}
}

func TestNothingToCopy(t *testing.T) {
	s, m := goneFrom(t, []runtime.Object{clustertest.Namespace("shop")})
	for name, m := range map[string]*cluster.Memory{"Empty": m, "None": nil} {
		if got := written(t, m, noon); got != `{"version":1,"step":0}` {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := cluster.NewMemoryFrom(s, cluster.DefaultMemoryLimits(), read(t, `{"version":1,"step":0}`), noon).Len(); got != 0 {
		t.Errorf("%d are remembered", got)
	}
}

func TestACopyStaysWithinTheLimits(t *testing.T) {
	stay := []runtime.Object{clustertest.Namespace("shop"), clustertest.Namespace("front")}
	var gone []runtime.Object
	for i := range 4 {
		for _, namespace := range []string{"shop", "front"} {
			gone = append(gone, clustertest.Pod(fmt.Sprintf("%s/p-%d", namespace, i), clustertest.ControlledBy("App/app"), clustertest.Labels(fmt.Sprintf("n=%d", i))))
		}
	}
	s, m := goneFrom(t, stay, gone...)
	c := read(t, written(t, m, noon))
	membership := cluster.Membership{Workload: cluster.Ref{Namespace: "shop", Kind: "App", Name: "app"}, Group: "example.com", Unmodelled: true}
	for name, tc := range map[string]struct {
		limits cluster.MemoryLimits
		later  time.Duration
		want   int
	}{
		"All":                {cluster.DefaultMemoryLimits(), 0, 8},
		"TwoANamespace":      {cluster.MemoryLimits{For: time.Hour, PerNamespace: 2, Total: 100}, 0, 4},
		"FiveInAll":          {cluster.MemoryLimits{For: time.Hour, PerNamespace: 100, Total: 5}, 0, 5},
		"None":               {cluster.MemoryLimits{For: time.Hour}, 0, 0},
		"NothingIsTooOld":    {cluster.MemoryLimits{For: 7 * time.Second, PerNamespace: 100, Total: 100}, 0, 8},
		"SomeIsTooOld":       {cluster.MemoryLimits{For: 3 * time.Second, PerNamespace: 100, Total: 100}, 0, 4},
		"NobodyIsRemembered": {cluster.MemoryLimits{PerNamespace: 100, Total: 100}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := cluster.NewMemoryFrom(s, tc.limits, c, noon)
			if m.Len() != tc.want {
				t.Errorf("%d are remembered, want %d", m.Len(), tc.want)
			}
			if name != "TwoANamespace" {
				return
			}
			var left []string
			for _, r := range s.WithMemory(m).Remembered(membershipOf(t, s.WithMemory(m), membership)) {
				left = append(left, r.Labels["n"])
			}
			if diff := cmp.Diff([]string{"2", "3"}, left); diff != "" {
				t.Errorf("the oldest go first (-want +got):\n%s", diff)
			}
		})
	}
}

// membershipOf is the membership as fixtures have it, whose uid is theirs.
func membershipOf(t *testing.T, s *cluster.Snapshot, m cluster.Membership) cluster.Membership {
	t.Helper()
	p := clustertest.Pod("shop/x", clustertest.ControlledBy("App/app"))
	v := clustertest.Apply(t, s, clustertest.Create(t, p)...).VariantOf("shop", "x")
	if v == nil || v.Membership.Workload != m.Workload {
		t.Fatalf("no pod of %v", m)
	}
	return v.Membership
}

// What no replica says is an error, so that it cannot widen a memory.
func TestACopyThatCannotBeTrue(t *testing.T) {
	pg := clustertest.Pod("shop/pg-0", clustertest.ControlledBy("Postgres/pg"), clustertest.Labels("tier=db"))
	pg.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "sql", ContainerPort: 5432, Protocol: "TCP"}}}}
	_, m := goneFrom(t, []runtime.Object{clustertest.Namespace("shop"), clustertest.StatefulSet("shop/stays", clustertest.Labels("a=b"))},
		clustertest.StatefulSet("shop/db", clustertest.Labels("app=db")), pg)
	right := written(t, m, noon)
	read(t, right)
	_, entry, _ := strings.Cut(right, `"gone":[`)
	entry, _, _ = strings.Cut(entry, `]}]}`)
	for name, tc := range map[string]struct{ old, new, want string }{
		"AnotherVersion":      {`"version":1`, `"version":2`, "version must be 1, got 2"},
		"NoVersion":           {`"version":1,`, ``, "version must be 1, got 0"},
		"AStepWithoutEnd":     {`"step":2`, `"step":18446744073709551615`, "step must be at most"},
		"ANegativeStep":       {`"step":2`, `"step":-2`, "cannot unmarshal number -2"},
		"AnUnknownField":      {`"step":2`, `"step":2,"more":1`, `unknown field "more"`},
		"AFieldTwice":         {`"step":2`, `"step":2,"step":2`, `duplicate field "step"`},
		"AnotherCase":         {`"step":2`, `"Step":2`, `unknown field "Step"`},
		"ANamespaceTwice":     {`"namespaces":[`, `"namespaces":[{"name":"shop"},`, `name must be there, and once, got "shop"`},
		"ANamelessNamespace":  {`"name":"shop"`, `"name":""`, `name must be there, and once, got ""`},
		"ChangedInTheFuture":  {`"there":`, `"changed":3,"there":`, "changed must be at most the step 2, got 3"},
		"BornInTheFuture":     {`":0}`, `":3}`, "born at the step 2 or before, got 3"},
		"SeenInTheFuture":     {`"last":1`, `"last":2`, "must be in this order"},
		"BornAfterItsEnd":     {`"last":1`, `"born":2,"last":1`, "must be in this order"},
		"ANegativeAge":        {`"ago":0`, `"ago":-1`, "ago must not be negative, got -1"},
		"AnAgeTooLong":        {`"ago":0`, `"ago":9223372036854775808`, "cannot unmarshal number"},
		"AnEntryTwice":        {`"gone":[`, `"gone":[` + entry + `,`, "is there twice"},
		"OfNobody":            {`"membership":{"kind":"Postgres","name":"pg"`, `"membership":{"kind":"","name":""`, "need a kind and a name"},
		"AWorkloadOfNoName":   {`"workload":{"kind":"Postgres","name":"pg"`, `"workload":{"kind":"Postgres","name":""`, "need a kind and a name"},
		"ATemplateOfNoName":   {`"template":{"kind":"StatefulSet","name":"db"}`, `"template":{"kind":"StatefulSet","name":""}`, "need a kind and a name"},
		"AnUnknownProtocol":   {`"protocol":"TCP"`, `"protocol":"ICMP"`, `protocol must be TCP, UDP or SCTP, got "ICMP"`},
		"APortTooHigh":        {`"port":5432`, `"port":70000`, "cannot unmarshal number 70000"},
		"ANegativeOrdinal":    {`"maker":{"kind":"StatefulSet","name":"db"`, `"maker":{"kind":"StatefulSet","name":"db","first":-1`, "ordinals must not be negative"},
		"TheParentOfNoName":   {`"workload":{"kind":"Postgres","name":"pg"`, `"parent":{"kind":"X","name":""},"workload":{"kind":"Postgres","name":"pg"`, "need a kind and a name"},
		"SomethingElseBehind": {right, right + "{}", "after top-level value"},
		"HalfOfIt":            {right, right[:len(right)/2], "unexpected end of JSON input"},
		"NoObject":            {right, `[]`, "cannot unmarshal array"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(right, tc.old, tc.new, 1)
			if text == right {
				t.Fatalf("%s is not in %s", tc.old, right)
			}
			var c cluster.MemoryCopy
			err := json.Unmarshal([]byte(text), &c)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s\n%s", err, tc.want, text)
			}
		})
	}
}

func FuzzMemoryCopy(f *testing.F) {
	f.Add(`{"version":1,"step":2,"namespaces":[{"name":"shop","gone":[{"membership":{"kind":"A","name":"a"},"workload":{"kind":"A","name":"a"},"last":1,"ago":0}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var c cluster.MemoryCopy
		if json.Unmarshal([]byte(text), &c) != nil {
			return
		}
		s := clustertest.Snapshot(t, clustertest.Namespace("shop"))
		limits := cluster.MemoryLimits{For: time.Hour, PerNamespace: 3, Total: 3}
		m := cluster.NewMemoryFrom(s, limits, c, noon)
		if m.Len() > 3 {
			t.Errorf("%d are remembered", m.Len())
		}
		if m = m.After(s, noon.Add(2*time.Hour)); m.Len() > 0 {
			t.Errorf("%d are remembered after two hours", m.Len())
		}
	})
}
