package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/render"
)

// sources are the flags that say where the objects come from, the same for
// every command.
type sources struct {
	files, kustomizations, charts []string
	// chart is what all charts are rendered with.
	chart               render.Chart
	context, kubeconfig string
	// defaultNamespace is that of objects and charts that name none; excludes are
	// what is left out of directories.
	defaultNamespace string
	excludes         []string
	// entries takes Services, Ingresses and routes in, because a guardrail asks about them.
	entries bool
	// asides are kinds that are read beside the model.
	asides []schema.GroupKind
	// partly, if set, is told what of a running cluster may not be listed; else that is an error.
	partly func(resource string, err error)
}

func (s *sources) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVarP(&s.files, "filename", "f", nil, "manifests: a `file`, a directory, or - for standard input; repeatable")
	f.StringArrayVarP(&s.kustomizations, "kustomize", "k", nil, "a `directory` with a kustomization, which is built; repeatable")
	f.StringArrayVar(&s.excludes, "exclude", nil, "of the directories of -f: leave out what matches `GLOB`, written as in a .gitignore; repeatable (a .podcullisignore file says it for good)")
	f.StringArrayVar(&s.charts, "helm", nil, "a Helm `chart`, directory or .tgz, which is rendered to what is there after helm install; repeatable; CHART,release=NAME,namespace=NAME,values=FILE,set=KEY=VALUE gives one its own")
	f.StringArrayVar(&s.chart.Values, "values", nil, "of --helm: a `file` with values; repeatable, the last one wins")
	f.StringArrayVar(&s.chart.Set, "set", nil, "of --helm: a value, `key=value`; repeatable")
	f.StringArrayVar(&s.chart.SetString, "set-string", nil, "of --helm: a value that is a string, `key=value`; repeatable")
	f.BoolVar(&s.chart.Hooks, "hooks", false, "of --helm: take in the hooks that are gone after helm install, such as tests and those with the delete policy hook-succeeded")
	f.StringVar(&s.chart.ReleaseName, "release-name", "", "of --helm: the `name` of the release (default release-name; the chart's name where there are several)")
	f.StringVar(&s.chart.Namespace, "release-namespace", "", "of --helm: the `namespace` of the release (default --default-namespace)")
	f.StringVar(&s.chart.KubeVersion, "kube-version", "", "of --helm: the `version` of Kubernetes that templates see (default "+render.DefaultKubeVersion+")")
	f.StringSliceVar(&s.chart.APIVersions, "api-versions", nil, "of --helm: `group/version` or group/version/kind that templates see besides those of Kubernetes; repeatable")
	f.StringVar(&s.defaultNamespace, "default-namespace", "", "the `namespace` of objects that name none, as -n of kubectl apply (default that of --context, or default)")
	f.StringVar(&s.context, "context", "", "the running cluster of this `context` of the kubeconfig; other sources are applied onto it: they replace and add objects")
	f.StringVar(&s.kubeconfig, "kubeconfig", "", "the `file` to find --context in; alone, its current context")
}

// live tells whether a running cluster is asked for.
func (s *sources) live() bool { return s.context != "" || s.kubeconfig != "" }

// manifests tells whether there is anything but a running cluster.
func (s *sources) manifests() bool { return len(s.files)+len(s.kustomizations)+len(s.charts) > 0 }

// validate names a flag that has no effect, and a value that cannot be one.
func (s *sources) validate() error {
	if wrong := validation.IsDNS1123Label(s.defaultNamespace); s.defaultNamespace != "" && len(wrong) > 0 {
		return hint(fmt.Errorf("--default-namespace %q: %s", s.defaultNamespace, wrong[0]), "name a namespace, such as --default-namespace shop")
	}
	if s.defaultNamespace != "" && !s.manifests() {
		return hint(errors.New("--default-namespace is about manifests, and none were given"), "name them with -f, -k or --helm")
	}
	if len(s.excludes) > 0 && len(s.files) == 0 {
		return hint(errors.New("--exclude is about the directories of -f, and none was given"), "name one with -f DIR")
	}
	if len(s.charts) > 0 {
		return nil
	}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"values", len(s.chart.Values) > 0},
		{"set", len(s.chart.Set) > 0},
		{"set-string", len(s.chart.SetString) > 0},
		{"hooks", s.chart.Hooks},
		{"release-name", s.chart.ReleaseName != ""},
		{"release-namespace", s.chart.Namespace != ""},
		{"kube-version", s.chart.KubeVersion != ""},
		{"api-versions", len(s.chart.APIVersions) > 0},
	} {
		if f.set {
			return hint(fmt.Errorf("--%s is about a Helm chart, and none was given", f.name), "name it with --helm CHART")
		}
	}
	return nil
}

// input is what the sources hold.
type input struct {
	set      *manifest.Set
	snapshot *cluster.Snapshot
	// charts is set when nothing but charts was given. One without a workload is
	// fine: many bring only settings.
	charts bool
}

// idle tells whether there is nothing to judge, and that is fine.
func (in input) idle() bool {
	if !in.charts {
		return false
	}
	for range in.snapshot.AllWorkloads() {
		return false
	}
	return true
}

