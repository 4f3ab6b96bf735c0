package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"

	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/doctor"
	"github.com/podcullis/podcullis/doctor/probe"
	"github.com/podcullis/podcullis/doctor/reading"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/report"
	"github.com/podcullis/podcullis/webhook"
)

type doctorOptions struct {
	sources        sources
	outputs        outputs
	failOn         string
	dryRun, probe  bool
	namespace      string
	image          string
	patience       time.Duration
	probeTimeout   time.Duration
	probeNamespace string
}

func (p *program) doctor() *cobra.Command {
	o := doctorOptions{outputs: outputs{formats: []string{"text", "json", "yaml", "markdown", "csv"}}}
	c := &cobra.Command{
		Use:   "doctor --context NAME [--probe] | -f FILE|DIR|-",
		Short: "Say what keeps guardrails and NetworkPolicies from being worth something",
		Long: `Asks whether the webhook is registered as it was installed and answers with a
certificate that the API server trusts; which network plugin runs, and whether it
enforces NetworkPolicies and those parts of them that are in use; which policies of
other APIs have a say; which NetworkPolicies select nobody, name what is not there
or add nothing; which namespaces have no default-deny; and which pods are on their
node's network. Each answer is ok, warning, problem or not known, with what was
seen, and how to mend it. "not known" is never "ok": what may not be read is told.

Read access is enough. One NetworkPolicy that has to be refused is submitted as a
server-side dry run, which stores nothing, if the account may; --dry-run=false
leaves that out. Nothing else is submitted without --probe.

--probe tries it with packets: two pods of the webhook's image, with NetworkPolicies
of their own, for less than a minute. All that it makes is taken away again, also
after an interrupt; if this process is killed, it ends and goes by itself.

Of files it tells as much as they show.

Exit code 1 when there is a problem; --fail-on warning or unknown counts those, too.
2 when nothing could be read.`,
		Example: `  podcullis doctor --context prod
  podcullis doctor --context prod --probe
  podcullis doctor --context prod -o json=doctor.json -o markdown --fail-on warning
  podcullis doctor -f deploy/`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.checkup(c, &o) },
	}
	o.sources.addFlags(c)
	o.outputs.addFlags(c)
	p.addQuietFlag(c)
	f := c.Flags()
	f.StringVar(&o.failOn, "fail-on", "problem", "problem, warning, unknown or never: which answers make exit code 1; `warning` is problem and warning, unknown all but ok")
	f.BoolVar(&o.dryRun, "dry-run", true, "submit a NetworkPolicy that has to be refused as a server-side dry run, to see whether the API server gets an answer")
	f.StringVar(&o.namespace, "dry-run-namespace", "default", "the `namespace` of that NetworkPolicy")
	f.BoolVar(&o.probe, "probe", false, "start two short-lived pods behind NetworkPolicies, and see whether packets arrive")
	f.StringVar(&o.probeNamespace, "probe-namespace", "default", "of --probe: the `namespace` of the pods")
	f.StringVar(&o.image, "probe-image", "", "of --probe: the `image` of podcullis-webhook (default: that of the Deployment in the cluster)")
	f.DurationVar(&o.patience, "probe-patience", probe.DefaultPatience, "of --probe: for how long packets have to arrive before it is said that NetworkPolicies are ignored")
	f.DurationVar(&o.probeTimeout, "probe-timeout", probe.DefaultTimeout, "of --probe: how long all of it may take")
	return c
}

func (o *doctorOptions) validate() error {
	if err := oneOf("fail-on", o.failOn, "problem", "warning", "unknown", "never"); err != nil {
		return err
	}
	switch {
	case o.probe && !o.sources.live():
		return hint(errors.New("--probe needs a running cluster"), "name one with --context or --kubeconfig")
	case o.probe && (o.patience <= 0 || o.probeTimeout <= o.patience):
		return hint(fmt.Errorf("--probe-timeout %s leaves no time for --probe-patience %s", o.probeTimeout, o.patience), "the patience has to be positive, and the timeout longer, by the time in which two pods start")
	}
	return nil
}

func (p *program) checkup(c *cobra.Command, o *doctorOptions) error {
	if err := o.outputs.parse(); err != nil {
		return err
	}
	if err := o.validate(); err != nil {
		return err
	}
	// A probe has to be cleaned up when somebody has enough of it.
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	began := time.Now()
	facts, client, err := p.facts(ctx, o)
	if err != nil {
		return err
	}
	result := doctor.Examine(*facts)
	if o.probe {
		result.Sections = append(result.Sections, p.probed(ctx, o, client, facts))
	}
	if err := o.outputs.write(p, writers{
		"text":     func(w io.Writer, s report.Style) error { return report.CheckupText(w, result, s) },
		"json":     func(w io.Writer, _ report.Style) error { return report.CheckupJSON(w, result) },
		"yaml":     func(w io.Writer, _ report.Style) error { return report.CheckupYAML(w, result) },
		"markdown": func(w io.Writer, _ report.Style) error { return report.CheckupMarkdown(w, result) },
		"csv":      func(w io.Writer, _ report.Style) error { return report.CheckupCSV(w, result) },
	}); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return hint(errors.New("interrupted"), "what was made for the probe has been taken away, unless the answer says what is left")
	}
	p.say("%s, %s: %d with a problem, %d with a warning, %d not known, %d ok; in %s", result.Of, number(len(result.Sections), "question"),
		result.Count(doctor.Problem), result.Count(doctor.Warning), result.Count(doctor.Unknown), result.Count(doctor.OK), took(time.Since(began)))
	if !o.probe && o.sources.live() && result.Status() != doctor.OK {
		p.say("next: `%s doctor --probe ...` tries with packets whether NetworkPolicies are enforced", p.name)
	}
	if o.counts(result.Status()) {
		return errViolations
	}
	return nil
}

