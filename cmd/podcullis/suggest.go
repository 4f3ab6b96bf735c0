package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/report"
	"github.com/podcullis/podcullis/suggest"
	"github.com/podcullis/podcullis/suggest/observed"
)

type suggestOptions struct {
	sources     sources
	network     network
	outputs     outputs
	policyDirs  []string
	namespaces  []string
	intents     []string
	flows       []string
	flowsFormat string
	dns         string
	nodes       []string
	outside     []string
	leaveOut    bool
}

const (
	usualDNS = "kube-system/k8s-app=kube-dns"
	noDNS    = "none"
)

func (p *program) suggest() *cobra.Command {
	o := suggestOptions{outputs: outputs{formats: []string{"yaml", "json", "name", "markdown", "csv"}}}
	c := &cobra.Command{
		Use:   "suggest -f FILE|DIR|- | --context NAME  [--intent FILE] [--flows FILE] [-n NAMESPACE]",
		Short: "Suggest a default-deny and the fewest NetworkPolicies that keep a list of connections",
		Long: `Prints NetworkPolicies that keep a list of connections and let nothing else through:
a default-deny for each namespace, and as few others as it takes. They replace those
that the namespaces have; which ones have to go is said beside.

The list is what --intent names, what --flows has seen, or both; without them it is what
is open today, less what the guardrails of --config forbid. What they require is kept,
whatever the list says.

The result is proved before it is printed: every connection of the list and every
required path is open, nothing forbidden is, and nothing else, but what is told. Where
the list and the guardrails contradict each other there is no result, and the error
names both. What the list cannot have seen is told, too.

--intent is YAML as ` + "`podcullis connections -o yaml`" + ` writes it, or shorter:
  apiVersion: podcullis.io/v1alpha1
  kind: Connections
  items:
  - {from: shop/frontend, to: shop/backend, ports: [8080]}
--flows is Hubble's JSON, Calico's flow logs or Goldmane's flows in JSON, or CSV with the
columns from, to, protocol and port.

-o markdown and -o csv print the connections that are kept, and why, instead.`,
		Example: `  podcullis suggest -f deploy/ --config guardrails.yaml > netpols.yaml
  podcullis suggest -f deploy/ --intent wanted.yaml -n shop
  hubble observe --since 24h -o jsonpb | podcullis suggest --context prod -n shop --flows -`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.suggestion(c.Context(), &o) },
	}
	o.sources.addFlags(c)
	o.network.addFlags(c)
	o.outputs.addFlags(c)
	f := c.Flags()
	f.StringArrayVarP(&o.namespaces, "namespace", "n", nil, "suggest for this `namespace`; repeatable (default all with workloads, but kube-system, kube-public, kube-node-lease and those that --config excludes)")
	f.StringArrayVar(&o.intents, "intent", nil, "a `file` of kind Connections: what is wanted; repeatable")
	f.StringArrayVar(&o.flows, "flows", nil, "a `file` of flows that were seen, or - for standard input; repeatable")
	f.StringVar(&o.flowsFormat, "flows-format", string(observed.Auto), "how --flows are written: `format` auto, hubble, calico (Goldmane, too) or csv")
	f.StringVar(&o.dns, "dns", usualDNS, "`NAMESPACE/LABEL=VALUE` of the cluster's DNS, which every pod may ask on UDP and TCP 53 whatever the list says; none keeps what the list says alone")
	f.StringArrayVar(&o.nodes, "node-network", nil, "a `CIDR` with the addresses of nodes, by which rules name pods on the host's network; repeatable")
	f.StringArrayVar(&o.outside, "outside", nil, "a `CIDR` outside the cluster that stands for each address of --flows in it; repeatable")
	f.BoolVar(&o.leaveOut, "leave-out-unknown", false, "leave out what --flows and --intent say of workloads that are not there; without it that is an error")
	f.StringArrayVar(&o.policyDirs, "policy-dir", nil, "a `directory` with Rego guardrails beside the embedded ones; repeatable")
	f.Lookup("config").Usage = "the configuration `file` of the guardrails: what they forbid is not kept, what they require is; its podNetwork is used"
	p.addQuietFlag(c)
	return c
}

// suggestion answers the command.
func (p *program) suggestion(ctx context.Context, o *suggestOptions) error {
	if err := o.outputs.parse(); err != nil {
		return err
	}
	if err := oneOf("flows-format", o.flowsFormat, observed.Formats()...); err != nil {
		return err
	}
	s := &suggesting{program: p, options: o}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	if err := s.list(); err != nil {
		return err
	}
	if err := s.solve(ctx); err != nil {
		return err
	}
	if err := o.outputs.write(p, writers{
		"yaml":     func(w io.Writer, _ report.Style) error { return netpolsYAML(w, s.result.Netpols) },
		"json":     func(w io.Writer, _ report.Style) error { return netpolsJSON(w, s.result.Netpols) },
		"name":     func(w io.Writer, _ report.Style) error { return netpolNames(w, s.result.Netpols) },
		"markdown": func(w io.Writer, _ report.Style) error { return s.kept().Markdown(w) },
		"csv":      func(w io.Writer, _ report.Style) error { return s.kept().CSV(w) },
	}); err != nil {
		return err
	}
	s.tell()
	return nil
}