// load reads the sources. What they do not say goes to stderr.
func (p *program) load(ctx context.Context, s *sources) (input, error) {
	if err := s.validate(); err != nil {
		return input{}, err
	}
	return p.gather(ctx, s)
}

// gather makes what is there by some sources: those of a running cluster, onto which
// the manifests are applied, or the manifests alone.
func (p *program) gather(ctx context.Context, s *sources) (input, error) {
	if !s.manifests() && !s.live() {
		return input{}, hint(errors.New("no manifests were given: nothing to evaluate"), "name them with -f FILE, -f DIR or -f - for standard input, --helm CHART or -k DIR; or a running cluster with --context NAME")
	}
	p.inContext(s)
	var set *manifest.Set
	if s.manifests() {
		var err error
		if set, err = p.read(ctx, s); err != nil {
			return input{}, err
		}
	}
	if s.live() {
		running, err := s.running(ctx)
		if err != nil {
			return input{}, err
		}
		if set != nil {
			running = set.Over(running)
		}
		set = running
	}
	in, err := p.modelled(set)
	in.charts = s.chartsOnly()
	if err == nil && in.idle() {
		p.say("note: no workload in %s: there is nobody whose connections could be judged", strings.Join(s.charts, ", "))
	}
	return in, err
}

func (s *sources) chartsOnly() bool {
	return len(s.charts) > 0 && len(s.files)+len(s.kustomizations) == 0 && !s.live()
}

// read reads the manifests, and renders what is none yet.
func (p *program) read(ctx context.Context, s *sources) (*manifest.Set, error) {
	in := manifest.Input{
		Sources: s.files, Stdin: p.stdin, Namespace: s.defaultNamespace, Exclude: s.excludes, Entries: s.entries, Aside: s.asides,
		Kustomize: func(dir string) ([]manifest.Text, error) { return render.Kustomization(dir) },
	}
	for _, text := range s.kustomizations {
		texts, err := s.kustomized(text)
		if err != nil {
			return nil, err
		}
		in.Texts = append(in.Texts, texts...)
	}
	for _, text := range s.charts {
		texts, err := s.rendered(ctx, text)
		if err != nil {
			return nil, err
		}
		in.Texts = append(in.Texts, texts...)
	}
	set, err := manifest.Read(in)
	switch {
	case errors.Is(err, manifest.ErrNothing) && s.chartsOnly():
		return set, nil
	case errors.Is(err, manifest.ErrNothing):
		p.notes(set)
		return nil, hint(err, "name files with NetworkPolicies and workloads; --helm renders a chart, and -k builds a kustomization")
	case err != nil:
		return nil, hint(err, "correct the manifests: one that cannot be read makes every answer a guess; --exclude GLOB leaves out files of a directory that are not to be judged")
	}
	return set, nil
}

func (p *program) notes(set *manifest.Set) {
	for _, n := range set.Notes {
		p.say("note: %s: %s", n.Location, n.Text)
	}
}

// modelled makes the model of a set, and says what is not in it.
func (p *program) modelled(set *manifest.Set) (input, error) {
	p.notes(set)
	var skipped []string
	for _, kind := range slices.Sorted(maps.Keys(set.Skipped)) {
		skipped = append(skipped, fmt.Sprintf("%d %s", set.Skipped[kind], kind))
	}
	p.sayUnread(set)
	if len(skipped) > 0 {
		p.say("note: not looked at: %s", strings.Join(skipped, ", "))
	}
	snapshot, err := set.Snapshot()
	if err != nil {
		return input{}, hint(err, "correct the manifests")
	}
	p.sayNamed(snapshot, slices.ContainsFunc(slices.Collect(snapshot.Namespaces()), func(n *cluster.Namespace) bool {
		return slices.ContainsFunc(snapshot.Netpols(n.Name), (*cluster.Netpol).AsksNamespaceLabels)
	}))
	return input{set: set, snapshot: snapshot}, nil
}

// network are the flags that tell what the objects of a cluster do not: the
// addresses of its pods.
type network struct {
	config string
	blocks []string
}

func (n *network) addFlags(c *cobra.Command) {
	c.Flags().StringArrayVar(&n.blocks, "pod-network", nil, "a `CIDR` from which pods get their addresses: an ipBlock elsewhere then holds no pod; repeatable")
	c.Flags().StringVar(&n.config, "config", "", "the configuration `file` of the guardrails: its podNetwork is used")
}

// options are what the flags say. --pod-network goes before --config.
func (n *network) options() (connectivity.Options, error) {
	var o connectivity.Options
	for _, text := range n.blocks {
		block, err := netip.ParsePrefix(text)
		if err != nil {
			return o, hint(fmt.Errorf("--pod-network must be a CIDR, got %q", text), "such as --pod-network 10.244.0.0/16")
		}
		o.PodNetwork = append(o.PodNetwork, block.Masked())
	}
	if n.config == "" || len(o.PodNetwork) > 0 {
		return o, nil
	}
	if _, err := os.Stat(n.config); err != nil {
		return o, hint(err, "--config names a file of kind Guardrails")
	}
	config, _, err := readConfig(n.config)
	if err != nil {
		return o, err
	}
	o.PodNetwork = config.Network()
	return o, nil
}
