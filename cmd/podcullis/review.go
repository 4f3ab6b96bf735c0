package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/report"
	"github.com/podcullis/podcullis/webhook"
)

// reviewTime bounds one review, as the webhook's own bound is about an API server that
// waits.
const reviewTime = 10 * time.Minute

type reviewOptions struct {
	sources    sources
	edits      edits
	outputs    outputs
	policyDirs []string
	config     string
	review     string
	failOn     string
}

func (p *program) review() *cobra.Command {
	o := reviewOptions{outputs: outputs{formats: append(findingFormats(), "review")}}
	c := &cobra.Command{
		Use:   "review -f FILE|DIR|- | --helm CHART | -k DIR | --context NAME  --create FILE | --update FILE | --apply FILE|DIR | --delete FILE|KIND/NS/NAME | --review FILE",
		Short: "Ask what the webhook would answer to a change",
		Long: `Judges a change as the admission webhook would, and answers in its words: -f,
--helm, -k and --context say what is there before, the other flags what is
changed. Several changes are judged one after the other, each against what the
ones before it left; what is denied changes nothing.

--review takes an AdmissionReview as the API server sends it
(admission.k8s.io/v1), and -o review answers with one.

Exit code 0 when everything is allowed, 1 when something is denied, 2 when
something could not be judged. --fail-on warn counts warnings, too.`,
		Example: `  podcullis review -f deploy/ --create allow-all.yaml --config guardrails.yaml
  podcullis review --context prod --apply changed/ --config guardrails.yaml
  podcullis review -f deploy/ --delete NetworkPolicy/shop/default-deny
  podcullis review -f deploy/ --review review.json -o review`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.answer(c.Context(), &o) },
	}
	o.sources.addFlags(c)
	o.edits.addFlags(c)
	o.outputs.addFlags(c)
	f := c.Flags()
	f.StringVar(&o.review, "review", "", "an AdmissionReview in JSON or YAML: a `file`, or - for standard input")
	f.StringVar(&o.config, "config", "", "the `file` that says which guardrails apply to what; without it, the embedded default")
	f.StringArrayVar(&o.policyDirs, "policy-dir", nil, "a `directory` with Rego guardrails beside the embedded ones; repeatable")
	p.addBundleFlags(c)
	f.StringVar(&o.failOn, "fail-on", "deny", "`deny`, warn or never: what makes exit code 1")
	p.addQuietFlag(c)
	return c
}

// answered is one change, and what the webhook says to it.
type answered struct {
	request  *admissionv1.AdmissionRequest
	response admissionv1.AdmissionResponse
	// decision is what the guardrails said, and err why nobody could say anything.
	decision guardrail.Decision
	err      error
	location report.Location
}

func (p *program) answer(ctx context.Context, o *reviewOptions) error {
	if err := o.outputs.parse(); err != nil {
		return err
	}
	if err := oneOf("fail-on", o.failOn, "deny", "warn", "never"); err != nil {
		return err
	}
	if err := oneChange(&o.edits, o.review); err != nil {
		return err
	}
	engine, custom, err := p.configured(o.config, o.policyDirs)
	if err != nil {
		return err
	}
	o.sources.entries = engine.NeedsEntries()
	o.sources.takeObjects()
	in, err := p.load(ctx, &o.sources)
	if err != nil {
		return err
	}
	if err := p.takeIn(ctx, engine, &o.sources, in.set.Asides); err != nil {
		return err
	}
	p.sayNamed(in.snapshot, engine.AsksNamespaceLabels())
	door := &door{engine: engine, custom: custom, snapshot: in.snapshot, inputs: &inputs{sources: &o.sources}}
	var answers []answered
	if o.review != "" {
		r, err := p.admissionReview(o.review, &o.sources)
		if err != nil {
			return err
		}
		a := door.judge(ctx, r)
		a.location = report.Location{File: o.review}
		answers = append(answers, a)
	} else {
		steps, err := p.steps(ctx, &o.edits, &o.sources, in.set)
		if err != nil {
			return err
		}
		for _, s := range steps {
			a, err := door.step(ctx, s)
			if err != nil {
				return err
			}
			answers = append(answers, a)
		}
	}
	result := resultOfAnswers(answers)
	by := findingWriters(result, time.Now(), func(w io.Writer) error {
		after := in
		after.snapshot = door.snapshot
		return p.page(w, after, o.config, result)
	})
	by["text"] = func(w io.Writer, _ report.Style) error { return answersText(w, answers) }
	by["json"] = func(w io.Writer, _ report.Style) error { return indented(w, answersDocument(answers)) }
	by["yaml"] = func(w io.Writer, _ report.Style) error { return answersYAML(w, answers) }
	by["review"] = func(w io.Writer, _ report.Style) error { return answersReview(w, answers) }
	if err := o.outputs.write(p, by); err != nil {
		return err
	}
	return p.settle(answers, o.failOn, engine)
}

