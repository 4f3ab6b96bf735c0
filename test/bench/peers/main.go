package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/test/bench/load"
	"github.com/podcullis/podcullis/test/bench/town"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// result is one line of the table.
type result struct {
	Question string `json:"question"`
	Who      string `json:"who"`
	Version  string `json:"version"`
	// P50 and P99 are in milliseconds.
	P50     float64 `json:"p50"`
	P99     float64 `json:"p99"`
	Samples int     `json:"samples"`
	// Ratio is P50 as a multiple of Podcullis'.
	Ratio float64 `json:"ratio"`
	// Agrees is the share of answers that are those of Podcullis.
	Agrees float64 `json:"agrees"`
	// Answered says what the peer's answer leaves out.
	Answered string `json:"answered"`
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(stderr)
	scale := flags.Float64("scale", 0.1, "the size of the town; 1 is 10,000 pods")
	changes := flags.Int("changes", 40, "how many changes everybody is asked about")
	budget := flags.Duration("budget", 30*time.Second, "how long to ask each at most")
	convoyTime := flags.Duration("convoy", 10*time.Second, "how long to ask while the model churns")
	output := flags.String("o", "text", "text or json")
	if err := flags.Parse(args); err != nil {
		return err
	}
	scaled := func(n int) int { return int(float64(n) * *scale) }
	p := town.Plan{Seed: 1, Pods: scaled(10_000), Namespaces: scaled(100), Netpols: scaled(1_000)}
	if err := p.Validate(); err != nil {
		return err
	}
	s, err := newScene(p, *changes)
	if err != nil {
		return err
	}
	results, err := admission(ctx, s, *budget, stderr)
	if err != nil {
		return err
	}
	list, err := lists(ctx, s, *budget, stderr)
	if err != nil {
		return err
	}
	results = append(results, list...)
	fmt.Fprintln(stderr, "convoy ...")
	convoy, err := convoys(ctx, s, *convoyTime)
	if err != nil {
		return err
	}
	results = append(results, convoy...)
	if *output == "json" {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return e.Encode(struct {
			Cores   int      `json:"cores"`
			Go      string   `json:"go"`
			Town    string   `json:"town"`
			Results []result `json:"results"`
		}{runtime.GOMAXPROCS(0), runtime.Version(), p.String(), results})
	}
	return write(stdout, p, results)
}

func write(w io.Writer, p town.Plan, results []result) error {
	fmt.Fprintf(w, "%d cores, %s; %s\n\n", runtime.GOMAXPROCS(0), runtime.Version(), p)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "QUESTION\tWHO\tVERSION\tP50\tP99\tSAMPLES\tRATIO\tAGREES\tANSWERED")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%s\t%s\t%.3g ms\t%.3g ms\t%d\t%.3g\t%.0f %%\t%s\n", r.Question, r.Who, r.Version, r.P50, r.P99, r.Samples, r.Ratio, 100*r.Agrees, r.Answered)
	}
	return t.Flush()
}

// judge is who answers whether a change is denied.
type judge func(context.Context, *admissionv1.AdmissionRequest) (bool, error)

// admission asks each engine about the same changes.
func admission(ctx context.Context, s *scene, budget time.Duration, progress io.Writer) ([]result, error) {
	us, err := newOwn(s)
	if err != nil {
		return nil, err
	}
	const question = "does this netpol change let a frontend reach a db?"
	const weaker = "less: per pod, no ipBlock over pods, no templates without pods, no host network, no reasons"
	ours, verdicts, err := ask(ctx, us.denies, s, 30, budget)
	if err != nil {
		return nil, fmt.Errorf("podcullis: %w", err)
	}
	var denied int
	for _, v := range verdicts {
		if v {
			denied++
		}
	}
	fmt.Fprintf(progress, "podcullis denies %d of %d changes\n", denied, len(verdicts))
	out := []result{line(question, "podcullis: guardrail.Engine", "this one", ours, ours, 1, "all of it, with reasons and a fix")}

	began := time.Now()
	gk, err := newGatekeeper(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("gatekeeper: %w", err)
	}
	fmt.Fprintf(progress, "gatekeeper has the data after %s\n", time.Since(began).Round(time.Millisecond))
	took, theirs, err := ask(ctx, gk.denies, s, 1, budget)
	if err != nil {
		return nil, fmt.Errorf("gatekeeper: %w", err)
	}
	out = append(out, line(question, "Gatekeeper: constraint client", version("github.com/open-policy-agent/gatekeeper/v3"), took, ours, agreement(verdicts, theirs), weaker))

	o, err := newOPA(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("opa: %w", err)
	}
	defer o.close(ctx)
	if took, theirs, err = ask(ctx, o.denies, s, 1, budget); err != nil {
		return nil, fmt.Errorf("opa: %w", err)
	}
	return append(out, line(question, "OPA: server over TLS", version("github.com/open-policy-agent/opa"), took, ours, agreement(verdicts, theirs), weaker)), nil
}

