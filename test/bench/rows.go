package main

import "strings"

// row is a figure before it is measured.
type row struct {
	// Name is stable; its first word is the suite that measures it.
	Name string
	// What is measured, in words.
	What string
	// Unit is s, ms, µs, MB (10^6 bytes), /s, %, × (a ratio) or empty (a count).
	Unit string
	// Goal is what to reach at full scale; 0 when the figure is only told.
	Goal float64
	// AtLeast is set when more is better.
	AtLeast bool
}

// solitaryAllowance is how many times as much as the others a town may take in
// which no two pods are alike.
const solitaryAllowance = 20

// rows are all figures, in the order of the tables.
func rows() []row {
	model := []row{
		{Name: "build", What: "build a snapshot from objects, and answer the first question", Unit: "s", Goal: 1},
		{Name: "size", What: "the model in memory, with the indexes of the first question", Unit: "MB", Goal: 50},
		{Name: "netpol-p50", What: "Apply one netpol change, p50", Unit: "µs", Goal: 50},
		{Name: "netpol-p99", What: "Apply one netpol change, p99", Unit: "µs", Goal: 1000},
		{Name: "pod-known-p50", What: "Apply one pod change, labels that are known, p50", Unit: "µs", Goal: 20},
		{Name: "pod-new-p50", What: "Apply one pod change, labels that are new, p50", Unit: "µs", Goal: 1000},
		{Name: "forbidden-p50", What: "forbidden-paths on a netpol change (Apply and Opened), p50", Unit: "ms"},
		{Name: "forbidden-p99", What: "forbidden-paths on a netpol change (Apply and Opened), p99", Unit: "ms", Goal: 2},
		{Name: "pod-forbidden-p99", What: "forbidden-paths on a new pod, labels that are new (Apply and Opened), p99", Unit: "ms"},
		{Name: "relabel-p99", What: "namespace relabel, worst case (Apply and Opened), p99", Unit: "ms", Goal: 20},
		{Name: "open-list", What: "the full open list by workload", Unit: "s", Goal: 1},
		{Name: "open-list-length", What: "connections in that list"},
	}
	var out []row
	for _, r := range model {
		out = append(out, r.of("model"))
	}
	out = append(out,
		row{Name: "large-build", What: "build a snapshot from objects, and answer the first question", Unit: "s", Goal: 15},
		row{Name: "large-size", What: "the model in memory, with the indexes of the first question", Unit: "MB", Goal: 400},
		row{Name: "large-netpol-p99", What: "Apply one netpol change, p99", Unit: "ms", Goal: 20},
		row{Name: "large-forbidden-p99", What: "forbidden-paths on a netpol change (Apply and Opened), p99", Unit: "ms", Goal: 20},
	)
	for _, r := range model {
		r.Goal *= solitaryAllowance
		out = append(out, r.of("solitary"))
	}
	return append(out,
		row{Name: "https-throughput", What: "reviews a second, as a share of the no-op webhook's", Unit: "×", Goal: 0.7, AtLeast: true},
		row{Name: "https-throughput-own", What: "reviews a second", Unit: "/s"},
		row{Name: "https-throughput-noop", What: "reviews a second of the no-op webhook", Unit: "/s"},
		row{Name: "https-cpu", What: "processor time of the no-op webhook for a review, as a share of ours", Unit: "×", AtLeast: true},
		row{Name: "https-cpu-own", What: "processor time for a review", Unit: "µs"},
		row{Name: "https-cpu-noop", What: "processor time of the no-op webhook for a review", Unit: "µs"},
		row{Name: "https-p99", What: "p99 at half of that load, as a multiple of the no-op webhook's", Unit: "×", Goal: 1.5},
		row{Name: "https-p99-own", What: "p99 at half of that load", Unit: "ms"},
		row{Name: "https-p99-noop", What: "p99 of the no-op webhook at the same load", Unit: "ms"},
		row{Name: "https-p50-own", What: "p50 at half of that load", Unit: "ms"},
		row{Name: "https-p50-noop", What: "p50 of the no-op webhook at the same load", Unit: "ms"},
		row{Name: "strict-throughput", What: "reviews a second with a ledger, of what writes nothing to it, as a share of those without", Unit: "×", Goal: 0.83, AtLeast: true},
		row{Name: "strict-p99", What: "their p99 at half of that load, as a multiple of that without", Unit: "×", Goal: 1.2},
		row{Name: "churn-p99", What: "p99 of a plain Pod review while the model churns, as a multiple of idle", Unit: "×", Goal: 3},
		row{Name: "churn-p99-idle", What: "p99 of a plain Pod review every 3 ms, idle", Unit: "ms"},
		row{Name: "churn-p99-busy", What: "p99 of a plain Pod review every 3 ms, while the model churns", Unit: "ms"},
		row{Name: "churn-applied", What: "object changes that are in the model at the end of the churn", Unit: "%", Goal: 99, AtLeast: true},
		row{Name: "churn-slow", What: "how long the slow guardrail takes meanwhile, p50", Unit: "ms"},
		row{Name: "seen-p99", What: "a violation that got in, from the watch event to the report, p99", Unit: "ms", Goal: 100},
		row{Name: "seen-p50", What: "a violation that got in, from the watch event to the report, p50", Unit: "ms"},
		row{Name: "seen-all", What: "violations that got in and were reported", Unit: "%", Goal: 100, AtLeast: true},
		row{Name: "seen-admission", What: "p99 of a plain Pod review while the model churns, as a multiple of a server's that does not look for what got in", Unit: "×", Goal: 1.2},
		row{Name: "leftover-heap", What: "heap after 20,000 namespaces with a netpol each came and went, against before", Unit: "%", Goal: 5},
		row{Name: "leftover-differences", What: "answers that differ from a fresh model's after that"},
		row{Name: "memory-rss", What: "memory of the whole server, following an API server", Unit: "MB", Goal: 250},
		row{Name: "memory-rss-peak", What: "its highest memory, while it lists", Unit: "MB"},
	)
}

func (r row) of(suite string) row {
	r.Name = suite + "-" + r.Name
	return r
}

// suite is the part of the run that measures the row.
func (r row) suite() string {
	suite, _, _ := strings.Cut(r.Name, "-")
	return suite
}

func (r row) met(value float64) bool {
	if r.AtLeast {
		return value >= r.Goal
	}
	return value <= r.Goal
}

func names(rows []row) string {
	var all []string
	for _, r := range rows {
		all = append(all, r.Name)
	}
	return strings.Join(all, ", ")
}
