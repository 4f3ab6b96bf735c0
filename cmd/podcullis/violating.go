package main

import (
	"context"
	"errors"
	"time"

	"github.com/podcullis/podcullis/audit"
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
)

// fitted says that a table was cut.
func (p *program) fitted(cut bool, err error) error {
	if cut && err == nil {
		p.say("note: cut to 120 columns; -o wide shows all")
	}
	return err
}

// violating tells which guardrails object to a connection. A list of connections is one
// without that, too: where the guardrails cannot be asked, it says so.
func (p *program) violating(ctx context.Context, config string, policyDirs []string, in input) func(connectivity.Connection) []string {
	engine, err := p.engine(config, policyDirs)
	var found []audit.Finding
	if err == nil {
		found, err = audit.Run(ctx, engine, items(in.set), in.snapshot, guardrail.CLI, time.Now())
	}
	if err != nil {
		if !errors.Is(err, audit.ErrNothing) {
			p.say("note: what guardrails object to is not marked: %s", err)
		}
		return nil
	}
	type ends [2]string
	at := map[ends][]string{}
	for _, f := range found {
		for _, details := range f.Each() {
			d, _ := details.(map[string]any)
			e := ends{peerNamed(d["from"]), peerNamed(d["to"])}
			at[e] = append(at[e], f.Guardrail)
		}
	}
	return func(c connectivity.Connection) []string { return at[ends{c.From.String(), c.To.String()}] }
}

// peerNamed is the peer of a finding's details as a connection names it.
func peerNamed(details any) string {
	d, _ := details.(map[string]any)
	text := func(key string) string { s, _ := d[key].(string); return s }
	if text("cidr") != "" {
		return text("cidr")
	}
	return cluster.Ref{Namespace: text("namespace"), Kind: text("kind"), Name: text("name")}.String()
}
