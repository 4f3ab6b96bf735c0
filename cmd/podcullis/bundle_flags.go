package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/bundle"
	"github.com/podcullis/podcullis/guardrail/bundle/fetch"
	"github.com/podcullis/podcullis/policies"
)

// reach is how the server of a bundle is asked.
type reach struct{ caFile, tokenFile, registryConfig string }

func (w *reach) addFlags(c *cobra.Command, prefix string) {
	f := c.Flags()
	f.StringVar(&w.caFile, prefix+"ca-file", "", "the `file` with the CA of the server with the bundle (default: the system's)")
	f.StringVar(&w.tokenFile, prefix+"token-file", "", "the `file` with a bearer token for that server")
	f.StringVar(&w.registryConfig, prefix+"registry-config", "", "the `file` with the credentials of registries, in the form of Docker's config.json")
}

func (p *program) source(w reach, address string) (*fetch.Source, error) {
	a, err := fetch.ParseAddress(address)
	if err != nil {
		return nil, hint(err, "such as bundle.tar.gz, or oci://registry.example/team/guardrails:prod")
	}
	s, err := fetch.New(a, fetch.Options{CAFile: w.caFile, TokenFile: w.tokenFile, RegistryConfig: w.registryConfig, UserAgent: "podcullis/" + build().Version})
	if err != nil {
		return nil, hint(fmt.Errorf("%s: %w", a, err), "leave out the flags that do not fit the address")
	}
	return s, nil
}

// trusted are the flags that say who may sign a bundle.
type trusted struct {
	keys     []string
	scope    string
	unsigned bool
}

func (t *trusted) addFlags(c *cobra.Command, prefix string) {
	f := c.Flags()
	f.StringArrayVar(&t.keys, prefix+"key", nil, "the `[ID=]file` with a public key in PEM that the bundle has to be signed by; repeatable: one of them is enough")
	f.StringVar(&t.scope, prefix+"scope", "", "the `scope` that the signature has to be for (default: one that names none)")
	f.BoolVar(&t.unsigned, prefix+"allow-unsigned", false, "take the bundle whoever made it")
}

func (t *trusted) trust(prefix string) (bundle.Trust, error) {
	if len(t.keys) == 0 && !t.unsigned {
		return bundle.Trust{}, hint(fmt.Errorf("no --%skey was given", prefix), "name the public key that the bundle is signed by; --%sallow-unsigned takes it whoever made it", prefix)
	}
	if t.unsigned && (len(t.keys) > 0 || t.scope != "") {
		return bundle.Trust{}, hint(fmt.Errorf("--%sallow-unsigned looks at no signature", prefix), "leave out --%[1]skey and --%[1]sscope", prefix)
	}
	keys, err := fetch.Keys(t.keys)
	if err != nil {
		return bundle.Trust{}, hint(fmt.Errorf("--%skey: %w", prefix, err), "it is a public key in PEM, such as `openssl pkey -in key.pem -pubout` writes")
	}
	return bundle.Trust{Keys: keys, Scope: t.scope, Unsigned: t.unsigned}, nil
}

// bundled are the flags of commands that judge by the guardrails of a bundle.
type bundled struct {
	address string
	trusted trusted
	place   reach
}

// addBundleFlags lets a command take a bundle in place of --config and --policy-dir, which it has.
func (p *program) addBundleFlags(c *cobra.Command) {
	b := &bundled{}
	c.Flags().StringVar(&b.address, "bundle", "", "take guardrails and configuration from the bundle at this `address`: a file, https://HOST/PATH, or oci://HOST/REPOSITORY:TAG or @DIGEST")
	b.trusted.addFlags(c, "bundle-")
	b.place.addFlags(c, "bundle-")
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		if b.address == "" {
			for _, flag := range []string{"key", "scope", "allow-unsigned", "ca-file", "token-file", "registry-config"} {
				if c.Flags().Changed("bundle-" + flag) {
					return hint(fmt.Errorf("--bundle-%s is about a bundle, and none was given", flag), "name it with --bundle ADDRESS")
				}
			}
			return nil
		}
		if c.Flags().Changed("config") || c.Flags().Changed("policy-dir") {
			return hint(errors.New("--bundle and --config or --policy-dir: a bundle holds both"), "give either")
		}
		return p.fetchBundle(c.Context(), b)
	}
}

func (p *program) fetchBundle(ctx context.Context, b *bundled) error {
	trust, err := b.trusted.trust("bundle-")
	if err != nil {
		return err
	}
	source, err := p.source(b.place, b.address)
	if err != nil {
		return err
	}
	got, err := source.Fetch(ctx, "")
	if err != nil {
		return hint(err, "--bundle names a file or a URL with a bundle")
	}
	if p.bundle, err = bundle.Read(got.Raw, bundle.Options{Trust: trust}); err != nil {
		return hint(fmt.Errorf("%s: %w", source.Address(), err), "`%s bundle inspect` shows what is in it", p.name)
	}
	return nil
}

// bundleEngine is the engine of the bundle.
func (p *program) bundleEngine() (*guardrail.Engine, error) {
	library, config, err := p.bundle.Load(shipped())
	if err != nil {
		return nil, hint(err, "correct the bundle")
	}
	engine, err := guardrail.New(library, config)
	if err != nil {
		return nil, hint(err, "correct the bundle")
	}
	if len(engine.Guardrails()) == 0 {
		return nil, hint(errors.New("bundle: no guardrails are configured: nothing to evaluate"), "list at least one under guardrails")
	}
	return engine, nil
}

func shipped() guardrail.Source { return guardrail.Source{Name: guardrail.Embedded, FS: policies.FS} }

// bundleBench is where an author looks at a guardrail of a bundle.
func bundleBench(from *bundle.Bundle) (*bench, error) {
	source, err := from.Source()
	if err != nil {
		return nil, hint(err, "correct the bundle")
	}
	b, err := newBench([]guardrail.Source{shipped(), source}, "")
	if err != nil {
		return nil, err
	}
	b.file = "the bundle"
	if b.config, err = from.Config(); err == nil {
		_, err = guardrail.New(b.library, b.config)
	}
	if err != nil {
		return nil, hint(err, "correct the bundle")
	}
	return b, nil
}
