package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/bundle"
	"github.com/podcullis/podcullis/guardrail/regotest"
	"github.com/podcullis/podcullis/report"
)

type evalOptions struct {
	sources    sources
	edits      edits
	outputs    outputs
	policyDirs []string
	config     string
	parameters string
	review     string
	at         string
	explain    string
	profile    bool
}

func (p *program) eval() *cobra.Command {
	o := evalOptions{outputs: outputs{formats: []string{"text", "json", "yaml", "csv", "markdown", "name"}}}
	c := &cobra.Command{
		Use:   "eval GUARDRAIL -f FILE|DIR|- | --helm CHART | -k DIR | --context NAME  --create FILE | --update FILE | --apply FILE|DIR | --delete FILE|KIND/NS/NAME | --review FILE",
		Short: "Look inside a guardrail that judges a change",
		Long: `Has one guardrail judge a change as the webhook would, and shows what happens in it:
the input, what each rule reports, which questions were asked and answered, and what
print(...) wrote. Where no rule reports anything it says which expressions were
undefined, or, if none was, which were not true.

GUARDRAIL is a name of --config, or a guardrail itself, whose parameters --parameters
gives. -f, --helm, -k and --context say what is there before, and the other flags what
is changed, as in review. Of several changes each is made, whatever is said to it.

Text is cut where it is long; -o json has everything.

Exit code 0 when it could be evaluated, whatever it reports, and 2 when not.`,
		Example: `  podcullis eval team-label --policy-dir guardrails/ -f cluster.yaml --create pod.yaml
  podcullis eval only-backend-reaches-db --config guardrails.yaml -f deploy/ --create allow-all.yaml -o json`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				return nil
			}
			return hint(fmt.Errorf("got %s, want one guardrail", number(len(args), "argument")), "`%s GUARDRAIL -f FILE --create FILE`", c.CommandPath())
		},
		RunE: func(c *cobra.Command, args []string) error { return p.evaluate(c.Context(), args[0], &o) },
	}
	o.sources.addFlags(c)
	o.edits.addFlags(c)
	o.outputs.addFlags(c)
	f := c.Flags()
	f.StringVar(&o.review, "review", "", "an AdmissionReview in JSON or YAML: a `file`, or - for standard input")
	f.StringVar(&o.config, "config", "", "the `file` that says which guardrails apply to what; without it GUARDRAIL is one itself")
	f.StringVar(&o.parameters, "parameters", "", "a `file` with the parameters of GUARDRAIL, in YAML or JSON; without it, its defaults")
	f.StringVar(&o.at, "at", "", "the `time` of the review, such as 2026-11-27T12:00:00Z: input.time, and by which exemptions expire (default now)")
	f.StringArrayVar(&o.policyDirs, "policy-dir", nil, "a `directory` with Rego guardrails beside the embedded ones; repeatable")
	f.StringVar(&o.explain, "explain", "", "tell the steps that led to what: `notes`, what is printed; fails, what is not true; full, all of them")
	_ = c.RegisterFlagCompletionFunc("explain", cobra.FixedCompletions(regotest.Explanations(), cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	f.BoolVar(&o.profile, "profile", false, "tell which lines take the time, and how often they are evaluated")
	p.addBundleFlags(c)
	p.addQuietFlag(c)
	return c
}

// evaluated is one change, and what was seen of the guardrail that judged it.
type evaluated struct {
	request *admissionv1.AdmissionRequest
	said    said
	look    *regotest.Look
	took    time.Duration
	explain string
}

func (p *program) evaluate(ctx context.Context, name string, o *evalOptions) error {
	if err := o.outputs.parse(); err != nil {
		return err
	}
	if err := oneChange(&o.edits, o.review); err != nil {
		return err
	}
	if _, err := time.Parse(time.RFC3339, o.at); o.at != "" && err != nil {
		return hint(fmt.Errorf("--at %s: is not a time", o.at), "such as --at 2026-11-27T12:00:00Z")
	}
	if o.explain != "" {
		if err := oneOf("explain", o.explain, regotest.Explanations()...); err != nil {
			return err
		}
	}
	engine, err := o.engine(name, p.bundle)
	if err != nil {
		return err
	}
	o.sources.entries = engine.NeedsEntries()
	in, err := p.load(ctx, &o.sources)
	if err != nil {
		return err
	}
	var all []evaluated
	look := func(snapshot *cluster.Snapshot, r *admissionv1.AdmissionRequest) error {
		e := evaluated{request: r, look: regotest.NewLook(), explain: o.explain}
		if o.explain != "" {
			e.look.Explaining()
		}
		if o.profile {
			e.look.Profiling()
		}
		began := time.Now()
		e.said, err = engine.ask(guardrail.Through(ctx, e.look.Lens()), snapshot, r, o.at)
		e.took = time.Since(began)
		if err != nil {
			return hint(guardrail.Readable(err), "correct the guardrail, or its parameters")
		}
		all = append(all, e)
		return nil
	}
	if o.review != "" {
		r, err := p.admissionReview(o.review, &o.sources)
		if err != nil {
			return err
		}
		if err := look(in.snapshot, r); err != nil {
			return err
		}
	} else if err := p.lookAtSteps(ctx, o, in, look); err != nil {
		return err
	}
	if err := o.outputs.write(p, writers{
		"text": func(w io.Writer, _ report.Style) error { return evaluationsText(w, name, all) },
		"json": func(w io.Writer, _ report.Style) error { return evaluationsJSON(w, name, all) },
		"yaml": func(w io.Writer, _ report.Style) error {
			return asYAML(w, func(w io.Writer) error { return evaluationsJSON(w, name, all) })
		},
		"csv":      func(w io.Writer, _ report.Style) error { return evaluationsList(name, all).CSV(w) },
		"markdown": func(w io.Writer, _ report.Style) error { return evaluationsList(name, all).Markdown(w) },
		"name":     func(w io.Writer, _ report.Style) error { return reported(w, all) },
	}); err != nil {
		return err
	}
	for _, e := range all {
		p.say("%s %s: %s", strings.ToLower(string(e.request.Operation)), answered{request: e.request}.subject(), e.took.Round(10*time.Microsecond))
	}
	return nil
}

// lookAtSteps looks at each change, and makes it.
func (p *program) lookAtSteps(ctx context.Context, o *evalOptions, in input, look func(*cluster.Snapshot, *admissionv1.AdmissionRequest) error) error {
	steps, err := p.steps(ctx, &o.edits, &o.sources, in.set)
	if err != nil {
		return err
	}
	snapshot := in.snapshot
	for _, s := range steps {
		if err := look(snapshot, s.request()); err != nil {
			return err
		}
		if snapshot, err = snapshot.Apply(s.change()); err != nil {
			return hint(fmt.Errorf("%s: %w", s.object().Location, err), "correct the manifest")
		}
	}
	return nil
}

// oneChange checks that a change is named, and in one way.
func oneChange(e *edits, review string) error {
	if e.given() != (review != "") {
		return nil
	}
	err := errNoChange
	if review != "" {
		err = errors.New("--review is a change, and --create, --update, --apply and --delete name others")
	}
	return hint(err, "name it with --create FILE, --update FILE, --apply FILE|DIR, --delete FILE|KIND/NAMESPACE/NAME, or --review FILE with an AdmissionReview")
}

// engine is that of the one guardrail.
func (o *evalOptions) engine(name string, from *bundle.Bundle) (*single, error) {
	b, err := o.bench(from)
	if err != nil {
		return nil, err
	}
	var parameters map[string]any
	if o.parameters != "" {
		text, err := os.ReadFile(o.parameters)
		if err != nil {
			return nil, hint(err, "--parameters names a file with what a configuration has under parameters")
		}
		if err := yaml.UnmarshalStrict(text, &parameters); err != nil {
			return nil, hint(fmt.Errorf("--parameters %s: want an object in YAML or JSON", o.parameters), "it holds what a configuration has under parameters")
		}
	}
	engine, err := b.single(name, parameters, o.parameters)
	if err != nil {
		return nil, hint(err, "--parameters FILE gives parameters; a name that a denial prints needs --config, guardrails of your own need --policy-dir")
	}
	return engine, nil
}

// bench is where the guardrail is looked at: that of a bundle, or of files.
func (o *evalOptions) bench(from *bundle.Bundle) (*bench, error) {
	if from != nil {
		return bundleBench(from)
	}
	sources, err := authored(o.policyDirs)
	if err != nil {
		return nil, err
	}
	return newBench(sources, o.config)
}

// withoutTwin is the input without input.review, which is input.request once more.
func withoutTwin(input any) any {
	fields, ok := input.(map[string]any)
	if !ok {
		return input
	}
	fields = maps.Clone(fields)
	delete(fields, "review")
	return fields
}

// maxShown is how many letters of a value text shows.
const maxShown = 160

func evaluationsText(w io.Writer, name string, all []evaluated) error {
	for i, e := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := e.text(w, name); err != nil {
			return err
		}
	}
	return nil
}

