package doctor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"
)

// running is a network plugin that was found.
type running struct {
	*Network
	// enforces is what its settings make of Network.Enforces.
	enforces Support
	// version is that of its image; empty where that has none.
	version  string
	evidence []string
	source   string
	// doubt says why it may not be what its name says.
	doubt string
	// gap says on which nodes it does not run.
	gap string
	// down is set when it runs nowhere.
	down      bool
	daemonSet *appsv1.DaemonSet
}

// networkOf is the row of a DaemonSet. It is doubtful where that is in a namespace into which
// nobody's manifests put it: then its name is all that there is.
func networkOf(d *appsv1.DaemonSet) (n *Network, doubtful bool) {
	for _, row := range Networks() {
		if !slices.Contains(row.DaemonSets, d.Name) || row.Container != "" && container(d, row.Container) == nil {
			continue
		}
		return &row, !slices.Contains(row.Namespaces, d.Namespace)
	}
	return nil, false
}

// networks are the plugins that were found, those that enforce first.
func (f *Facts) networks() []running {
	var out []running
	for _, d := range f.DaemonSets {
		n, doubtful := networkOf(d)
		if n == nil || f.Live && d.Status.ObservedGeneration > 0 && d.Status.DesiredNumberScheduled == 0 {
			continue // one for no node here, such as those of another architecture
		}
		r := running{Network: n, enforces: n.Enforces, source: n.Source, daemonSet: d}
		r.evidence = append(r.evidence, "DaemonSet "+d.Namespace+"/"+d.Name+imagesText(d, n.Image))
		r.version = tagOf(d, n.Image)
		if doubtful {
			r.doubt = "it is in namespace " + d.Namespace + ", and not where its manifests put it: anybody may call a DaemonSet so"
		}
		f.switched(&r)
		f.coverage(&r)
		out = append(out, r)
	}
	if r, ok := f.k3s(); ok {
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b running) int { return a.rank() - b.rank() })
	return out
}

func (r *running) rank() int {
	switch {
	case r.enforces == Yes && r.doubt == "" && !r.down:
		return 0
	case r.enforces == NotKnown, r.enforces == Yes:
		return 1
	}
	return 2
}

// switched applies the first switch that is set. One that cannot be read may be.
func (f *Facts) switched(r *running) {
	for _, s := range r.Switches {
		set, why := f.set(r.daemonSet, r.Network, &s)
		switch {
		case why != "":
			r.enforces = NotKnown
			r.evidence = append(r.evidence, fmt.Sprintf("ConfigMap %s/%s, by which it can be switched off, could not be read: %s", r.daemonSet.Namespace, s.ConfigMap, why))
			return
		case set:
			r.enforces, r.source = s.Then, s.Source
			r.evidence = append(r.evidence, s.Why)
			return
		}
	}
}

func (f *Facts) set(d *appsv1.DaemonSet, n *Network, s *Switch) (set bool, unseen string) {
	if s.Container != "" && container(d, s.Container) == nil {
		return false, ""
	}
	if s.Arg != "" && !slices.Contains(valuesOf(d, s.Container, s.Arg), s.Is) {
		return false, ""
	}
	if s.ConfigMap != "" {
		c, why := f.configMap(d.Namespace, s.ConfigMap)
		if c == nil || why != "" {
			return false, why
		}
		if !strings.EqualFold(strings.TrimSpace(c.Data[s.Key]), s.Is) {
			return false, ""
		}
	}
	if s.TagBefore != "" {
		tag := tagOf(d, n.Image)
		return len(tag) >= len(s.TagBefore) && strings.HasPrefix(tag, "v20") && tag[:len(s.TagBefore)] < s.TagBefore, ""
	}
	return true, ""
}

// coverage tells on which nodes it does not run. Files have no status.
func (f *Facts) coverage(r *running) {
	s := r.daemonSet.Status
	if !f.Live || r.enforces == No || s.DesiredNumberScheduled == 0 {
		return
	}
	switch {
	case s.NumberReady == 0:
		r.down = true
		r.gap = fmt.Sprintf("no pod of DaemonSet %s/%s is ready (%d wanted)", r.daemonSet.Namespace, r.daemonSet.Name, s.DesiredNumberScheduled)
	case s.NumberReady < s.DesiredNumberScheduled:
		r.gap = fmt.Sprintf("DaemonSet %s/%s is ready on %d of %d nodes", r.daemonSet.Namespace, r.daemonSet.Name, s.NumberReady, s.DesiredNumberScheduled)
	case len(f.Nodes) > int(s.DesiredNumberScheduled):
		r.gap = fmt.Sprintf("DaemonSet %s/%s is for %d of %d nodes", r.daemonSet.Namespace, r.daemonSet.Name, s.DesiredNumberScheduled, len(f.Nodes))
	}
}

// k3s looks for what k3s writes on its Nodes.
func (f *Facts) k3s() (running, bool) {
	found, server := false, ""
	off := false
	for _, n := range f.Nodes {
		text, ok := n.Annotations[k3sArgs]
		if !ok {
			continue
		}
		found = true
		var args []string
		if json.Unmarshal([]byte(text), &args) != nil || len(args) == 0 || args[0] != "server" {
			continue
		}
		server = n.Name
		for _, a := range args {
			off = off || a == k3sOff || a == k3sOff+"=true"
		}
	}
	if !found {
		return running{}, false
	}
	row := K3s()
	r := running{Network: &row, enforces: Yes, source: row.Source}
	switch {
	case server == "":
		r.enforces = NotKnown
		r.evidence = []string{"Nodes of k3s, and none of a server, whose arguments say whether its network policy controller runs"}
	case off:
		r.enforces = No
		r.evidence = []string{"Node " + server + " of k3s: its server runs with " + k3sOff}
	default:
		r.evidence = []string{"Node " + server + " of k3s: its server runs without " + k3sOff}
	}
	return r, true
}

