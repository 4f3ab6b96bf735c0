package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// idle tells which guardrails and netpols choose nobody: they say nothing, and a
// misspelt label looks just so.
type idle struct {
	engine *guardrail.Engine
	model  model
	log    *slog.Logger
	period time.Duration
	said   map[string]bool
}

// idlePeriod is how often the log is brought up to date.
const idlePeriod = time.Minute

// maxIdleNamed bounds how many netpols one log line names.
const maxIdleNamed = 10

func newIdle(e *guardrail.Engine, m model, log *slog.Logger, registry prometheus.Registerer) *idle {
	i := &idle{engine: e, model: m, log: log, period: idlePeriod, said: map[string]bool{}}
	registry.MustRegister(i)
	return i
}

var (
	idleGuardrails = prometheus.NewDesc("podcullis_idle_guardrails",
		"Guardrails and exemptions that choose nobody, by from, to or match. 0 until the model is synced.", nil, nil)
	idleNetpols = prometheus.NewDesc("podcullis_idle_netpols",
		"NetworkPolicies with a podSelector that selects no pod. 0 until the model is synced.", nil, nil)
)

// Describe implements prometheus.Collector.
func (i *idle) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- idleGuardrails
	descriptions <- idleNetpols
}

// Collect implements prometheus.Collector: it looks at the model once.
func (i *idle) Collect(metrics chan<- prometheus.Metric) {
	guardrails, netpols := i.look()
	names := map[string]bool{}
	for _, u := range guardrails {
		names[u.Guardrail+" "+u.Exemption] = true
	}
	metrics <- prometheus.MustNewConstMetric(idleGuardrails, prometheus.GaugeValue, float64(len(names)))
	metrics <- prometheus.MustNewConstMetric(idleNetpols, prometheus.GaugeValue, float64(len(netpols)))
}

// look asks about the newest snapshot; nothing is idle while that is not all there.
func (i *idle) look() (guardrails, netpols []guardrail.Unmatched) {
	if i.model.ready != nil && i.model.ready() != nil {
		return nil, nil
	}
	all, err := i.engine.Unmatched(i.model.Snapshot())
	if err != nil {
		i.log.Error("what guardrails ask about cannot be read", "error", err)
		return nil, nil
	}
	for _, u := range all {
		if u.Netpol == (cluster.Ref{}) {
			guardrails = append(guardrails, u)
		} else {
			netpols = append(netpols, u)
		}
	}
	return guardrails, netpols
}

// watch logs what chooses nobody once the model is synced, and later what is new of it,
// until ctx ends.
func (i *idle) watch(ctx context.Context) {
	if !i.model.WaitFor(ctx, func(*cluster.Snapshot) bool { return true }) {
		return
	}
	tick := time.NewTicker(i.period)
	defer tick.Stop()
	for {
		i.tell()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (i *idle) tell() {
	guardrails, netpols := i.look()
	now := map[string]bool{}
	for _, u := range guardrails {
		key := u.String()
		now[key] = true
		switch {
		case i.said[key]:
		case u.Exemption != "":
			i.log.Warn("exemption chooses nobody", "exemption", u.Exemption, "selector", u.Selector)
		default:
			i.log.Warn("guardrail chooses nobody", "guardrail", u.Guardrail, "side", u.Side, "selector", u.Selector)
		}
	}
	var names []string
	for _, u := range netpols {
		key := u.String()
		if now[key] = true; !i.said[key] {
			names = append(names, u.Netpol.Namespace+"/"+u.Netpol.Name)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		i.log.Info("netpols select no pod", "count", len(netpols), "new", strings.Join(names[:min(len(names), maxIdleNamed)], " "))
	}
	i.said = now
}