func (e *evaluated) text(w io.Writer, name string) error {
	subject := strings.ToLower(string(e.request.Operation)) + " " + answered{request: e.request}.subject()
	if !e.said.asked {
		_, err := fmt.Fprintf(w, "%s: %s was not asked: %s\n", subject, name, e.said.why)
		return err
	}
	fmt.Fprintf(w, "%s: %s was asked\n\ninput:\n", subject, name)
	input, err := yaml.Marshal(withoutTwin(e.look.Input))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(input)) {
		fmt.Fprintf(w, "  %s", line)
	}
	if len(e.look.Asked) > 0 {
		fmt.Fprintf(w, "\nasked:\n")
	}
	for _, a := range e.look.Asked {
		var operands []string
		for _, x := range a.Operands {
			operands = append(operands, inALine(x))
		}
		fmt.Fprintf(w, "  %s(%s)\n    is %s\n", a.Builtin, strings.Join(operands, ", "), answerOf(a))
	}
	if len(e.look.Printed) > 0 {
		fmt.Fprintf(w, "\nprinted:\n")
	}
	for _, line := range e.look.Printed {
		fmt.Fprintf(w, "  %s:%d: %s\n", line.File, line.Line, line.Text)
	}
	fmt.Fprintf(w, "\nrules:\n")
	for _, r := range e.look.Rules {
		fmt.Fprintf(w, "  %s: %s\n", r.Name, number(len(r.Values), "element"))
		for _, v := range r.Values {
			fmt.Fprintf(w, "    %s\n", inALine(v))
		}
	}
	for _, x := range e.said.exempted {
		fmt.Fprintf(w, "  exempted by %s (%s): %s\n", x.Exemption, x.Reason, x.Violation.Message)
	}
	if e.look.Silent() {
		fmt.Fprintf(w, "\nno rule reported anything:\n")
		for _, s := range e.look.Ended() {
			fmt.Fprintf(w, "  %s\n", s)
		}
	}
	e.steps(w)
	return nil
}

