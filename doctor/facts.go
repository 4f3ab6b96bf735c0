package doctor

import (
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/podcullis/podcullis/cluster"
)

// Facts are what a checkup is made from. What is empty was looked for and is not there, unless
// Unseen says that nobody could look.
type Facts struct {
	// Of is what was looked at: "cluster prod".
	Of string
	// Live is set for a running cluster: files show less.
	Live bool
	Now  time.Time
	// Snapshot is never nil.
	Snapshot   *cluster.Snapshot
	DaemonSets []*appsv1.DaemonSet
	Nodes      []*corev1.Node
	// ConfigMaps are those of Wanted that are there.
	ConfigMaps []*corev1.ConfigMap
	// Registration is how the webhook is registered; nil where nobody looks for that.
	Registration *Registration
	// ChooseNobody are the netpols that select no pod, as the audit says it.
	ChooseNobody []Remark
	Unseen       []Unseen
}

// Unseen is something that could not be read.
type Unseen struct {
	// What is a resource ("daemonsets"), or one object of it ("configmaps kube-system/cilium-config").
	What string
	Why  string
}

// unseen tells why the first of some things could not be read; false where all were.
func (f *Facts) unseen(what ...string) (Unseen, bool) {
	for _, u := range f.Unseen {
		if slices.Contains(what, u.What) {
			return u, true
		}
	}
	return Unseen{}, false
}

// blind is the answer where something could not be read that it depends on.
func (f *Facts) blind(about string, what ...string) ([]Answer, bool) {
	u, ok := f.unseen(what...)
	if !ok {
		return nil, false
	}
	return []Answer{{
		Status: Unknown, Text: about + " is not known: " + u.What + " could not be read", Evidence: []string{u.Why},
		Mend: "ask with an account that may list " + strings.Join(what, ", ") + " in every namespace; it need not write anything",
	}}, true
}

// configMap finds one; why is set where it could not be read.
func (f *Facts) configMap(namespace, name string) (found *corev1.ConfigMap, why string) {
	for _, c := range f.ConfigMaps {
		if c.Namespace == namespace && c.Name == name {
			return c, ""
		}
	}
	if u, ok := f.unseen("configmaps "+namespace+"/"+name, "configmaps"); ok {
		return nil, u.Why
	}
	return nil, ""
}

// Wanted are the ConfigMaps of network plugins that decide whether they enforce, by namespace
// and name, for the DaemonSets that there are.
func Wanted(daemonSets []*appsv1.DaemonSet) []cluster.Ref {
	var out []cluster.Ref
	for _, d := range daemonSets {
		n, _ := networkOf(d)
		if n == nil {
			continue
		}
		for _, name := range n.configMaps() {
			ref := cluster.Ref{Namespace: d.Namespace, Kind: "ConfigMap", Name: name}
			if !slices.Contains(out, ref) {
				out = append(out, ref)
			}
		}
	}
	slices.SortFunc(out, cluster.Ref.Compare)
	return out
}
