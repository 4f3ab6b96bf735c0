package guardrail

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/podcullis/podcullis/cluster"
)

// covers tells whether what only exemptions name covers a review: who makes the change,
// and which workload or netpol it is about. What is not named covers all.
func (m *Match) covers(r *Review) bool {
	if !m.coversUser(r) {
		return false
	}
	if len(m.Workloads) == 0 && len(m.Netpols) == 0 {
		return true
	}
	return m.coversNetpol(r) || len(m.Workloads) > 0 && m.coversWorkload(r)
}

// coversUser tells whether a match names who makes the change. Audit, the command line and
// hindsight do not know who that is, and nobody is covered.
func (m *Match) coversUser(r *Review) bool {
	if len(m.Users) == 0 && len(m.Groups) == 0 {
		return true
	}
	if r.Origin != Admission || r.Request == nil {
		return false
	}
	who := r.Request.UserInfo
	return who.Username != "" && slices.Contains(m.Users, who.Username) ||
		slices.ContainsFunc(who.Groups, func(g string) bool { return slices.Contains(m.Groups, g) })
}

func (m *Match) coversNetpol(r *Review) bool {
	ref := r.Change.Ref()
	return anyOf(r.Change) != nil && ref.Kind == "NetworkPolicy" && slices.Contains(m.Netpols, ref.Name)
}

// coversWorkload tells whether a match names the object under review or the workload
// that it counts to. A pod is covered by its workload only: one that is relabelled away
// from it is exempt no more.
func (m *Match) coversWorkload(r *Review) bool {
	if anyOf(r.Change) == nil {
		return false
	}
	ref, cluster := r.Change.Ref(), r.After
	if r.Change.After == nil {
		cluster = r.Before
	}
	if w, ok := cluster.WorkloadOf(ref); ok && m.namesWorkload(w.Ref) {
		return true
	}
	return ref.Kind != "Pod" && m.namesWorkload(ref)
}

func (m *Match) namesWorkload(ref cluster.Ref) bool {
	return slices.ContainsFunc(m.Workloads, func(w string) bool {
		kind, name, found := strings.Cut(w, "/")
		if !found {
			kind, name = ref.Kind, w
		}
		return kind == ref.Kind && name == ref.Name
	})
}

func (v *configValidator) checkNetpol(name string, path []any) {
	if len(validation.IsDNS1123Subdomain(name)) > 0 {
		v.at(path, "%q is not the name of a NetworkPolicy: there are no patterns here", name)
	}
}

// checkWho refuses what no user or group is called: such an exemption would cover nobody,
// or was meant as a pattern.
func (v *configValidator) checkWho(name, what string, path []any) {
	if name == "" || strings.TrimSpace(name) != name || strings.ContainsAny(name, "*?") {
		v.at(path, "%q is not the name of a %s: there are no patterns here", name, what)
	}
}

func (v *configValidator) checkWorkload(text string, path []any) {
	kind, name, found := strings.Cut(text, "/")
	if !found {
		name = kind
	}
	if found && kind == "" || len(validation.IsDNS1123Subdomain(name)) > 0 {
		v.at(path, "%q is not the name of a workload, or kind/name such as DaemonSet/node-exporter: there are no patterns here", text)
	}
}