// steps writes what --explain and --profile ask for.
func (e *evaluated) steps(w io.Writer) {
	if e.explain != "" {
		steps, more := e.look.Steps(e.explain)
		fmt.Fprintf(w, "\n%s:\n", e.explain)
		for _, s := range steps {
			fmt.Fprintf(w, "  %s\n", s)
		}
		if more > 0 {
			fmt.Fprintf(w, "  and %s that were not kept\n", number(more, "step"))
		}
	}
	for i, c := range e.look.Costs() {
		if i == 0 {
			fmt.Fprintf(w, "\nprofile:\n")
		}
		fmt.Fprintf(w, "  %s:%d: %s, evaluated %s, redone %s: %s\n", c.File, c.Line, c.Time.Round(100*time.Nanosecond), number(c.Evals, "time"), number(c.Redos, "time"), c.Text)
	}
}

// answerOf is what was answered, and how much of it there is.
func answerOf(a regotest.Asked) string {
	if a.Undefined {
		return "undefined"
	}
	if list, ok := a.Answer.([]any); ok && len(list) > 0 {
		return number(len(list), "element") + ": " + inALine(list)
	}
	return inALine(a.Answer)
}

// inALine is a value in a line.
func inALine(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	if runes := []rune(string(text)); len(runes) > maxShown {
		return string(runes[:maxShown]) + "…"
	}
	return string(text)
}

