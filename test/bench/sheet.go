package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/podcullis/podcullis/test/bench/load"
)

// Figure is one thing that was measured.
type Figure struct {
	Name string `json:"name"`
	What string `json:"what"`
	// Value is in Unit; it is missing when NotMeasured says why.
	Value *float64 `json:"value,omitempty"`
	Unit  string   `json:"unit"`
	// Goal and Met are missing where there is no goal, or none for this scale.
	Goal *float64 `json:"goal,omitempty"`
	// Better is "lower" or "higher".
	Better string `json:"better,omitempty"`
	Met    *bool  `json:"met,omitempty"`
	// Samples is how many measurements the value is made of.
	Samples     int    `json:"samples,omitempty"`
	How         string `json:"how,omitempty"`
	NotMeasured string `json:"notMeasured,omitempty"`
}

// Machine is where it was measured.
type Machine struct {
	Cores int    `json:"cores"`
	Go    string `json:"go"`
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	// Load is the machine's load average over the last minute, before the run:
	// with as much as a core or more of it, others were at work.
	Load string `json:"load,omitempty"`
}

// sheet collects the figures of one run.
type sheet struct {
	settings
	progress io.Writer
	machine  Machine
	figures  map[string]*Figure
}

func newSheet(s settings, progress io.Writer) *sheet {
	return &sheet{settings: s, progress: progress, figures: map[string]*Figure{}, machine: Machine{
		Cores: runtime.GOMAXPROCS(0), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Load: loadAverage(),
	}}
}

// wanted are the rows that -run chose.
func (s *sheet) wanted() []row {
	var out []row
	for _, r := range rows() {
		if s.only.MatchString(r.Name) {
			out = append(out, r)
		}
	}
	return out
}

// measure runs the suites that have a row that is wanted.
func (s *sheet) measure(ctx context.Context) error {
	suites := []struct {
		name    string
		measure func(context.Context) error
	}{
		{"model", s.measureModel},
		{"large", s.measureLarge},
		{"solitary", s.measureSolitary},
		{"https", s.measureHTTPS},
		{"strict", s.measureStrict},
		{"churn", s.measureChurn},
		{"seen", s.measureSeen},
		{"leftover", s.measureLeftover},
		{"memory", s.measureMemory},
	}
	chosen := map[string]bool{}
	for _, r := range s.wanted() {
		chosen[r.suite()] = true
	}
	for _, suite := range suites {
		if !chosen[suite.name] {
			continue
		}
		began := time.Now()
		s.say("%s ...", suite.name)
		if err := suite.measure(ctx); err != nil {
			return fmt.Errorf("measure %s: %w", suite.name, err)
		}
		s.say("%s took %s", suite.name, time.Since(began).Round(time.Second))
		runtime.GC() // what one suite leaves is not the next one's
	}
	return nil
}

func (s *sheet) say(format string, args ...any) { fmt.Fprintf(s.progress, format+"\n", args...) }

// put notes what was measured, in the unit of its row.
func (s *sheet) put(name string, value float64, samples int, how string, args ...any) {
	r := s.row(name)
	f := &Figure{Name: r.Name, What: r.What, Unit: r.Unit, Value: &value, Samples: samples, How: fmt.Sprintf(how, args...)}
	if r.Goal != 0 && s.scale == 1 {
		f.Goal, f.Met, f.Better = &r.Goal, new(r.met(value)), "lower"
		if r.AtLeast {
			f.Better = "higher"
		}
	}
	s.figures[name] = f
}

// putLatency is put for the quantile q of latencies.
func (s *sheet) putLatency(name string, l load.Latencies, q float64, how string, args ...any) {
	value := l.Quantile(q).Seconds()
	switch s.row(name).Unit {
	case "ms":
		value *= 1e3
	case "µs":
		value *= 1e6
	}
	s.put(name, value, len(l), how, args...)
}

// skip notes why a suite measured nothing.
func (s *sheet) skip(suite, why string) {
	for _, r := range rows() {
		if r.suite() == suite {
			s.figures[r.Name] = &Figure{Name: r.Name, What: r.What, Unit: r.Unit, NotMeasured: why}
		}
	}
}

func (s *sheet) row(name string) row {
	for _, r := range rows() {
		if r.Name == name {
			return r
		}
	}
	panic("no row has the name " + name)
}

// results are the figures that are wanted and were measured, in the order of rows.
func (s *sheet) results() []*Figure {
	var out []*Figure
	for _, r := range s.wanted() {
		if f := s.figures[r.Name]; f != nil {
			out = append(out, f)
		}
	}
	return out
}

func (s *sheet) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Machine Machine   `json:"machine"`
		Scale   float64   `json:"scale"`
		Seed    uint64    `json:"seed"`
		Clock   string    `json:"clock"`
		Figures []*Figure `json:"figures"`
	}{s.machine, s.scale, s.seed, s.clockName, s.results()})
}

func (s *sheet) writeText(w io.Writer) error {
	fmt.Fprintf(w, "%d cores, %s, %s/%s, load average before the run %s, scale %v, seed %d, model by %s time\n\n",
		s.machine.Cores, s.machine.Go, s.machine.OS, s.machine.Arch, s.machine.Load, s.scale, s.seed, s.clockName)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FIGURE\tVALUE\tGOAL\tMET\tSAMPLES\tWHAT")
	var missed []string
	for _, f := range s.results() {
		value, goal, met, samples := "-", "", "", ""
		if f.Value != nil {
			value, samples = quantity(*f.Value, f.Unit), fmt.Sprint(f.Samples)
		}
		if f.Goal != nil {
			relation := map[string]string{"lower": "≤ ", "higher": "≥ "}[f.Better]
			goal, met = relation+quantity(*f.Goal, f.Unit), "yes"
			if !*f.Met {
				met, missed = "NO", append(missed, f.Name)
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", f.Name, value, goal, met, samples, f.What)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nHow:")
	for _, f := range s.results() {
		how := f.How
		if f.NotMeasured != "" {
			how = "not measured: " + f.NotMeasured
		}
		fmt.Fprintf(w, "  %s: %s\n", f.Name, how)
	}
	if len(missed) > 0 {
		fmt.Fprintf(w, "\nMissed: %s\n", strings.Join(missed, ", "))
	}
	return nil
}

// quantity is a value with three significant digits and its unit; a count is whole.
func quantity(v float64, unit string) string {
	if unit == "" {
		return fmt.Sprintf("%.0f", v)
	}
	digits := 2
	if v != 0 {
		digits = min(max(2-int(math.Floor(math.Log10(math.Abs(v)))), 0), 6)
	}
	return fmt.Sprintf("%.*f %s", digits, v, unit)
}
