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

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/render"
)

// sources are the flags that say where the objects come from, the same for
// every command.
type sources struct {
	files, kustomizations, charts []string
	// chart is what all charts are rendered with.
	chart               render.Chart
	context, kubeconfig string
}

func (s *sources) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVarP(&s.files, "filename", "f", nil, "manifests: a `file`, a directory, or - for standard input; repeatable")
	f.StringArrayVarP(&s.kustomizations, "kustomize", "k", nil, "a `directory` with a kustomization, which is built; repeatable")
	f.StringArrayVar(&s.charts, "helm", nil, "a Helm `chart`, directory or .tgz, which is rendered as helm install would; repeatable")
	f.StringArrayVar(&s.chart.Values, "values", nil, "of --helm: a `file` with values; repeatable, the last one wins")
	f.StringArrayVar(&s.chart.Set, "set", nil, "of --helm: a value, `key=value`; repeatable")
	f.StringArrayVar(&s.chart.SetString, "set-string", nil, "of --helm: a value that is a string, `key=value`; repeatable")
	f.StringVar(&s.chart.ReleaseName, "release-name", "", "of --helm: the `name` of the release (default release-name)")
	f.StringVar(&s.chart.Namespace, "release-namespace", "", "of --helm: the `namespace` of the release (default default)")
	f.StringVar(&s.chart.KubeVersion, "kube-version", "", "of --helm: the `version` of Kubernetes that templates see (default "+render.DefaultKubeVersion+")")
	f.StringSliceVar(&s.chart.APIVersions, "api-versions", nil, "of --helm: `group/version` or group/version/kind that templates see besides those of Kubernetes; repeatable")
	f.StringVar(&s.context, "context", "", "the running cluster of this `context` of the kubeconfig; other sources are applied onto it: they replace and add objects")
	f.StringVar(&s.kubeconfig, "kubeconfig", "", "the `file` to find --context in; alone, its current context")
}

// live tells whether a running cluster is asked for.
func (s *sources) live() bool { return s.context != "" || s.kubeconfig != "" }

// manifests tells whether there is anything but a running cluster.
func (s *sources) manifests() bool { return len(s.files)+len(s.kustomizations)+len(s.charts) > 0 }

// validate names a flag that has no effect.
func (s *sources) validate() error {
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
}

// load reads the sources. What they do not say goes to stderr.
func (p *program) load(ctx context.Context, s *sources) (input, error) {
	if err := s.validate(); err != nil {
		return input{}, err
	}
	if !s.manifests() && !s.live() {
		return input{}, hint(errors.New("no manifests were given: nothing to evaluate"), "name them with -f FILE, -f DIR or -f - for standard input, --helm CHART or -k DIR; or a running cluster with --context NAME")
	}
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
	return p.modelled(set)
}

// read reads the manifests, and renders what is none yet.
func (p *program) read(ctx context.Context, s *sources) (*manifest.Set, error) {
	in := manifest.Input{Sources: s.files, Stdin: p.stdin}
	for _, dir := range s.kustomizations {
		texts, err := render.Kustomization(dir)
		if err != nil {
			return nil, hint(err, "-k names a directory with a kustomization.yaml; `kubectl kustomize %s` should build it", dir)
		}
		in.Texts = append(in.Texts, texts...)
	}
	for _, path := range s.charts {
		chart := s.chart
		chart.Path = path
		texts, err := chart.Render(ctx)
		if err != nil {
			return nil, hint(err, "--helm names a chart, a directory or a .tgz; `helm template %s` with the same values should render it", path)
		}
		in.Texts = append(in.Texts, texts...)
	}
	set, err := manifest.Read(in)
	if errors.Is(err, manifest.ErrNothing) {
		return nil, hint(err, "name files with NetworkPolicies and workloads; --helm renders a chart, and -k builds a kustomization")
	}
	if err != nil {
		return nil, hint(err, "correct the manifests: one that cannot be read makes every answer a guess")
	}
	return set, nil
}

// modelled makes the model of a set, and says what is not in it.
func (p *program) modelled(set *manifest.Set) (input, error) {
	for _, n := range set.Notes {
		p.say("note: %s: %s", n.Location, n.Text)
	}
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
	return input{set, snapshot}, nil
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
	text, err := os.ReadFile(n.config)
	if err != nil {
		return o, hint(err, "--config names a file of kind Guardrails")
	}
	config, err := guardrail.ParseConfig(n.config, text)
	if err != nil {
		return o, hint(err, "correct the configuration")
	}
	o.PodNetwork = config.Network()
	return o, nil
}
