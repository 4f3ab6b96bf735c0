package doctor

import (
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/drift"
)

// Registration is how the API server is told of the webhook, and what came of asking it.
type Registration struct {
	// Configurations are those with a webhook of ours.
	Configurations []*admissionregistrationv1.ValidatingWebhookConfiguration
	// Installed are the copies of what the chart installed.
	Installed []Installed
	// Doors are the resources that have to be asked about, as webhook.Resources has them.
	Doors []string
	// Deployments are those of the webhook.
	Deployments []*appsv1.Deployment
	// Backends are what stands behind a Service or URL of the configurations.
	Backends []Backend
	// Asked is nil where nothing was submitted.
	Asked *Asked
}

// Installed is a ValidatingWebhookConfiguration as it was meant, in YAML.
type Installed struct {
	// In is the ConfigMap that has it.
	In   cluster.Ref
	Text []byte
}

// Backend is what answers to a clientConfig.
type Backend struct {
	// Name is "namespace/name" of the Service, or the URL.
	Name string
	// Missing is set for a Service that is not there; Ready counts the endpoints that are ready.
	Missing bool
	Ready   int
	// Certificate is what is served, the leaf first, in DER; empty where nobody saw it.
	Certificate [][]byte
	// Failed says why a connection to the URL could not be made from here.
	Failed string
}

// Asked is the API server's answer to a NetworkPolicy that has to be refused, submitted as a
// dry run.
type Asked struct {
	Namespace string
	Outcome   Outcome
	// Said is what the API server said.
	Said string
}

// Outcome is what came of it.
type Outcome string

// The outcomes.
const (
	// Refused and Warned: the webhook has answered.
	Refused Outcome = "refused"
	Warned  Outcome = "warned"
	// Silent: it was accepted without a word.
	Silent Outcome = "silent"
	// CallFailed: the API server did not get an answer of the webhook.
	CallFailed Outcome = "call failed"
	// NotAsked: somebody else refused it before, or the account may not create it.
	NotAsked Outcome = "not asked"
)

// OwnDomain is how the names of our webhooks end.
const OwnDomain = ".podcullis.io"

// selfGuard is the webhook that guards the webhook, which fails open by design.
const selfGuard = "self" + OwnDomain

func (f *Facts) webhook() []Answer {
	r := f.Registration
	if r == nil {
		return []Answer{{Status: Unknown, Text: "Files do not show whether anybody is asked", Mend: "ask the cluster: `podcullis doctor --context NAME`"}}
	}
	if !f.Live {
		return f.webhookOfFiles(r)
	}
	if blind, ok := f.blind("Whether the webhook is registered", "validatingwebhookconfigurations"); ok {
		return append(blind, f.asked(r)...)
	}
	out := f.registered(r)
	for _, c := range r.Configurations {
		out = append(out, f.scope(c)...)
		out = append(out, r.failurePolicies(c)...)
		out = append(out, f.reach(r, c)...)
	}
	out = append(out, r.modes()...)
	return append(out, f.asked(r)...)
}

// webhookOfFiles tells what a configuration in a file is about. Who answers is not there.
func (f *Facts) webhookOfFiles(r *Registration) []Answer {
	var out []Answer
	for _, c := range r.Configurations {
		if missing := drift.Missing(rulesOf(c), r.Doors); len(missing) > 0 {
			out = append(out, Answer{
				Status: Problem, Text: "ValidatingWebhookConfiguration " + c.Name + " leaves out ways by which paths open",
				Evidence: listed(missing), Mend: "give it the rules of the chart (docs/webhook.md)",
			})
		} else {
			out = append(out, Answer{Status: OK, Text: "ValidatingWebhookConfiguration " + c.Name + " asks about every way by which paths open"})
		}
		out = append(append(out, f.scope(c)...), r.failurePolicies(c)...)
	}
	return append(out, Answer{Status: Unknown, Text: "Files do not show whether anybody answers", Mend: "ask the cluster: `podcullis doctor --context NAME`"})
}

