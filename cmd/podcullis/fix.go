package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	jsonpatch "github.com/evanphx/json-patch/v5"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/remedy"
	"github.com/podcullis/podcullis/report"
)

// fixing is what --fix adds to an explanation: the edit that a denial would advise, else
// what else shuts the path, such as a new netpol.
type fixing struct {
	snapshot *cluster.Snapshot
	remedy   remedy.Remedy
	found    bool
	others   []connectivity.Fix
}

func fixOf(ctx context.Context, s *cluster.Snapshot, e connectivity.Explanation, o connectivity.Options) fixing {
	f := fixing{snapshot: s}
	if e.Verdict == connectivity.VerdictBlocked || e.Self {
		return f
	}
	if f.remedy, f.found = remedy.OfPath(ctx, s, e.From, e.To, e.Asked, o); !f.found {
		f.others = connectivity.Fixes(s, e.From, e.To, e.Asked, o)
	}
	return f
}

// text writes the edit in a line, and as a patch: it drops nothing else of the netpol.
func (f fixing) text(w io.Writer) error {
	if !f.found {
		return report.FixText(w, f.others, func(x connectivity.Fix) string { return closes(x.Lost) })
	}
	if _, err := fmt.Fprintf(w, "\nto fix: %s\n\n", f.summary()); err != nil {
		return err
	}
	for _, e := range f.remedy.Edits {
		patch, err := f.patch(e)
		if err != nil {
			return err
		}
		// No name, label, port or CIDR has a quote.
		if _, err := fmt.Fprintf(w, "kubectl patch networkpolicy %s -n %s --type merge -p '%s'\n", e.Object.Name, e.Object.Namespace, patch); err != nil {
			return err
		}
	}
	return nil
}

// summary says what to do, what it closes beside the path, and what it leaves.
func (f fixing) summary() string {
	o := f.remedy.Edits[0].Object
	text := fmt.Sprintf("in NetworkPolicy %s/%s, %s; %s", o.Namespace, o.Name, f.remedy.Text, closes(f.remedy.Lost))
	if kept := remedy.Named(f.remedy.Keeps); kept != "" {
		return text + ", and keeps " + kept
	}
	return text
}

func closes(lost []connectivity.Connection) string {
	if text := remedy.Named(lost); text != "" {
		return "that also closes " + text
	}
	return "that closes nothing else"
}

// patch is the JSON merge patch from the netpol as it is to the edited one.
func (f fixing) patch(e remedy.Edited) ([]byte, error) {
	var specs [2][]byte
	is, ok := f.snapshot.Netpol(e.Object.Namespace, e.Object.Name)
	if !ok {
		return nil, fmt.Errorf("NetworkPolicy %s is not there any more", e.Object)
	}
	was, ok := is.Draft()
	if !ok {
		return nil, fmt.Errorf("NetworkPolicy %s does not parse", e.Object)
	}
	for i, d := range []*cluster.Draft{was, e.Netpol} {
		var err error
		if specs[i], err = json.Marshal(map[string]any{"spec": written(d)}); err != nil {
			return nil, err
		}
	}
	return jsonpatch.CreateMergePatch(specs[0], specs[1])
}

// written is a spec with its lists of rules, empty ones too: null would leave it to the
// API server who is isolated.
func written(d *cluster.Draft) map[string]any {
	spec := d.Spec()
	return map[string]any{
		"podSelector": spec.PodSelector, "policyTypes": spec.PolicyTypes,
		"ingress": append([]networkingv1.NetworkPolicyIngressRule{}, spec.Ingress...),
		"egress":  append([]networkingv1.NetworkPolicyEgressRule{}, spec.Egress...),
	}
}

func (f fixing) json(w io.Writer, e connectivity.Explanation, asYAML bool) error {
	r := report.Remedied{Cost: len(f.remedy.Lost)}
	if f.found {
		r.Text = f.summary()
		for _, edit := range f.remedy.Edits {
			r.Netpols = append(r.Netpols, edit.Netpol)
		}
	}
	switch {
	case f.found && asYAML:
		return report.RemediedYAML(w, e, r)
	case f.found:
		return report.RemediedJSON(w, e, r)
	case asYAML:
		return report.ExplanationYAML(w, e, f.others)
	}
	return report.ExplanationJSON(w, e, f.others)
}
