package doctor

import (
	"fmt"
	"slices"

	"github.com/podcullis/podcullis/cluster"
)

// inUse are the netpols that use a feature, sorted.
func inUse(s *cluster.Snapshot) map[Feature][]cluster.Ref {
	out := map[Feature][]cluster.Ref{}
	over := map[string]bool{} // blocks, by whether a pod is in one
	for n := range s.AllNetpols() {
		used := map[Feature]bool{}
		for p := range n.Ports() {
			switch {
			case p.Broken:
			case p.Name != "":
				used[NamedPorts] = true
			case p.First != p.Last && (p.First != 1 || p.Last != lastPort):
				used[EndPort] = true // all ports of a protocol is no port at all
			}
			used[SCTP] = used[SCTP] || !p.Broken && p.Protocol == cluster.SCTP
		}
		for p := range n.Peers() {
			if p.Block == nil {
				continue
			}
			key := fmt.Sprint(p.Block.Prefix, p.Block.Except)
			if _, known := over[key]; !known {
				over[key] = holdsPods(s, p.Block)
			}
			used[PodBlocks] = used[PodBlocks] || over[key]
		}
		for f, yes := range used {
			if yes {
				out[f] = append(out[f], n.Ref())
			}
		}
	}
	return out
}

const lastPort = 65535

func holdsPods(s *cluster.Snapshot, b *cluster.IPBlock) bool {
	for ns := range s.Namespaces() {
		if s.Members(ns.Name).Within(b).Any() {
			return true
		}
	}
	return false
}

// features answers whether what the netpols use is what the network has.
func (f *Facts) features() []Answer {
	if blind, ok := f.blind("What the NetworkPolicies use", "networkpolicies", "pods"); ok {
		return blind
	}
	used := inUse(f.Snapshot)
	if len(used) == 0 {
		return []Answer{{Status: OK, Text: "No NetworkPolicy uses endPort, SCTP, named ports or an ipBlock that holds pods, which not every network plugin has"}}
	}
	all := f.networks()
	var enforcing []*running
	for i := range all {
		if all[i].rank() == 0 {
			enforcing = append(enforcing, &all[i])
		}
	}
	if len(enforcing) == 0 {
		a := Answer{Status: Unknown, Text: "What enforces NetworkPolicies is not known, and so not which parts of them"}
		for _, x := range features() {
			if len(used[x]) > 0 {
				a.Evidence = append(a.Evidence, fmt.Sprintf("%s: in use by %s", x, users(used[x])))
			}
		}
		return []Answer{a}
	}
	var out []Answer
	for _, x := range features() {
		for _, r := range enforcing {
			if len(used[x]) > 0 {
				out = append(out, f.ability(r, x, used[x]))
			}
		}
	}
	return out
}

// ability answers for one feature and one plugin.
func (f *Facts) ability(r *running, x Feature, by []cluster.Ref) Answer {
	of := r.Features[x]
	has, why := of.Has, of.Why
	if of.Since != "" && has == Yes {
		older, known := older(r.version, of.Since)
		switch {
		case !known:
			has, why = NotKnown, fmt.Sprintf("%s; the version here is not known (%q)", why, r.version)
		case older:
			has, why = No, fmt.Sprintf("%s; here is %s", why, r.version)
		}
	}
	if of.ConfigMap != "" && has == Yes {
		c, unseen := f.configMap(r.daemonSet.Namespace, of.ConfigMap)
		switch {
		case unseen != "":
			has, why = NotKnown, fmt.Sprintf("%s; ConfigMap %s could not be read: %s", why, of.ConfigMap, unseen)
		case c == nil:
			has, why = NotKnown, fmt.Sprintf("%s; there is no ConfigMap %s", why, of.ConfigMap)
		case c.Data[of.Key] != of.Is:
			has, why = No, fmt.Sprintf("%s; here it is %q", why, c.Data[of.Key])
		}
	}
	a := Answer{Status: OK, Text: fmt.Sprintf("%s: %s has it", x, r.Name), Evidence: []string{"in use by " + users(by)}, Source: of.Source}
	if why != "" {
		a.Evidence = append(a.Evidence, why)
	}
	switch has {
	case No:
		a.Status, a.Text = Problem, fmt.Sprintf("%s: %s does not have it, so that these NetworkPolicies are not enforced as they are written", x, r.Name)
		a.Mend = "write them without it"
		if x == PodBlocks {
			a.Status = Warning // nothing is let through that should not be
			a.Text = fmt.Sprintf("%s: %s lets no pod through by its address", x, r.Name)
			a.Mend = "name pods by podSelector and namespaceSelector; for addresses outside of the cluster there is nothing to do"
		}
	case NotKnown:
		a.Status, a.Text = Unknown, fmt.Sprintf("%s: whether %s has it is not known", x, r.Name)
		a.Mend = "try it, or write them without it"
	}
	return a
}

// users names some netpols.
func users(refs []cluster.Ref) string {
	const most = 3
	text := ""
	for i, ref := range refs {
		if i == most {
			return fmt.Sprintf("%s and %d more", text, len(refs)-i)
		}
		if i > 0 {
			text += ", "
		}
		text += ref.Namespace + "/" + ref.Name
	}
	return text
}

// otherPolicies answers what else has a say.
func (f *Facts) otherPolicies() []Answer {
	type kind struct {
		name  string
		opens bool
		refs  []cluster.Ref
	}
	byName := map[string]*kind{}
	var names []string
	for o := range f.Snapshot.Foreign() {
		ref := o.Ref()
		k := byName[ref.Kind]
		if k == nil {
			k = &kind{name: ref.Kind}
			byName[ref.Kind] = k
			names = append(names, ref.Kind)
		}
		k.opens = k.opens || o.Opens()
		k.refs = append(k.refs, ref)
	}
	slices.Sort(names)
	var out []Answer
	for _, name := range names {
		k := byName[name]
		slices.SortFunc(k.refs, cluster.Ref.Compare)
		if k.refs[0].Name == cluster.UnreadForeign {
			out = append(out, Answer{
				Status: Unknown, Text: k.name + " is served and may not be listed: objects of it may be there that do all that the kind can do",
				Mend: "ask with an account that may list it",
			})
			continue
		}
		a := Answer{Status: Warning, Text: fmt.Sprintf("%s: %s, beside which NetworkPolicies are not the whole truth", k.name, count(len(k.refs), "object"))}
		if k.opens {
			a.Evidence = []string{"the kind can open what NetworkPolicies leave blocked"}
		} else {
			a.Evidence = []string{"the kind can close what NetworkPolicies leave open, and open nothing"}
		}
		a.Evidence = append(a.Evidence, users(k.refs))
		a.Mend = "docs/semantics.md says what becomes unknown beside them; the parameter `unknown` of a guardrail says what that counts for"
		out = append(out, a)
	}
	if u, ok := f.unseen("policies of other APIs"); ok {
		out = append(out, Answer{Status: Unknown, Text: "Whether there are policies of other APIs is not known: which APIs are served could not be read", Evidence: []string{u.Why}})
	}
	if len(out) == 0 {
		return []Answer{{Status: OK, Text: "There is none of a kind that is known here"}}
	}
	return out
}
