package live

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

func TestJournalHoldsTheNewest(t *testing.T) {
	m := New(nil, Options{})
	pod := func(i int) cluster.Change {
		return cluster.Change{After: clustertest.Stored(t, clustertest.Pod(fmt.Sprintf("shop/p%d", i)))}
	}
	m.noteWrite(pod(0).Ref(), pod(0), cluster.Write{}) // of the initial lists
	if got := m.Journal(); len(got) > 0 {
		t.Errorf("before it is synced: %v", got)
	}
	close(m.synced)
	for i := range journalLength + 10 {
		m.noteWrite(pod(i).Ref(), pod(i), cluster.Write{ResourceVersion: fmt.Sprint(i)})
	}
	moved := pod(1)
	moved.Before = clustertest.Stored(t, clustertest.Pod("shop/p1", clustertest.IP("10.0.0.1")))
	m.noteWrite(moved.Ref(), moved, cluster.Write{}) // its address is nothing that anybody wrote
	got := m.Journal()
	if first, last := got[0].Ref.Name, got[len(got)-1].Ref.Name; len(got) != journalLength || first != "p10" || last != fmt.Sprintf("p%d", journalLength+9) {
		t.Errorf("%d entries, %s to %s", len(got), first, last)
	}
}

func TestWhoWrote(t *testing.T) {
	at := func(second int64) *metav1.Time { t := metav1.Unix(second, 0); return &t }
	w := writeOf(&metav1.ObjectMeta{ResourceVersion: "7", UID: "u", ManagedFields: []metav1.ManagedFieldsEntry{
		{Manager: "kubectl-label", Time: at(20)}, {Manager: "kubectl-create", Time: at(10)}, {Manager: "kubelet", Subresource: "status", Time: at(30)}, {Manager: "unknown"},
	}})
	if w.Manager != "kubectl-label" || !w.At.Equal(time.Unix(20, 0)) || w.ResourceVersion != "7" || w.UID != "u" || w.Seen.IsZero() {
		t.Errorf("%+v", w)
	}
}