// suggesting is a suggestion in the making.
type suggesting struct {
	*program
	options *suggestOptions
	engine  *guardrail.Engine // nil without --config
	rules   []guardrail.PathQuestion
	in      input
	request suggest.Request
	result  *suggest.Result
	log     *observed.Log // of --flows
	found   observed.Found
	// unsure and forbidden count the connections of today that are not kept.
	unsure, forbidden int
}

// today tells whether the list is what is open today.
func (s *suggesting) today() bool { return len(s.options.intents)+len(s.options.flows) == 0 }

// prepare reads everything but the list.
func (s *suggesting) prepare(ctx context.Context) error {
	o := s.options
	if s.options.leaveOut && s.today() {
		return hint(errors.New("--leave-out-unknown is about --flows and --intent, and none was given"), "leave it out")
	}
	if len(o.outside) > 0 && len(o.flows) == 0 {
		return hint(errors.New("--outside is about the addresses of --flows, and none were given"), "an intent names blocks itself")
	}
	if slices.Contains(o.flows, "-") && slices.Contains(o.sources.files, "-") {
		return hint(errors.New("--flows -: standard input is taken by -f -"), "put one of them in a file")
	}
	options, err := o.network.options()
	if err != nil {
		return err
	}
	if o.network.config != "" || len(o.policyDirs) > 0 {
		if s.engine, err = s.program.engine(o.network.config, o.policyDirs); err != nil {
			return err
		}
		if s.rules, err = s.engine.PathQuestions(); err != nil {
			return err
		}
		outside, err := s.engine.EntranceQuestions()
		s.rules = append(s.rules, outside...)
		if err != nil {
			return err
		}
		o.sources.entries = s.engine.NeedsEntries()
	}
	s.request.Options = options
	if s.request.DNS, err = parseDNS(o.dns); err != nil {
		return err
	}
	if s.request.Nodes, err = prefixes("node-network", o.nodes); err != nil {
		return err
	}
	if s.in, err = s.load(ctx, &o.sources); err != nil {
		return err
	}
	s.request.Snapshot = s.in.snapshot
	return s.scope()
}

// parseDNS reads NAMESPACE/LABEL=VALUE.
func parseDNS(text string) (*suggest.DNS, error) {
	if text == noDNS {
		return nil, nil
	}
	namespace, pods, ok := strings.Cut(text, "/")
	set, err := labels.ConvertSelectorToLabelsMap(pods)
	if !ok || err != nil || len(set) == 0 || len(validation.IsDNS1123Label(namespace)) > 0 {
		return nil, hint(fmt.Errorf("--dns %q is neither NAMESPACE/LABEL=VALUE nor none", text), "the usual one is --dns %s", usualDNS)
	}
	return &suggest.DNS{Namespace: namespace, Pods: set}, nil
}

func prefixes(flag string, texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, hint(fmt.Errorf("--%s must be a CIDR, got %q", flag, text), "such as --%s 192.0.2.0/24", flag)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// usuallyLeftAlone are the namespaces of the cluster itself.
var usuallyLeftAlone = []string{"kube-system", "kube-public", "kube-node-lease"}

// scope finds the namespaces to suggest for.
func (s *suggesting) scope() error {
	inhabited := map[string]bool{}
	for w := range s.in.snapshot.AllWorkloads() {
		inhabited[w.Namespace] = true
	}
	for _, ns := range s.options.namespaces {
		if !inhabited[ns] {
			return hint(fmt.Errorf("--namespace: no workload in namespace %s", ns), "there are: %s", namespaces([]*cluster.Snapshot{s.in.snapshot}))
		}
		if !slices.Contains(s.request.Namespaces, ns) {
			s.request.Namespaces = append(s.request.Namespaces, ns)
		}
	}
	if len(s.options.namespaces) == 0 {
		for ns := range inhabited {
			if !slices.Contains(usuallyLeftAlone, ns) && (s.engine == nil || !s.engine.Excludes(ns)) {
				s.request.Namespaces = append(s.request.Namespaces, ns)
			}
		}
	}
	slices.Sort(s.request.Namespaces)
	if len(s.request.Namespaces) == 0 {
		return hint(errors.New("no namespace with a workload to suggest for"), "name one with -n, also one that is left alone otherwise, such as -n kube-system")
	}
	return nil
}

// inScope tells whether an end is in a namespace for which netpols are suggested.
func (s *suggesting) inScope(p connectivity.Peer) bool {
	return p.Workload != nil && slices.Contains(s.request.Namespaces, p.Workload.Namespace)
}

func (s *suggesting) touches(from, to connectivity.Peer) bool {
	return s.inScope(from) || s.inScope(to)
}
