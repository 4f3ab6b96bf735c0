package clustertest

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
)

// TB is what the helpers need of a test: *testing.T, *testing.B and rapid's T have it.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

var _ TB = testing.TB(nil)

// Object is the model's object of an API object, which must be valid.
func Object(t TB, o runtime.Object) cluster.Object {
	t.Helper()
	object, err := cluster.FromAPI(o)
	if err != nil {
		t.Fatalf("object of the test: %v", err)
	}
	return object
}

// Stored is the model's object of an API object that may hold fields that do not
// parse, as stored objects can.
func Stored(t TB, o runtime.Object) cluster.Object {
	t.Helper()
	object, err := cluster.FromAPI(o)
	if object == nil {
		t.Fatalf("object of the test: %v", err)
	}
	return object
}

// Snapshot is a snapshot of API objects, stored ones with their faults.
func Snapshot(t TB, objects ...runtime.Object) *cluster.Snapshot {
	t.Helper()
	return Apply(t, &cluster.Snapshot{}, Create(t, objects...)...)
}

// Apply is s after changes.
func Apply(t TB, s *cluster.Snapshot, changes ...cluster.Change) *cluster.Snapshot {
	t.Helper()
	next, err := s.Apply(changes...)
	if err != nil {
		t.Fatalf("apply the changes of the test: %v", err)
	}
	return next
}

// Create are the changes that create objects.
func Create(t TB, objects ...runtime.Object) []cluster.Change {
	t.Helper()
	var changes []cluster.Change
	for _, o := range objects {
		changes = append(changes, cluster.Change{After: Stored(t, o)})
	}
	return changes
}

// Delete are the changes that delete objects.
func Delete(t TB, objects ...runtime.Object) []cluster.Change {
	t.Helper()
	var changes []cluster.Change
	for _, o := range objects {
		changes = append(changes, cluster.Change{Before: Stored(t, o)})
	}
	return changes
}

// Update is the change from one version of an object to the next.
func Update(t TB, before, after runtime.Object) cluster.Change {
	t.Helper()
	return cluster.Change{Before: Stored(t, before), After: Stored(t, after)}
}
