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
)

// sources are the flags that say where the objects come from, the same for
// every command.
type sources struct {
	files []string
}

func (s *sources) addFlags(c *cobra.Command) {
	c.Flags().StringArrayVarP(&s.files, "filename", "f", nil, "manifests: a `file`, a directory, or - for standard input; repeatable")
}

func (s *sources) empty() bool { return len(s.files) == 0 }

// input is what the sources hold.
type input struct {
	set      *manifest.Set
	snapshot *cluster.Snapshot
}

// load reads the sources. What they do not say goes to stderr.
func (p *program) load(_ context.Context, s *sources) (input, error) {
	if s.empty() {
		return input{}, hint(errors.New("no manifests were given: nothing to evaluate"), "name them with -f FILE, -f DIR or -f - for standard input")
	}
	set, err := manifest.Read(manifest.Input{Sources: s.files, Stdin: p.stdin})
	if errors.Is(err, manifest.ErrNothing) {
		return input{}, hint(err, "name files with NetworkPolicies and workloads; of Helm charts and kustomizations, pipe what they render into -f -")
	}
	if err != nil {
		return input{}, hint(err, "correct the manifests: one that cannot be read makes every answer a guess")
	}
	return p.modelled(set)
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