func (o *doctorOptions) counts(s doctor.Status) bool {
	switch o.failOn {
	case "never":
		return false
	case "unknown":
		return s != doctor.OK
	case "warning":
		return s.AtLeast(doctor.Warning)
	}
	return s == doctor.Problem
}

// facts reads what the sources show.
func (p *program) facts(ctx context.Context, o *doctorOptions) (*doctor.Facts, kubernetes.Interface, error) {
	f := &doctor.Facts{Of: "files", Now: time.Now(), Live: o.sources.live()}
	o.sources.asides = []schema.GroupKind{{Kind: "ConfigMap"}, {Kind: "Node"}, {Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration"}}
	bar := p.progress("reading")
	defer bar.end()
	if f.Live {
		o.sources.partly = func(resource string, err error) {
			f.Unseen = append(f.Unseen, doctor.Unseen{What: resource, Why: err.Error()})
		}
	}
	in, err := p.load(ctx, &o.sources)
	if err != nil {
		return nil, nil, err
	}
	f.Snapshot = in.snapshot
	if err := p.unmatched(f); err != nil {
		return nil, nil, err
	}
	if !f.Live {
		fromFiles(f, in.set)
		return f, nil, nil
	}
	config, name, err := o.sources.restConfig()
	if err != nil {
		return nil, nil, err
	}
	f.Of = report.ClusterPrefix + name
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, nil, hint(err, "correct the kubeconfig")
	}
	f.Unseen = slices.DeleteFunc(f.Unseen, func(u doctor.Unseen) bool { return u.What == "daemonsets" }) // which is read once more
	reading.Network(ctx, client, f)
	reading.Registration(ctx, client, f, webhook.Resources())
	if o.dryRun {
		asked, err := reading.Ask(ctx, config, o.namespace)
		if err != nil {
			return nil, nil, err
		}
		f.Registration.Asked = asked
	}
	return f, client, ctx.Err()
}

// unmatched has the audit say which netpols select nobody.
func (p *program) unmatched(f *doctor.Facts) error {
	library, err := library(nil)
	if err != nil {
		return err
	}
	config, err := guardrail.ParseConfig("default.yaml (embedded)", guardrail.DefaultConfig)
	if err != nil {
		return err
	}
	engine, err := guardrail.New(library, config)
	if err != nil {
		return err
	}
	list, err := engine.Unmatched(f.Snapshot)
	if err != nil {
		return err
	}
	for _, u := range list {
		if u.Guardrail == "" && u.Exemption == "" {
			f.ChooseNobody = append(f.ChooseNobody, doctor.Remark{What: doctor.ChoosesNobody, Object: u.Netpol, Text: u.String()})
		}
	}
	return nil
}

// fromFiles takes what manifests show of network and registration.
func fromFiles(f *doctor.Facts, set *manifest.Set) {
	for i := range set.Objects {
		if d, ok := set.Objects[i].API.(*appsv1.DaemonSet); ok {
			f.DaemonSets = append(f.DaemonSets, d)
		}
	}
	for _, a := range set.Asides {
		switch a.Kind {
		case "ConfigMap":
			f.ConfigMaps = appended[corev1.ConfigMap](f.ConfigMaps, a)
		case "Node":
			f.Nodes = appended[corev1.Node](f.Nodes, a)
		default:
			if f.Registration == nil {
				f.Registration = &doctor.Registration{Doors: webhook.Resources()}
			}
			r := f.Registration
			r.Configurations = slices.DeleteFunc(appended[admissionregistrationv1.ValidatingWebhookConfiguration](r.Configurations, a), func(c *admissionregistrationv1.ValidatingWebhookConfiguration) bool { return !doctor.Ours(c) })
		}
	}
}

func appended[T any](list []*T, a manifest.Aside) []*T {
	var o T
	if json.Unmarshal(a.JSON, &o) != nil {
		return list // of a kind that nobody asked to be checked
	}
	return append(list, &o)
}

// probed tries it with packets.
func (p *program) probed(ctx context.Context, o *doctorOptions, client kubernetes.Interface, f *doctor.Facts) doctor.Section {
	image := o.image
	if image == "" {
		image = f.Registration.Image()
	}
	if image == "" {
		return doctor.ProbeSection(nil, hint(errors.New("no Deployment of the webhook is there, whose image could be taken"), "name the image of podcullis-webhook with --probe-image"))
	}
	result, err := probe.Run(ctx, probe.Options{
		Client: client, Namespace: o.probeNamespace, Image: image, Patience: o.patience, Timeout: o.probeTimeout,
		Say: func(text string) { p.say("probe: %s", text) },
	})
	if err != nil {
		return doctor.ProbeSection(nil, err)
	}
	return doctor.ProbeSection(&doctor.Probed{
		Reached: result.Reached, IngressBlocked: result.IngressBlocked, EgressBlocked: result.EgressBlocked, Lost: result.Lost,
		Seconds: result.Seconds, Last: result.Last, Namespace: result.Namespace, Nodes: result.Nodes,
	}, nil)
}
