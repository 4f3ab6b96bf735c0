package live

import (
	"context"
	"time"

	"github.com/podcullis/podcullis/cluster"
)

// copyTimeout bounds how long the start waits for what others remember: who cannot
// have it remembers nothing, and answers.
const copyTimeout = 5 * time.Second

// copyMemory asks another replica what it remembers.
func (m *Model) copyMemory(ctx context.Context) {
	if m.askOthers == nil || m.limits.For <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	c, err := m.askOthers(ctx)
	if err != nil {
		m.log.Warn("the memory of another replica was not copied: what went before is not remembered", "error", err)
		return
	}
	m.copied = c
}

// remember begins to remember what goes, once the initial objects are in the snapshot.
func (m *Model) remember() {
	if m.memory != nil || m.limits.For <= 0 {
		return
	}
	m.memory = cluster.NewMemory(m.Snapshot(), m.limits)
	if m.copied != nil {
		m.memory = cluster.NewMemoryFrom(m.Snapshot(), m.limits, *m.copied, time.Now())
		m.log.Info("memory of another replica copied", "remembered", m.memory.Len())
		m.copied = nil
	}
	m.publish(m.Snapshot())
}
