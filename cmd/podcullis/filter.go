package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// filter are the flags that choose connections.
type filter struct {
	from, to, namespace string
	ports               []string
	external, internal  bool

	fromPeers, toPeers []connectivity.Peer // empty for any
	portSet            connectivity.PortSet
}

func (f *filter) addFlags(c *cobra.Command) {
	c.Flags().StringVar(&f.from, "from", "", "only from `PEER`: namespace/name, namespace/Kind/name or a CIDR outside the cluster")
	c.Flags().StringVar(&f.to, "to", "", "only to `PEER`")
	c.Flags().StringArrayVar(&f.ports, "port", nil, "only on `PORT/PROTO`: 5432, 5432/TCP or 8000-8080/UDP; repeatable")
	c.Flags().StringVarP(&f.namespace, "namespace", "n", "", "only with a workload of `namespace` at one end")
	c.Flags().BoolVar(&f.external, "external", false, "only with the outside of the cluster")
	c.Flags().BoolVar(&f.internal, "internal", false, "only between workloads")
}

// resolve finds what the flags name, in any of the snapshots: of two versions,
// one may have what the other has not.
func (f *filter) resolve(snapshots ...*cluster.Snapshot) error {
	if f.external && f.internal {
		return hint(errors.New("--external and --internal together leave nothing"), "leave out one of them")
	}
	if wrong := validation.IsDNS1123Label(f.namespace); f.namespace != "" && len(wrong) > 0 {
		return hint(fmt.Errorf("--namespace %q: %s", f.namespace, wrong[0]), "name a namespace, such as -n shop")
	}
	if f.namespace != "" && !slices.ContainsFunc(snapshots, f.inhabited) {
		return hint(fmt.Errorf("--namespace: no workload in namespace %s", f.namespace), "there are: %s; objects that name no namespace are in that of --default-namespace", namespaces(snapshots))
	}
	var err error
	if f.fromPeers, err = findIn("from", f.from, snapshots); err != nil {
		return err
	}
	if f.toPeers, err = findIn("to", f.to, snapshots); err != nil {
		return err
	}
	f.portSet = connectivity.AllPorts()
	for i, text := range f.ports {
		ports, err := parsePorts(text)
		if err != nil {
			return fmt.Errorf("--port: %w", err)
		}
		if i == 0 {
			f.portSet = connectivity.PortSet{}
		}
		f.portSet = f.portSet.Union(ports)
	}
	return nil
}

// inhabited tells whether a workload is in the namespace that is asked for.
func (f *filter) inhabited(s *cluster.Snapshot) bool {
	for w := range s.AllWorkloads() {
		if w.Namespace == f.namespace {
			return true
		}
	}
	return false
}

// namespaces are those with a workload.
func namespaces(snapshots []*cluster.Snapshot) string {
	var names []string
	for _, s := range snapshots {
		for w := range s.AllWorkloads() {
			names = append(names, w.Namespace)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if n := len(names) - maxListed; n > 0 {
		names = append(names[:maxListed], fmt.Sprintf("and %d more", n))
	}
	if len(names) == 0 {
		return "no workloads"
	}
	return strings.Join(names, ", ")
}

func findIn(flag, text string, snapshots []*cluster.Snapshot) ([]connectivity.Peer, error) {
	if text == "" {
		return nil, nil
	}
	var out []connectivity.Peer
	var failed error
	for _, s := range snapshots {
		p, err := findPeer(s, text)
		if err != nil {
			failed = err
			continue
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("--%s: %w", flag, failed)
	}
	return out, nil
}

// ends narrows the two ends of a connection to those that are chosen.
func (f *filter) ends(from, to connectivity.Peer) (connectivity.Peer, connectivity.Peer, bool) {
	outside := from.Workload == nil || to.Workload == nil
	if f.external && !outside || f.internal && outside || f.namespace != "" && !in(f.namespace, from) && !in(f.namespace, to) {
		return from, to, false
	}
	from, fromChosen := narrow(from, f.fromPeers)
	to, toChosen := narrow(to, f.toPeers)
	return from, to, fromChosen && toChosen
}

func in(namespace string, p connectivity.Peer) bool {
	return p.Workload != nil && p.Workload.Namespace == namespace
}

// narrow is the part of a peer that one of some others is.
func narrow(p connectivity.Peer, chosen []connectivity.Peer) (connectivity.Peer, bool) {
	for _, c := range chosen {
		switch {
		case p.Workload != nil && c.Workload != nil:
			if p.Workload.Ref == c.Workload.Ref {
				return p, true
			}
		case p.Workload == nil && c.Workload == nil && p.CIDR.Overlaps(c.CIDR):
			if c.CIDR.Bits() > p.CIDR.Bits() {
				p.CIDR = c.CIDR
			}
			return p, true
		}
	}
	return p, len(chosen) == 0
}

func (f *filter) connections(all []connectivity.Connection) []connectivity.Connection {
	var out []connectivity.Connection
	for _, c := range all {
		from, to, ok := f.ends(c.From, c.To)
		if !ok {
			continue
		}
		c.From, c.To = from, to
		if c, ok = c.On(f.portSet); ok {
			out = append(out, c)
		}
	}
	return out
}

func (f *filter) differences(all []connectivity.Difference) []connectivity.Difference {
	var out []connectivity.Difference
	for _, d := range all {
		from, to, ok := f.ends(d.From, d.To)
		if !ok {
			continue
		}
		d.From, d.To = from, to
		if d, ok = d.On(f.portSet); ok {
			out = append(out, d)
		}
	}
	return out
}