// ask asks about every change, so many times over, as long as the budget lasts,
// and returns the answers to those that it came to.
func ask(ctx context.Context, j judge, s *scene, times int, budget time.Duration) (load.Latencies, []bool, error) {
	if _, err := j(ctx, s.requests[0]); err != nil { // warm
		return nil, nil, err
	}
	var took load.Latencies
	var verdicts []bool
	end := time.Now().Add(budget)
	for i := range times {
		for _, r := range s.requests {
			if len(took) > 0 && time.Now().After(end) {
				return took, verdicts, nil
			}
			began := time.Now()
			denied, err := j(ctx, r)
			if err != nil {
				return nil, nil, fmt.Errorf("%s/%s: %w", r.Namespace, r.Name, err)
			}
			took = append(took, time.Since(began))
			if i == 0 {
				verdicts = append(verdicts, denied)
			}
		}
	}
	return took, verdicts, nil
}

// lists asks for every frontend that reaches an API.
func lists(ctx context.Context, s *scene, budget time.Duration, progress io.Writer) ([]result, error) {
	us, err := newOwn(s)
	if err != nil {
		return nil, err
	}
	q, err := calls()
	if err != nil {
		return nil, err
	}
	const question = "which frontends reach which apis?"
	var found []connectivity.Connection
	ours, err := repeat(ctx, budget, func() { found = us.open(q) })
	if err != nil {
		return nil, err
	}
	c := newCyclonus(s)
	var open map[podPair]bool
	var asked int
	theirs, err := repeat(ctx, budget, func() { open, asked = c.open() })
	if err != nil {
		return nil, err
	}
	agrees := 0.0
	if maps.Equal(open, pairsOf(found, c.apis)) {
		agrees = 1
	}
	fmt.Fprintf(progress, "cyclonus was asked %d times for a pair and a port, %d pairs are open\n", asked, len(open))
	return []result{
		line(question, "podcullis: connectivity.Open", "this one", ours, ours, 1, "every port, by workload, with reasons"),
		line(question, "cyclonus: matcher", version("github.com/mattfenwick/cyclonus"), theirs, ours, agrees, "less: only the ports of containers, pod by pod; netpols compiled each time"),
	}, nil
}

func repeat(ctx context.Context, budget time.Duration, f func()) (load.Latencies, error) {
	var took load.Latencies
	for end := time.Now().Add(budget); len(took) < 20 && (len(took) == 0 || time.Now().Before(end)); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		began := time.Now()
		f()
		took = append(took, time.Since(began))
	}
	return took, nil
}

// calls is what frontends are there for.
func calls() (connectivity.Query, error) {
	from, err := selector.New(metav1.LabelSelector{MatchLabels: map[string]string{town.TierLabel: town.Frontend}})
	if err != nil {
		return connectivity.Query{}, err
	}
	to, err := selector.New(metav1.LabelSelector{MatchLabels: map[string]string{town.TierLabel: town.API}})
	return connectivity.Query{
		From: connectivity.Selection{Namespaces: selector.Everything(), Pods: from},
		To:   connectivity.Selection{Namespaces: selector.Everything(), Pods: to},
	}, err
}

func line(question, who, version string, took, ours load.Latencies, agrees float64, answered string) result {
	ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
	p50 := took.Quantile(0.5)
	return result{
		Question: question, Who: who, Version: version, P50: ms(p50), P99: ms(took.Quantile(0.99)), Samples: len(took),
		Ratio: float64(p50) / float64(ours.Quantile(0.5)), Agrees: agrees, Answered: answered,
	}
}

func agreement(a, b []bool) float64 {
	var same int
	n := min(len(a), len(b))
	for i := range n {
		if a[i] == b[i] {
			same++
		}
	}
	return float64(same) / float64(max(n, 1))
}

// version is that of a module in this program.
func version(module string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, d := range info.Deps {
		if d.Path == module {
			return d.Version
		}
	}
	return "unknown"
}

func lower(s string) string { return strings.ToLower(s) }