// door is the webhook without its transport, before a cluster that moves only by what
// it lets in.
type door struct {
	engine   *guardrail.Engine
	custom   []cluster.Custom
	snapshot *cluster.Snapshot
	inputs   *inputs
}

// Snapshot implements webhook.Model.
func (d *door) Snapshot() *cluster.Snapshot { return d.snapshot }

// WaitFor implements webhook.Model: nothing comes.
func (d *door) WaitFor(_ context.Context, condition func(*cluster.Snapshot) bool) bool {
	return condition(d.snapshot)
}

func (d *door) judge(ctx context.Context, r *admissionv1.AdmissionRequest) answered {
	a := answered{request: r}
	judge := webhook.NewJudge(webhook.JudgeOptions{
		Evaluator: pointed{d.engine, d.inputs}, Model: d, Mode: webhook.Enforce, Custom: d.custom, Entries: d.engine.NeedsEntries,
		OwnNamespace:   func() bool { return d.engine.Messages() == guardrail.OwnNamespaceMessages },
		EvaluationTime: reviewTime, Log: slog.New(slog.DiscardHandler),
		Decided: func(decision guardrail.Decision, err error) { a.decision, a.err = decision, err },
	})
	a.response = judge.Handle(ctx, admission.Request{AdmissionRequest: *r}).AdmissionResponse
	a.response.UID = r.UID
	return a
}

// step judges one change, and makes it if it is allowed.
func (d *door) step(ctx context.Context, s step) (answered, error) {
	d.inputs.judge(&s)
	a := d.judge(ctx, s.request())
	a.location = place(s.object())
	if !a.response.Allowed {
		return a, nil
	}
	after, err := d.snapshot.Apply(s.change())
	if err != nil {
		return a, hint(fmt.Errorf("%s: %w", s.object().Location, err), "correct the manifest")
	}
	d.snapshot = after
	d.inputs.pass(s)
	return a, nil
}

// admissionReview reads what the API server sends.
func (p *program) admissionReview(file string, s *sources) (*admissionv1.AdmissionRequest, error) {
	var text []byte
	var err error
	switch {
	case file != "-":
		text, err = os.ReadFile(file)
	case slices.Contains(s.files, "-"):
		return nil, hint(errors.New("--review -: standard input is taken by -f -"), "put one of them in a file")
	default:
		text, err = io.ReadAll(p.stdin)
	}
	if err != nil {
		return nil, hint(err, "--review names a file with an AdmissionReview")
	}
	var review admissionv1.AdmissionReview
	if err := yaml.Unmarshal(text, &review); err != nil {
		return nil, hint(fmt.Errorf("--review %s: %w", file, err), "it holds one AdmissionReview in JSON or YAML")
	}
	if review.APIVersion != "admission.k8s.io/v1" || review.Kind != "AdmissionReview" {
		return nil, hint(fmt.Errorf("--review %s: apiVersion %q and kind %q, want admission.k8s.io/v1 and AdmissionReview", file, review.APIVersion, review.Kind), "a manifest is named by --create, --update or --apply")
	}
	if review.Request == nil {
		return nil, hint(fmt.Errorf("--review %s: request: missing", file), "an answer of a webhook cannot be judged; give what the API server sent")
	}
	return review.Request, nil
}

