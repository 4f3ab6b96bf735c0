package main

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/podcullis/podcullis/audit/rounds"
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/doctor"
	"github.com/podcullis/podcullis/doctor/reading"
)

const (
	// networkFor is for how long it is taken for known which network plugin runs.
	networkFor = 5 * time.Minute
	// networkTimeout is for asking.
	networkTimeout = 10 * time.Second
)

// networkSource tells the audit what podcullis doctor tells people: that the network ignores
// NetworkPolicies, and which of those do nothing.
func networkSource(client kubernetes.Interface) rounds.Source {
	var mu sync.Mutex
	var known doctor.Facts
	var at time.Time
	return func(ctx context.Context, s *cluster.Snapshot) []rounds.Remark {
		mu.Lock()
		defer mu.Unlock()
		if at.IsZero() || time.Since(at) > networkFor {
			ctx, cancel := context.WithTimeout(ctx, networkTimeout)
			known = doctor.Facts{Live: true}
			reading.DaemonSets(ctx, client, &known)
			cancel()
			at = time.Now()
		}
		facts := known
		facts.Snapshot = s
		var out []rounds.Remark
		for _, m := range doctor.Remarks(facts) {
			subject := ""
			if m.Object == (cluster.Ref{}) {
				subject = "network"
			}
			out = append(out, rounds.Remark{What: m.What, Object: m.Object, Subject: subject, Text: m.Text})
		}
		return out
	}
}
