package live

import (
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster"
)

const (
	// journalLength bounds how many changes are told of.
	journalLength = 4096
	// maxKept bounds the parts of an object that the journal keeps when the model does not
	// hold it any more: labels, ports, rules and peers together.
	maxKept = 256
)

// journal is the newest changes of the model, so that somebody who finds out what they
// did can tell who made them.
type journal struct {
	mu     sync.Mutex
	ring   []cluster.Written
	oldest int // once the ring is full
}

// Journal lists the newest changes of the model, of what selectors and netpols look at,
// the oldest first. It knows none that were there when the model was synced. The objects
// of a change are missing where they are large.
func (m *Model) Journal() []cluster.Written {
	j := &m.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	return append(append(make([]cluster.Written, 0, len(j.ring)), j.ring[j.oldest:]...), j.ring[:j.oldest]...)
}

// noteWrite puts a change of an object into the journal. An object that does not fit the
// model may not even tell who it is.
func (m *Model) noteWrite(ref cluster.Ref, c cluster.Change, w cluster.Write) {
	if !m.Synced() || c.Idle() {
		return
	}
	entry := cluster.Written{Ref: ref, Write: w}
	if c.Light(maxKept) {
		entry.Change = c
	}
	j := &m.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.ring) < journalLength {
		j.ring = append(j.ring, entry)
		return
	}
	j.ring[j.oldest] = entry
	j.oldest = (j.oldest + 1) % journalLength
}

// writeOf reads who wrote an object last. Updates of a status are left out: they change
// nothing of the model but addresses.
func writeOf(m metav1.Object) cluster.Write {
	w := cluster.Write{ResourceVersion: m.GetResourceVersion(), UID: string(m.GetUID()), Seen: time.Now()}
	for _, f := range m.GetManagedFields() {
		if f.Subresource == "status" || f.Time == nil || f.Time.Time.Before(w.At) {
			continue
		}
		w.Manager, w.At = f.Manager, f.Time.Time
	}
	return w
}
