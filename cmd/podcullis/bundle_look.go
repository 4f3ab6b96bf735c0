package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/bundle"
	"github.com/podcullis/podcullis/report"
)

func (p *program) verifyBundle() *cobra.Command {
	var by trusted
	var at reach
	c := &cobra.Command{
		Use:   "verify FILE|URL --key [ID=]FILE",
		Short: "Verify a bundle as a server does, and see that it loads",
		Long: `Verifies a bundle as a server with the same keys and scope does: its signature,
each file by it, its manifest, and that its guardrails and configuration load.

Exit code 0 when a server would take it, 1 when it would not, 2 when there is no
bundle to be had.`,
		Example: `  podcullis bundle verify bundle.tar.gz --key team=team.pem --scope prod
  podcullis bundle verify oci://registry.example/team/guardrails:prod --key team.pem`,
		Args: oneBundle,
		RunE: func(c *cobra.Command, args []string) error {
			trust, err := by.trust("")
			if err != nil {
				return err
			}
			raw, err := p.fetched(c.Context(), at, args[0])
			if err != nil {
				return err
			}
			b, err := bundle.Read(raw, bundle.Options{Trust: trust})
			if err == nil {
				err = b.Try(shipped())
			}
			if err != nil {
				fmt.Fprintf(p.stdout, "refused: %s: %v\n", bundle.ReasonOf(err), err)
				return errViolations
			}
			by := "unsigned"
			if id := b.KeyID(); id != "" {
				by = fmt.Sprintf("signed by %q with %s", id, b.Signature.Algorithm)
			}
			fmt.Fprintf(p.stdout, "good: revision %s, digest %s, %s\n", b.Revision(), b.ShortDigest(), by)
			if !b.Ordered() && !trust.Unsigned {
				p.say("note: the bundle has neither a serial nor a time in its signature, so that an older one could take its place")
			}
			return nil
		},
	}
	by.addFlags(c, "")
	at.addFlags(c, "")
	p.addQuietFlag(c)
	return c
}

func (p *program) inspectBundle() *cobra.Command {
	var at reach
	outputs := outputs{formats: []string{"text", "json", "yaml"}}
	c := &cobra.Command{
		Use:   "inspect FILE|URL",
		Short: "Show what is in a bundle, without believing it",
		Long: `Shows the manifest of a bundle, who it says has signed it, the guardrails that its
configuration names, and its files. It verifies nothing: podcullis bundle verify does.`,
		Example: `  podcullis bundle inspect bundle.tar.gz
  podcullis bundle inspect oci://registry.example/team/guardrails:prod -o json`,
		Args: oneBundle,
		RunE: func(c *cobra.Command, args []string) error {
			if err := outputs.parse(); err != nil {
				return err
			}
			raw, err := p.fetched(c.Context(), at, args[0])
			if err != nil {
				return err
			}
			b, wrong := bundle.Inspect(raw)
			if b == nil {
				return hint(fmt.Errorf("%s: %w", args[0], wrong), "it is no bundle: `%s bundle build` makes one", p.name)
			}
			seen := seenIn(b, wrong)
			return outputs.write(p, writers{
				"text": func(w io.Writer, _ report.Style) error { return seen.text(w) },
				"json": func(w io.Writer, _ report.Style) error { return indented(w, seen) },
				"yaml": func(w io.Writer, _ report.Style) error {
					return asYAML(w, func(w io.Writer) error { return indented(w, seen) })
				},
			})
		},
	}
	at.addFlags(c, "")
	outputs.addFlags(c)
	p.addQuietFlag(c)
	return c
}

// seenBundle is what inspect shows.
type seenBundle struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Revision   string          `json:"revision"`
	Digest     string          `json:"digest"`
	Serial     *int64          `json:"serial,omitempty"`
	Roots      []string        `json:"roots"`
	Signature  *seenSignature  `json:"signature,omitempty"`
	Guardrails []seenGuardrail `json:"guardrails"`
	Files      []seenFile      `json:"files"`
	// Wrong is why no server would take it.
	Wrong string `json:"wrong,omitempty"`
}

type seenSignature struct {
	KeyID     string     `json:"keyID"`
	Algorithm string     `json:"algorithm"`
	Scope     string     `json:"scope,omitempty"`
	Signed    *time.Time `json:"signed,omitempty"`
	Files     int        `json:"files"`
}

type seenGuardrail struct {
	Name      string           `json:"name"`
	Guardrail string           `json:"guardrail"`
	Action    guardrail.Action `json:"action"`
}

type seenFile struct {
	Name string `json:"name"`
	Size int    `json:"size"`
}

func seenIn(b *bundle.Bundle, wrong error) *seenBundle {
	out := &seenBundle{
		APIVersion: report.APIVersion, Kind: "Bundle", Revision: b.Revision(), Digest: b.Digest, Roots: b.Manifest.Roots,
		Guardrails: []seenGuardrail{}, Files: []seenFile{},
	}
	if b.Manifest.HasSerial {
		out.Serial = &b.Manifest.Serial
	}
	if s := b.Signature; s != nil {
		out.Signature = &seenSignature{KeyID: s.KeyID, Algorithm: s.Algorithm, Scope: s.Scope, Files: s.Files}
		if !s.Signed.IsZero() {
			out.Signature.Signed = &s.Signed
		}
	}
	for _, f := range b.Files {
		out.Files = append(out.Files, seenFile(f))
	}
	if wrong == nil {
		var config *guardrail.Config
		if config, wrong = b.Config(); wrong == nil {
			for _, g := range config.Guardrails {
				out.Guardrails = append(out.Guardrails, seenGuardrail{g.Name, g.Guardrail, g.Action})
			}
		}
	}
	if wrong != nil {
		out.Wrong = wrong.Error()
	}
	return out
}

// visible is text that neither leaves its line nor moves the cursor.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func (s *seenBundle) text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	// What a bundle says of itself may have any letters.
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, visible(fmt.Sprintf(format, args...)))
	}
	row("revision", "%s", s.Revision)
	row("digest", "%s", s.Digest)
	if s.Serial != nil {
		row("serial", "%d", *s.Serial)
	}
	row("roots", "%s", strings.Join(s.Roots, ", "))
	if s.Signature == nil {
		row("signature", "none")
	} else {
		row("signature", "by the key %q with %s, of %s; not verified here", s.Signature.KeyID, s.Signature.Algorithm, number(s.Signature.Files, "file"))
		row("scope", "%s", s.Signature.Scope)
		if s.Signature.Signed != nil {
			row("signed", "%s", s.Signature.Signed.Format(time.RFC3339))
		}
	}
	for _, g := range s.Guardrails {
		row("guardrail", "%s (%s, %s)", g.Name, g.Guardrail, g.Action)
	}
	for _, f := range s.Files {
		row("file", "%s, %d bytes", f.Name, f.Size)
	}
	if s.Wrong != "" {
		row("wrong", "%s", s.Wrong)
	}
	return t.Flush()
}
