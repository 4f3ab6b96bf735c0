package main

import (
	"strings"

	"github.com/podcullis/podcullis/cluster"
)

// maxNamespacesSaid bounds how many namespaces a note names.
const maxNamespacesSaid = 10

// sayNamed says, where somebody asks for labels of namespaces, which namespaces are
// only named, and what settles that. Once is enough for one set of sources.
func (p *program) sayNamed(s *cluster.Snapshot, asked bool) {
	var names []string
	for ns := range s.Namespaces() {
		if ns.Implied {
			names = append(names, ns.Name)
		}
	}
	if !asked || len(names) == 0 {
		return
	}
	text := strings.Join(names, ", ")
	if p.named == text {
		return
	}
	p.named = text
	if n := len(names) - maxNamespacesSaid; n > 0 {
		text = strings.Join(names[:maxNamespacesSaid], ", ") + " and " + number(n, "other")
	}
	p.say("note: no Namespace object was given for %s, and selectors ask for labels of namespaces: what hangs on those is unknown (namespace-unknown); add the objects with -f, or the cluster that has them with --context", text)
}