// denied tells whether a guardrail refuses, and judged whether one could say.
func (a answered) denied() bool { return !a.response.Allowed && a.judged() }

func (a answered) judged() bool {
	if a.response.Allowed || a.response.Result == nil {
		return true
	}
	switch a.response.Result.Code {
	case http.StatusForbidden, http.StatusConflict, http.StatusTooManyRequests:
		return true
	}
	return false
}

func (a answered) subject() string {
	r := a.request
	if r.Namespace == "" || r.Kind.Kind == "Namespace" && r.Kind.Group == "" {
		return r.Kind.Kind + " " + r.Name
	}
	return r.Kind.Kind + " " + r.Namespace + "/" + r.Name
}

func (a answered) message() string {
	if a.response.Result == nil {
		return ""
	}
	return a.response.Result.Message
}

func answersText(w io.Writer, answers []answered) error {
	for i, a := range answers {
		if i > 0 {
			fmt.Fprintln(w)
		}
		verdict := "allowed"
		switch {
		case !a.judged():
			verdict = "could not be judged"
		case !a.response.Allowed:
			verdict = "denied"
		}
		fmt.Fprintf(w, "%s %s: %s\n", strings.ToLower(string(a.request.Operation)), a.subject(), verdict)
		for _, line := range a.response.Warnings {
			fmt.Fprintf(w, "Warning: %s\n", line)
		}
		if text := a.message(); text != "" {
			if _, err := fmt.Fprintln(w, text); err != nil {
				return err
			}
		}
	}
	return nil
}

type jsonAnswer struct {
	Operation admissionv1.Operation `json:"operation"`
	Object    jsonObject            `json:"object"`
	Allowed   bool                  `json:"allowed"`
	// Code is the HTTP status of the answer: 403 for a denial.
	Code     int32    `json:"code"`
	Message  string   `json:"message,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

type jsonObject struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

func answersDocument(answers []answered) map[string]any {
	items := []jsonAnswer{}
	for _, a := range answers {
		code := int32(http.StatusOK)
		if a.response.Result != nil && a.response.Result.Code != 0 {
			code = a.response.Result.Code
		}
		items = append(items, jsonAnswer{
			Operation: a.request.Operation,
			Object:    jsonObject{a.request.Kind.Kind, a.request.Namespace, a.request.Name},
			Allowed:   a.response.Allowed, Code: code, Message: a.message(), Warnings: a.response.Warnings,
		})
	}
	return map[string]any{"apiVersion": report.APIVersion, "kind": "Answers", "items": items}
}

func answersYAML(w io.Writer, answers []answered) error {
	text, err := yaml.Marshal(answersDocument(answers))
	if err == nil {
		_, err = w.Write(text)
	}
	return err
}

// answersReview writes an AdmissionReview for each change, one after the other.
func answersReview(w io.Writer, answers []answered) error {
	for i := range answers {
		review := map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": &answers[i].response}
		if err := indented(w, review); err != nil {
			return err
		}
	}
	return nil
}

func indented(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(document)
}

// settle sums up, and makes the exit code.
func (p *program) settle(answers []answered, failOn string, engine *guardrail.Engine) error {
	var denied, warned, unjudged int
	for _, a := range answers {
		switch {
		case !a.judged():
			unjudged++
		case a.denied():
			denied++
		case len(a.response.Warnings) > 0:
			warned++
		}
	}
	p.say("%s, %s: %d denied, %d with warnings", number(len(answers), "change"), guardrailsNamed(engine), denied, warned)
	switch {
	case unjudged > 0:
		return hint(fmt.Errorf("%s could not be judged", number(unjudged, "change")), "what is listed above says why")
	case failOn != "never" && denied > 0, failOn == "warn" && warned > 0:
		return errViolations
	}
	return nil
}