// registered compares what there is with what was installed, or, where nobody knows that, with
// what has to be asked about.
func (f *Facts) registered(r *Registration) []Answer {
	var out []Answer
	compared := map[string]bool{}
	for _, in := range r.Installed {
		name, differences, err := compare(r, in)
		switch {
		case err != nil:
			out = append(out, Answer{
				Status: Unknown, Text: "What was installed is not known: webhooks.yaml of ConfigMap " + in.In.Namespace + "/" + in.In.Name + " cannot be read",
				Evidence: []string{err.Error()}, Mend: "`helm upgrade` with the release's values writes it anew",
			})
			continue
		case len(differences) > 0:
			out = append(out, Answer{
				Status: Problem, Text: fmt.Sprintf("ValidatingWebhookConfiguration %s is not the one that was installed", name),
				Evidence: listed(differences), Mend: "`helm upgrade` with the release's values puts it right; docs/runbooks/PodcullisWebhookDrift.md says how to find who changed it",
			})
		default:
			out = append(out, Answer{Status: OK, Text: fmt.Sprintf("ValidatingWebhookConfiguration %s is the one that was installed", name), Evidence: []string{"compared with webhooks.yaml of ConfigMap " + in.In.Namespace + "/" + in.In.Name}})
		}
		compared[name] = true
	}
	for _, c := range r.Configurations {
		if compared[c.Name] {
			continue
		}
		a := Answer{Status: Unknown, Text: "Whether ValidatingWebhookConfiguration " + c.Name + " is as it was installed is not known: no ConfigMap here has a copy of that"}
		if u, ok := f.unseen(OwnConfigMaps); ok {
			a.Text = "Whether ValidatingWebhookConfiguration " + c.Name + " is as it was installed is not known: the ConfigMaps of Podcullis could not be read"
			a.Evidence = []string{u.Why}
		}
		if missing := drift.Missing(rulesOf(c), r.Doors); len(missing) > 0 {
			a.Status, a.Text = Problem, "ValidatingWebhookConfiguration "+c.Name+" leaves out ways by which paths open"
			a.Evidence = append(a.Evidence, listed(missing)...)
			a.Mend = "give it the rules of the chart (docs/webhook.md)"
		}
		out = append(out, a)
	}
	if len(out) == 0 {
		a := Answer{
			Status: Warning, Text: "No webhook of Podcullis is registered: the API server asks nobody about changes",
			Evidence: []string{"no ValidatingWebhookConfiguration has a webhook whose name ends in " + OwnDomain},
			Mend:     "install the chart (docs/install.md), if changes are to be judged before they happen",
		}
		if len(r.Deployments) > 0 {
			a.Status = Problem
			a.Evidence = append(a.Evidence, fmt.Sprintf("Deployment %s/%s of the webhook is there", r.Deployments[0].Namespace, r.Deployments[0].Name))
		}
		out = append(out, a)
	}
	return out
}

// compare leaves the caBundle to reach.
func compare(r *Registration, in Installed) (string, []string, error) {
	name, differences, err := drift.Compare(in.Text, nil, r.Doors, nil)
	if err != nil {
		return "", nil, err
	}
	at := slices.IndexFunc(r.Configurations, func(c *admissionregistrationv1.ValidatingWebhookConfiguration) bool { return c.Name == name })
	if at < 0 {
		return name, differences, nil
	}
	return drift.Compare(in.Text, r.Configurations[at], r.Doors, nil)
}

func rulesOf(c *admissionregistrationv1.ValidatingWebhookConfiguration) []admissionregistrationv1.RuleWithOperations {
	var out []admissionregistrationv1.RuleWithOperations
	for _, w := range c.Webhooks {
		if w.Name != selfGuard {
			out = append(out, w.Rules...)
		}
	}
	return out
}

// home tells whether Podcullis lives in a namespace: it leaves that out, so as not to stand in its
// own way.
func (r *Registration) home(namespace string) bool {
	return slices.ContainsFunc(r.Installed, func(i Installed) bool { return i.In.Namespace == namespace }) ||
		slices.ContainsFunc(r.Deployments, func(d *appsv1.Deployment) bool { return d.Namespace == namespace })
}