// network answers whether NetworkPolicies are enforced at all.
func (f *Facts) network() []Answer {
	found := f.networks()
	if len(found) == 0 {
		if blind, ok := f.blind("Which network plugin runs", "daemonsets"); ok {
			return blind
		}
		return []Answer{f.noNetwork()}
	}
	var out []Answer
	enforced := slices.ContainsFunc(found, func(r running) bool { return r.rank() == 0 })
	for i := range found {
		r := &found[i]
		a := Answer{Status: OK, Evidence: r.evidence, Source: r.source}
		switch {
		case r.down:
			a.Status, a.Text = Problem, r.Name+" is installed and does not run, so that it enforces nothing"
			a.Mend = "see what `kubectl -n " + r.daemonSet.Namespace + " describe daemonset " + r.daemonSet.Name + "` says"
			if enforced {
				a.Status = Warning
			}
		case r.enforces == Yes && r.doubt == "":
			a.Text = r.Name + " enforces NetworkPolicies"
			if r.gap != "" {
				a.Status, a.Text = Warning, r.Name+" enforces NetworkPolicies, and not on every node"
				a.Mend = "pods on the other nodes can be reached by anybody: see why it does not run there"
			}
		case r.enforces == No && enforced:
			a.Text = r.Name + " enforces nothing itself, and need not"
		case r.enforces == No && r.doubt == "":
			// The text stays the same while NetworkPolicies come and go: the audit knows it again by that.
			a.Status, a.Text, a.Mend = Problem, r.Name+" ignores NetworkPolicies: they block no packet", r.Mend
			a.Evidence = append(slices.Clone(a.Evidence), count(f.netpolCount(), "NetworkPolicy")+" here")
		default:
			a.Status, a.Text = Unknown, "Whether "+r.Name+" enforces NetworkPolicies is not known"
			a.Mend = "`podcullis doctor --probe` tries it with packets"
			if enforced {
				a.Status, a.Text, a.Mend = OK, r.Name+" may be there, too", ""
			}
		}
		for _, more := range []string{r.doubt, r.gap} {
			if more != "" {
				a.Evidence = append(slices.Clone(a.Evidence), more)
			}
		}
		out = append(out, a)
	}
	if u, ok := f.unseen("daemonsets"); ok {
		out = append(out, Answer{Status: Unknown, Text: "What else runs is not known: daemonsets could not be read", Evidence: []string{u.Why}})
	}
	return out
}

func (f *Facts) noNetwork() Answer {
	a := Answer{
		Status: Unknown, Text: "No network plugin that is known here was found, so whether NetworkPolicies are enforced is not known",
		Evidence: []string{fmt.Sprintf("%s, none called as the manifests of a known plugin call theirs", count(len(f.DaemonSets), "DaemonSet"))},
		Mend:     "`podcullis doctor --probe` tries it with packets",
	}
	if u, ok := f.unseen("nodes"); ok && f.Live {
		a.Evidence = append(a.Evidence, "nodes, on which k3s shows itself, could not be read: "+u.Why)
	}
	if !f.Live {
		a.Mend = "the network plugin is seldom among the files; ask the cluster: `podcullis doctor --context NAME`"
	}
	return a
}

func (f *Facts) netpolCount() int {
	n := 0
	for range f.Snapshot.AllNetpols() {
		n++
	}
	return n
}

// container finds one of a DaemonSet's containers by its name.
func container(d *appsv1.DaemonSet, name string) *corev1.Container {
	list := d.Spec.Template.Spec.Containers
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

// valuesOf are the values that containers give to an argument: --a=b, --a b, or --a, which is true.
func valuesOf(d *appsv1.DaemonSet, of, arg string) []string {
	var out []string
	for _, c := range d.Spec.Template.Spec.Containers {
		if of != "" && c.Name != of {
			continue
		}
		var words []string
		for _, text := range slices.Concat(c.Command, c.Args) {
			words = append(words, strings.Fields(text)...) // a shell's command is one argument
		}
		for i, w := range words {
			w = strings.Trim(w, `"'`)
			value, ok := strings.CutPrefix(w, arg+"=")
			switch {
			case ok:
				out = append(out, strings.ToLower(strings.Trim(value, `"'`)))
			case w == arg && i+1 < len(words) && !strings.HasPrefix(words[i+1], "-"):
				out = append(out, strings.ToLower(strings.Trim(words[i+1], `"'`)))
			case w == arg:
				out = append(out, "true")
			}
		}
	}
	return out
}

// tagOf is the tag of the image that carries the version.
func tagOf(d *appsv1.DaemonSet, name string) string {
	for _, c := range d.Spec.Template.Spec.Containers {
		image, _, _ := strings.Cut(c.Image, "@")
		path, tag := image, ""
		if i := strings.LastIndex(image, ":"); i > strings.LastIndex(image, "/") {
			path, tag = image[:i], image[i+1:]
		}
		if name == "" || path[strings.LastIndex(path, "/")+1:] == name {
			return tag
		}
	}
	return ""
}

func imagesText(d *appsv1.DaemonSet, name string) string {
	for _, c := range d.Spec.Template.Spec.Containers {
		if name == "" || strings.Contains(c.Image, "/"+name) {
			return ", image " + c.Image
		}
	}
	return ""
}

// older tells whether a tag is of a version before another one; false for what is no version.
func older(tag, than string) (older, known bool) {
	v, err := version.ParseGeneric(tag)
	if err != nil {
		return false, false
	}
	return v.LessThan(version.MustParseGeneric(than)), true
}

func distinct(list []string) []string {
	var out []string
	for _, s := range list {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
