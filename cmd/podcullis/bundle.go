package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/bundle"
)

func (p *program) bundles() *cobra.Command {
	c := &cobra.Command{
		Use:   "bundle",
		Short: "Build, sign, verify and push bundles of guardrails",
		Long: `Makes bundles: a configuration and its Rego in one archive, which a server takes
from a file, a web server or an OCI registry with --bundle.

They are bundles of OPA: it reads ours, and those of ` + "`opa build`" + ` and ` + "`opa sign`" + ` are
taken, with the configuration as the document data.podcullis.`,
		Example: `  podcullis bundle build --config guardrails.yaml --policy-dir rego/ --revision v12 --serial 12 -o bundle.tar.gz
  podcullis bundle sign bundle.tar.gz --key signing-key.pem --key-id team --scope prod
  podcullis bundle verify bundle.tar.gz --key team=team.pem --scope prod
  podcullis bundle push bundle.tar.gz oci://registry.example/team/guardrails:prod`,
		Args: cobra.NoArgs,
	}
	c.AddCommand(p.buildBundle(), p.inspectBundle(), p.pushBundle(), p.signBundle(), p.verifyBundle())
	return c
}

func (p *program) buildBundle() *cobra.Command {
	var config, revision, out string
	var policyDirs []string
	var serial int64
	c := &cobra.Command{
		Use:   "build --config FILE [--policy-dir DIR] -o FILE",
		Short: "Build a bundle of a configuration and guardrails",
		Long: `Builds a bundle, after it has seen that it loads. Tests (*_test.rego and suites)
are left out; ConstraintTemplates and constraints of Gatekeeper are refused. The
same files, revision and serial make the same bytes.

The serial orders bundles: a server never goes from a higher one to a lower one.
Without it the time counts at which a bundle was signed.`,
		Example: `  podcullis bundle build --config guardrails.yaml --policy-dir rego/ --revision "$(git describe --always)" --serial "$(git rev-list --count HEAD)" -o bundle.tar.gz`,
		Args:    noMore,
		RunE: func(c *cobra.Command, _ []string) error {
			plan := bundle.Plan{Revision: revision}
			if c.Flags().Changed("serial") {
				if serial < 0 || serial > 1<<53 {
					return hint(fmt.Errorf("--serial must be from 0 to 2^53, got %d", serial), "such as --serial 12")
				}
				plan.Serial = &serial
			}
			if config == "" {
				return hint(errors.New("no --config was given: a bundle says which guardrails apply to what"), "name a file of kind Guardrails")
			}
			var err error
			if plan.Config, err = os.ReadFile(config); err != nil {
				return hint(err, "--config names a file of kind Guardrails")
			}
			sources, err := authored(policyDirs)
			if err != nil {
				return err
			}
			plan.Rego = sources[1:]
			if err := p.loads(config, plan.Config, sources); err != nil {
				return err
			}
			raw, err := bundle.Build(plan)
			if errors.Is(err, bundle.ErrForeign) {
				return hint(err, "give servers the directory itself, with --config and --policy-dir (rego.configMaps of the chart), in place of a bundle, or leave those files out of it")
			}
			if err != nil {
				return hint(err, "correct what goes into the bundle")
			}
			b, err := bundle.Read(raw, bundle.Options{Trust: bundle.Trust{Unsigned: true}})
			if err == nil {
				err = b.Try(shipped())
			}
			if err != nil {
				return hint(err, "correct what goes into the bundle")
			}
			if err := replaceFile(out, raw); err != nil {
				return hint(err, "-o names a file to write")
			}
			p.say("%s: revision %s, digest %s, %s, %d bytes, not signed yet", out, b.Revision(), b.ShortDigest(), number(len(b.Files), "file"), len(raw))
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&config, "config", "", "the `file` that says which guardrails apply to what")
	f.StringArrayVar(&policyDirs, "policy-dir", nil, "a `directory` with Rego guardrails beside the embedded ones; repeatable")
	f.StringVar(&revision, "revision", "", "what the bundle is called: in denials' audit annotations, in metrics and logs (default: the beginning of its digest)")
	f.Int64Var(&serial, "serial", 0, "its `number` in the order of bundles, higher than that of the one before (default: none)")
	f.StringVarP(&out, "output", "o", "bundle.tar.gz", "the `file` to write")
	p.addQuietFlag(c)
	return c
}

// loads sees that guardrails and configuration load, with errors that name the files as they are here.
func (p *program) loads(file string, text []byte, sources []guardrail.Source) error {
	library, err := guardrail.LoadLibrary(sources...)
	if err != nil {
		return hint(err, "correct the Rego")
	}
	config, err := guardrail.ParseConfig(file, text)
	if err == nil {
		_, err = guardrail.New(library, config)
	}
	if err != nil {
		return hint(err, "correct the configuration")
	}
	return nil
}

func (p *program) signBundle() *cobra.Command {
	var key, keyID, scope, algorithm, out string
	c := &cobra.Command{
		Use:   "sign FILE --key FILE",
		Short: "Sign a bundle",
		Long: `Signs a bundle with a private key in PEM (RSA, ECDSA or Ed25519), as OPA does, in
place of who signed it before. To sign an older bundle again is how to go back to
it: the time in the signature makes it the newest, unless it has a serial.`,
		Example: `  podcullis bundle sign bundle.tar.gz --key signing-key.pem --key-id team --scope prod`,
		Args:    oneBundle,
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := os.ReadFile(key)
			if err != nil {
				return hint(err, "--key names the private key: `openssl ecparam -genkey -name prime256v1 -noout` makes one")
			}
			private, err := bundle.ParsePrivateKey(keyID, text)
			if err != nil {
				return hint(fmt.Errorf("--key %s: %w", key, err), "`openssl ecparam -genkey -name prime256v1 -noout` makes one")
			}
			raw, err := readBundle(args[0])
			if err != nil {
				return err
			}
			signed, err := bundle.Sign(raw, bundle.Signing{Key: private, Algorithm: algorithm, Scope: scope, Now: time.Now()})
			if err != nil {
				return hint(fmt.Errorf("%s: %w", args[0], err), "build the bundle again; --algorithm has to be one of the key's kind")
			}
			b, err := bundle.Read(signed, bundle.Options{Trust: bundle.Trust{Keys: []bundle.PublicKey{private.Public()}, Scope: scope}})
			if err != nil {
				return hint(fmt.Errorf("%s: %w", args[0], err), "no server would take it: build the bundle again")
			}
			if out == "" {
				out = args[0]
			}
			if err := replaceFile(out, signed); err != nil {
				return hint(err, "-o names a file to write")
			}
			p.say("%s: revision %s, digest %s, signed by %q with %s", out, b.Revision(), b.ShortDigest(), b.Signature.KeyID, b.Signature.Algorithm)
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&key, "key", "", "the `file` with the private key in PEM, not encrypted")
	f.StringVar(&keyID, "key-id", "", "what the signature calls the key (default: the beginning of the SHA-256 of its public half)")
	f.StringVar(&scope, "scope", "", "what the bundle is for, such as a cluster or a stage: servers with another --bundle-scope do not take it")
	f.StringVar(&algorithm, "algorithm", "", "such as RS256, PS512 or ES256 (default: that of the key's kind)")
	f.StringVarP(&out, "output", "o", "", "the `file` to write (default: FILE itself)")
	p.addQuietFlag(c)
	return c
}

func (p *program) pushBundle() *cobra.Command {
	var at reach
	c := &cobra.Command{
		Use:   "push FILE oci://HOST/REPOSITORY:TAG",
		Short: "Push a bundle to an OCI registry",
		Long: `Pushes a bundle to an OCI registry, as an image with one layer of type
application/vnd.oci.image.layer.v1.tar+gzip, as OPA's tools do. The address by the
digest of the image goes to standard output: by it the bundle can be pinned.`,
		Example: `  podcullis bundle push bundle.tar.gz oci://registry.example/team/guardrails:prod --registry-config ~/.docker/config.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return hint(fmt.Errorf("want a bundle and an address, got %s", number(len(args), "argument")), "`%s bundle push FILE oci://HOST/REPOSITORY:TAG`", p.name)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			raw, err := readBundle(args[0])
			if err != nil {
				return err
			}
			b, err := bundle.Inspect(raw)
			if err != nil {
				return hint(fmt.Errorf("%s: %w", args[0], err), "no server would take it: build the bundle again")
			}
			source, err := p.source(at, args[1])
			if err != nil {
				return err
			}
			if !source.Address().IsOCI() {
				return hint(fmt.Errorf("%s: is no registry", source.Address()), "bundles are pushed to oci://HOST/REPOSITORY:TAG; for a web server copy the file")
			}
			if b.Signature == nil {
				p.say("note: the bundle is not signed: servers take it with --bundle-allow-unsigned only")
			}
			digest, err := source.Push(c.Context(), raw, b)
			if err != nil {
				return hint(err, "is the registry there, and may you push? --registry-config FILE gives credentials")
			}
			fmt.Fprintln(p.stdout, source.Address().Pinned(digest))
			return nil
		},
	}
	at.addFlags(c, "")
	p.addQuietFlag(c)
	return c
}

