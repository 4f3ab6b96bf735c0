package live

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/podcullis/podcullis/cluster"
)

// diary writes down what an observer is told, each word together with what the snapshot
// says at that moment.
type diary struct {
	model *Model
	lines []string
	lists []string
}

func (d *diary) Observed(o Observation) {
	state := "absent"
	if x := current(d.model.Snapshot(), o.Ref); x != nil {
		state = "present"
		if p, ok := x.(*cluster.Pod); ok {
			state = p.Labels["app"]
		}
	}
	line := fmt.Sprintf("%s %s %s %s: %s", o.Resource, o.Ref, o.UID, o.ResourceVersion, state)
	for what, is := range map[string]bool{"deleted": o.Deleted, "terminating": o.Terminating, "bound": o.Bound} {
		if is {
			line += ", " + what
		}
	}
	d.lines = append(d.lines, line)
}

func (d *diary) Applied(resource, version string) {
	d.lines = append(d.lines, resource+" until "+version)
}

func (d *diary) Listed(resource, version string) {
	d.lists = append(d.lists, fmt.Sprintf("%s at %s before %d lines", resource, version, len(d.lines)))
}

func (d *diary) want(t *testing.T, lines ...string) {
	t.Helper()
	synctest.Wait()
	slices.Sort(d.lines) // kinds follow each other as they like
	slices.Sort(lines)
	if diff := cmp.Diff(lines, d.lines); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	d.lines = nil
}

func observed(t *testing.T) (*fixture, *diary) {
	d := &diary{}
	f := start(t, Options{Observer: d})
	d.model = f.Model
	return f, d
}

func withUID(p *corev1.Pod, uid string) *corev1.Pod {
	p.UID = types.UID(uid)
	return p
}

func TestAnObserverIsToldWhatTheSnapshotHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, d := observed(t)
		f.kind("Pod").Add(withUID(pod("a", "7", "web"), "u1"))
		f.listed("CronJob")
		d.want(t) // nothing is in the snapshot before all kinds have listed
		f.kind("CronJob").answer()
		synctest.Wait()
		var lists []string
		for _, line := range d.lines {
			if line != "pods shop/Pod/a u1 2: web" {
				lists = append(lists, line)
			}
		}
		if len(lists) != len(kinds()) || len(d.lines) != len(lists)+1 {
			t.Errorf("the lists: told %q", d.lines)
		}
		d.lines = nil

		f.kind("Pod").Update(withUID(pod("a", "8", "db"), "u1"))
		d.want(t, "pods shop/Pod/a u1 3: db", "pods until 3")

		bound := withUID(pod("a", "9", "db"), "u1")
		bound.Spec.NodeName = "n"
		f.kind("Pod").Update(bound)
		d.want(t, "pods shop/Pod/a u1 4: db, bound", "pods until 4")

		leaving := withUID(pod("a", "10", "db"), "u1")
		leaving.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
		f.kind("Pod").Update(leaving)
		d.want(t, "pods shop/Pod/a u1 5: db, terminating", "pods until 5")

		f.kind("Pod").Delete(withUID(pod("a", "11", "db"), "u1"))
		d.want(t, "pods shop/Pod/a u1 6: absent, deleted", "pods until 6")
	})
}

func TestABookmarkTellsHowFarAResourceIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, d := observed(t)
		f.listed()
		synctest.Wait()
		d.lines = nil
		f.kind("Pod").tell(watch.Bookmark, withUID(pod("", "", ""), ""))
		d.want(t, "pods until 2")
	})
}

// That an object is missing in a list says nothing of how it went, nor when.
func TestNobodyIsToldOfWhatAListDoesNotHold(t *testing.T) {
	m := New(nil, Options{})
	d := &diary{model: m}
	m.observer = d
	f := newFeed("Pod", &m.queue, m.trim)
	f.resource, f.listens = "pods", true
	apply := func(objects []any, version string) {
		if err := f.Replace(objects, version); err != nil {
			t.Fatal(err)
		}
		b := m.queue.take()
		m.announce(b)
		m.apply(b.events)
		m.tell(b)
	}
	apply([]any{withUID(pod("a", "3", "web"), "u1")}, "5")
	apply(nil, "6")
	apply(nil, "2") // the API server was restored
	if diff := cmp.Diff([]string{"pods shop/Pod/a u1 3: web", "pods until 5", "pods until 6", "pods until 2"}, d.lines); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"pods at 5 before 0 lines", "pods at 6 before 2 lines", "pods at 2 before 3 lines"}, d.lists); diff != "" {
		t.Errorf("lists (-want +got):\n%s", diff)
	}
	if _, ok := m.Snapshot().Pod("shop", "a"); ok {
		t.Error("the pod is still there")
	}
}

// What is not in the snapshot must not count as seen, nor may its resource count as
// any further.
func TestNobodyIsToldOfWhatCannotBeApplied(t *testing.T) {
	for name, convert := range map[string]func(runtime.Object) (cluster.Object, error){
		"ItCannotBeRead":  func(runtime.Object) (cluster.Object, error) { panic("boom") },
		"ItDoesNotFit":    func(runtime.Object) (cluster.Object, error) { return misfit{}, nil },
		"ItPanicsOnApply": func(runtime.Object) (cluster.Object, error) { return misfit{panics: true}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, d := observed(t)
				poisoned := true
				f.fromAPI = func(o runtime.Object) (cluster.Object, error) {
					if poisoned && o.(metav1.Object).GetName() == "poison" {
						return convert(o)
					}
					return cluster.FromAPI(o)
				}
				f.listed()
				synctest.Wait()
				d.lines = nil
				pods := f.kind("Pod")
				pods.Add(withUID(pod("poison", "7", "web"), "u1"))
				pods.Add(withUID(pod("b", "8", "web"), "u2"))
				f.kind("NetworkPolicy").tell(watch.Bookmark, netpol("", "Exists"))
				d.want(t, "pods shop/Pod/b u2 3: web", "networkpolicies.networking.k8s.io until 2")

				poisoned = false
				pods.Update(withUID(pod("poison", "10", "web"), "u1"))
				d.want(t, "pods shop/Pod/poison u1 4: web", "pods until 4")
			})
		})
	}
}

// Where nobody listens nothing is kept for anybody.
func TestEventsCostNothingWhereNobodyListens(t *testing.T) {
	m := New(nil, Options{})
	f := newFeed("Pod", &m.queue, m.trim)
	if err := f.Add(pod("a", "7", "web")); err != nil {
		t.Fatal(err)
	}
	f.UpdateResourceVersion("7")
	if b := m.queue.take(); len(b.events) != 1 || b.events[0].seen != nil || b.reached != nil {
		t.Errorf("got %+v", b)
	}
	f.resource, f.listens = "pods", true
	if err := f.Add(pod("a", "7", "web")); err != nil {
		t.Fatal(err)
	}
	f.UpdateResourceVersion("7")
	if b := m.queue.take(); !reflect.DeepEqual(b.reached, map[string]string{"pods": "7"}) || b.events[0].seen == nil {
		t.Errorf("got %+v", b)
	}
}