// scope tells about whom nobody is asked.
func (f *Facts) scope(c *admissionregistrationv1.ValidatingWebhookConfiguration) []Answer {
	var out []Answer
	for _, w := range c.Webhooks {
		if w.Name == selfGuard {
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(w.NamespaceSelector)
		if w.NamespaceSelector == nil {
			selector = labels.Everything()
		}
		if err != nil {
			continue // which the API server does not store
		}
		var left []string
		for ns := range f.Snapshot.Namespaces() {
			own := f.Registration.home(ns.Name) || w.ClientConfig.Service != nil && w.ClientConfig.Service.Namespace == ns.Name
			if !own && !slices.Contains(systemNamespaces(), ns.Name) && !ns.Implied && !selector.Matches(ns.Labels) {
				left = append(left, ns.Name)
			}
		}
		if len(left) > 0 {
			out = append(out, Answer{
				Status: Warning, Text: fmt.Sprintf("Webhook %s is not asked about %s", w.Name, count(len(left), "namespace")),
				Evidence: listed(left), Mend: "see that its namespaceSelector means them: webhook.netpols and webhook.workloads of the values (excludedNamespaces, namespaceSelector)",
			})
		}
		if w.ObjectSelector != nil && len(w.ObjectSelector.MatchLabels)+len(w.ObjectSelector.MatchExpressions) > 0 {
			out = append(out, Answer{
				Status: Warning, Text: "Webhook " + w.Name + " is asked about objects with some labels only: whoever sets labels chooses whether anybody is asked",
				Evidence: []string{"objectSelector " + metav1.FormatLabelSelector(w.ObjectSelector)}, Mend: "take objectSelector out of the values",
			})
		}
	}
	return out
}

func (r *Registration) failurePolicies(c *admissionregistrationv1.ValidatingWebhookConfiguration) []Answer {
	var open []string
	for _, w := range c.Webhooks {
		if w.Name != selfGuard && w.FailurePolicy != nil && *w.FailurePolicy == admissionregistrationv1.Ignore {
			open = append(open, "webhook "+w.Name)
		}
	}
	if len(open) == 0 {
		return []Answer{{Status: OK, Text: "failurePolicy is Fail: while nobody answers, nothing gets in unjudged"}}
	}
	return []Answer{{
		Status: Warning, Text: "failurePolicy is Ignore: while no replica answers, everything gets in", Evidence: open,
		Mend: "once the guardrails have settled: webhook.netpols.failurePolicy=Fail and webhook.workloads.failurePolicy=Fail (docs/rollout.md)",
	}}
}

// modes tells of a server that refuses nothing.
func (r *Registration) modes() []Answer {
	var out []Answer
	for _, d := range r.Deployments {
		for _, c := range d.Spec.Template.Spec.Containers {
			if slices.Contains(c.Args, "--mode=audit") {
				out = append(out, Answer{
					Status: Warning, Text: "The webhook runs in mode audit: it says what it would deny, and denies nothing",
					Evidence: []string{fmt.Sprintf("Deployment %s/%s runs with --mode=audit", d.Namespace, d.Name)}, Mend: "mode: warn, then mode: enforce (docs/rollout.md)",
				})
			}
		}
	}
	return out
}

// reach tells whether somebody is there who answers, with a certificate that the API server trusts.
func (f *Facts) reach(r *Registration, c *admissionregistrationv1.ValidatingWebhookConfiguration) []Answer {
	var out []Answer
	told := map[string]bool{}
	for _, w := range c.Webhooks {
		name, host := target(w.ClientConfig)
		if key := name + "\x00" + string(w.ClientConfig.CABundle); told[key] {
			continue
		} else {
			told[key] = true
		}
		at := slices.IndexFunc(r.Backends, func(b Backend) bool { return b.Name == name })
		if at < 0 {
			out = append(out, f.unseenBackend(name))
			out = append(out, trust(w.ClientConfig.CABundle, Backend{Name: name}, host, f.Now)...)
			continue
		}
		b := r.Backends[at]
		out = append(out, b.answer(w.ClientConfig.Service != nil)...)
		out = append(out, trust(w.ClientConfig.CABundle, b, host, f.Now)...)
	}
	return out
}

func (f *Facts) unseenBackend(name string) Answer {
	a := Answer{Status: Unknown, Text: "Whether anybody answers at " + name + " is not known"}
	if u, ok := f.unseen("services "+name, "endpointslices "+name); ok {
		a.Evidence = []string{u.What + " could not be read: " + u.Why}
	}
	return a
}

func (b *Backend) answer(service bool) []Answer {
	switch {
	case service && b.Missing:
		return []Answer{{
			Status: Problem, Text: "Service " + b.Name + ", which the API server calls, is not there",
			Mend: "`helm upgrade` with the release's values makes it anew",
		}}
	case service && b.Ready == 0:
		return []Answer{{
			Status: Problem, Text: "Service " + b.Name + " has no endpoint that is ready: nobody answers",
			Mend: "docs/runbooks/PodcullisDown.md",
		}}
	case service:
		return []Answer{{Status: OK, Text: fmt.Sprintf("Service %s has %s that are ready", b.Name, count(b.Ready, "endpoint"))}}
	case b.Failed != "":
		return []Answer{{Status: Unknown, Text: "Nobody answers at " + b.Name + " from here; whether the API server reaches it is another question", Evidence: []string{b.Failed}}}
	}
	return []Answer{{Status: OK, Text: "Somebody answers at " + b.Name}}
}

// target is who is called, and the name that the certificate has to be for.
func target(c admissionregistrationv1.WebhookClientConfig) (name, host string) {
	if s := c.Service; s != nil {
		return s.Namespace + "/" + s.Name, s.Name + "." + s.Namespace + ".svc"
	}
	if c.URL == nil {
		return "", ""
	}
	_, rest, _ := strings.Cut(*c.URL, "://")
	host, _, _ = strings.Cut(rest, "/")
	if i := strings.LastIndex(host, ":"); i > strings.LastIndex(host, "]") {
		host = host[:i]
	}
	return *c.URL, strings.Trim(host, "[]")
}

// asked tells what came of a dry run.
func (f *Facts) asked(r *Registration) []Answer {
	if r.Asked == nil {
		return nil
	}
	a := Answer{Evidence: []string{"a NetworkPolicy that has to be refused, submitted to namespace " + r.Asked.Namespace + " as a dry run"}}
	if r.Asked.Said != "" {
		a.Evidence = append(a.Evidence, "the API server: "+r.Asked.Said)
	}
	fails := len(r.Configurations) > 0
	for _, c := range r.Configurations {
		for _, w := range c.Webhooks {
			if w.Name != selfGuard && (w.FailurePolicy == nil || *w.FailurePolicy != admissionregistrationv1.Fail) {
				fails = false
			}
		}
	}
	switch r.Asked.Outcome {
	case Refused:
		a.Status, a.Text = OK, "The API server asks, and gets an answer: what has to be refused is"
	case Warned:
		a.Status, a.Text = OK, "The API server asks, and gets an answer: what has to be refused is warned of"
	case CallFailed:
		a.Status, a.Text = Problem, "The API server asks, and gets no answer of the webhook"
		a.Mend = mendCall(r.Asked.Said)
	case Silent:
		if fails {
			a.Status, a.Text = OK, "The API server asks, and gets an answer: without one it would have refused"
			a.Evidence = append(a.Evidence, "nothing objected to it: the chart's guardrail podcullis-canary is not there (tests.enabled), or that namespace is left out")
			break
		}
		a.Status, a.Text = Unknown, "Whether anybody is asked is not known: it was accepted without a word"
		if len(r.Configurations) == 0 {
			return nil // which the other answers say
		}
		a.Mend = "either no replica answered and failurePolicy is Ignore, or the chart's guardrail podcullis-canary is not there; `helm test` tells the two apart"
	case NotAsked:
		a.Status, a.Text = Unknown, "Whether the API server gets an answer was not tried out"
		a.Mend = "with the right to create NetworkPolicies in that namespace a dry run tells; nothing is stored"
	}
	return []Answer{a}
}

// mendCall says what to do about a call that failed.
func mendCall(said string) string {
	for _, c := range []struct{ part, mend string }{
		{"x509: certificate signed by unknown authority", "the caBundle is not the CA of what is served: docs/troubleshooting.md#certificates"},
		{"certificate has expired or is not yet valid", "the certificate that is served has expired: docs/runbooks/PodcullisCertificateExpires.md"},
		{"x509: certificate is valid for", "the certificate is for another name: docs/troubleshooting.md#certificates"},
		{"x509:", "docs/troubleshooting.md#certificates"},
		{"not found", "the Service that it calls is not there: `helm upgrade` with the release's values"},
		{"no endpoints available", "no replica is ready: docs/runbooks/PodcullisDown.md"},
		{"connection refused", "nobody listens there: docs/runbooks/PodcullisDown.md"},
		{"deadline exceeded", "no answer in time: docs/runbooks/PodcullisSlow.md, or the network between API server and pods"},
	} {
		if strings.Contains(said, c.part) {
			return c.mend
		}
	}
	return "docs/runbooks/PodcullisFailedClosed.md"
}

// OwnConfigMaps is what Unseen calls the ConfigMaps of Podcullis.
const OwnConfigMaps = "configmaps of Podcullis"