func noMore(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return hint(errors.New("unexpected argument "+args[0]), "every setting is a flag")
	}
	return nil
}

func oneBundle(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return hint(fmt.Errorf("want one bundle, got %s", number(len(args), "argument")), "`%s bundle.tar.gz`", c.CommandPath())
	}
	return nil
}

// readBundle reads a file, and no more of it than a bundle has.
func readBundle(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, hint(err, "name a bundle: `podcullis bundle build` makes one")
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, bundle.DefaultLimits().Compressed+1))
	if err != nil {
		return nil, hint(err, "name a bundle: `podcullis bundle build` makes one")
	}
	return raw, nil
}

// replaceFile writes a file whole or not at all: a server may read it at any moment.
func replaceFile(name string, text []byte) error {
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }() // which is not there any more when all went well
	_, err = file.Write(text)
	if err := errors.Join(err, file.Chmod(0o644), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}

// fetched is the archive at an address.
func (p *program) fetched(ctx context.Context, at reach, address string) ([]byte, error) {
	source, err := p.source(at, address)
	if err != nil {
		return nil, err
	}
	got, err := source.Fetch(ctx, "")
	if err != nil {
		return nil, hint(err, "name a bundle: a file, https://HOST/PATH, or oci://HOST/REPOSITORY:TAG")
	}
	return got.Raw, nil
}