type jsonEvaluation struct {
	Operation admissionv1.Operation `json:"operation"`
	Object    jsonObject            `json:"object"`
	Asked     bool                  `json:"asked"`
	// Why it was not asked.
	Why        string           `json:"why,omitempty"`
	Input      any              `json:"input,omitempty"`
	Rules      map[string][]any `json:"rules"`
	Questions  []jsonQuestion   `json:"questions"`
	Printed    []jsonPrinted    `json:"printed"`
	EndedRules []jsonEnded      `json:"ended,omitempty"`
	Seconds    float64          `json:"seconds"`
	Steps      []jsonTraced     `json:"steps,omitempty"`
	Profile    []jsonCost       `json:"profile,omitempty"`
}

// jsonTraced is a step that --explain tells of.
type jsonTraced struct {
	File  string `json:"file"`
	Line  int    `json:"line"`
	Depth int    `json:"depth"`
	Does  string `json:"does"`
	Text  string `json:"text"`
}

// jsonCost is a line that --profile tells of.
type jsonCost struct {
	File    string  `json:"file"`
	Line    int     `json:"line"`
	Seconds float64 `json:"seconds"`
	Evals   int     `json:"evals"`
	Redos   int     `json:"redos"`
	Text    string  `json:"text"`
}

type jsonQuestion struct {
	Builtin   string `json:"builtin"`
	Operands  []any  `json:"operands"`
	Answer    any    `json:"answer"`
	Undefined bool   `json:"undefined,omitempty"`
}

type jsonPrinted struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
}

// jsonEnded is an expression that ended a rule, where none reported anything.
type jsonEnded struct {
	File       string `json:"file"`
	Line       int    `json:"line"`
	Expression string `json:"expression"`
	// Undefined is what in it has no value; without it the expression is not true.
	Undefined string `json:"undefined,omitempty"`
}

func evaluationsJSON(w io.Writer, name string, all []evaluated) error {
	items := []jsonEvaluation{}
	for _, e := range all {
		x := jsonEvaluation{
			Operation: e.request.Operation, Object: jsonObject{e.request.Kind.Kind, e.request.Namespace, e.request.Name},
			Asked: e.said.asked, Why: e.said.why, Input: e.look.Input, Seconds: e.took.Seconds(),
			Rules: map[string][]any{}, Questions: []jsonQuestion{}, Printed: []jsonPrinted{},
		}
		for _, r := range e.look.Rules {
			x.Rules[r.Name] = append([]any{}, r.Values...)
		}
		for _, a := range e.look.Asked {
			x.Questions = append(x.Questions, jsonQuestion(a))
		}
		for _, l := range e.look.Printed {
			x.Printed = append(x.Printed, jsonPrinted(l))
		}
		if e.look.Silent() {
			for _, s := range e.look.Ended() {
				x.EndedRules = append(x.EndedRules, jsonEnded{s.File, s.Line, s.Text, s.Undefined})
			}
		}
		if e.explain != "" {
			steps, _ := e.look.Steps(e.explain)
			for _, s := range steps {
				x.Steps = append(x.Steps, jsonTraced(s))
			}
		}
		for _, c := range e.look.Costs() {
			x.Profile = append(x.Profile, jsonCost{c.File, c.Line, c.Time.Seconds(), c.Evals, c.Redos, c.Text})
		}
		items = append(items, x)
	}
	return indented(w, map[string]any{"apiVersion": report.APIVersion, "kind": "Evaluations", "guardrail": name, "items": items})
}
