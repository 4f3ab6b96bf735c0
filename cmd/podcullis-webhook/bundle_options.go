package main

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/podcullis/podcullis/guardrail/bundle"
	"github.com/podcullis/podcullis/guardrail/bundle/fetch"
)

// bundleOptions are the flags of a bundle, in place of --config and --policy-dir.
type bundleOptions struct {
	address        string
	keys           []string
	scope          string
	unsigned       bool
	older          bool
	dir            string
	period         time.Duration
	caFile         string
	tokenFile      string
	registryConfig string
}

// defaultBundlePeriod is how often a server is asked.
const defaultBundlePeriod = time.Minute

func (o *bundleOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.address, "bundle", o.address, "take guardrails and configuration from a signed bundle at this `address`, instead of --config and --policy-dir: a file, https://HOST/PATH, or oci://HOST/REPOSITORY:TAG or @DIGEST; asked for again every --bundle-period")
	f.StringArrayVar(&o.keys, "bundle-key", o.keys, "the `[ID=]file` with a public key in PEM that the bundle has to be signed by, under the name ID if that is given; repeatable: one of them is enough; read again for each bundle")
	f.StringVar(&o.scope, "bundle-scope", o.scope, "the `scope` that the signature has to be for (default: one that names none)")
	f.BoolVar(&o.unsigned, "bundle-allow-unsigned", o.unsigned, "take bundles whoever made them: whoever can write at the address, or on the way, then decides what is denied")
	f.BoolVar(&o.older, "bundle-allow-older", o.older, "take a signed bundle although it is older than the one in force")
	f.StringVar(&o.dir, "bundle-dir", o.dir, "the `directory` in which the last good bundle is kept, for a start at which no new one is to be had")
	f.DurationVar(&o.period, "bundle-period", o.period, "how often the bundle is asked for, give or take a tenth (default 1m, and --reload-period for a file)")
	f.StringVar(&o.caFile, "bundle-ca-file", o.caFile, "the `file` with the CA of the server with the bundle (default: the system's)")
	f.StringVar(&o.tokenFile, "bundle-token-file", o.tokenFile, "the `file` with a bearer token for that server; read again for each question")
	f.StringVar(&o.registryConfig, "bundle-registry-config", o.registryConfig, "the `file` with the credentials of registries, as in a Secret of type kubernetes.io/dockerconfigjson; read again for each question")
}

// on tells whether there is a bundle.
func (o *bundleOptions) on() bool { return o.address != "" }

// validate names every flag that does not hold; files tells whether guardrails are from files, too.
func (o *bundleOptions) validate(files bool) []error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !o.on() {
		for flag, set := range map[string]bool{
			"key": len(o.keys) > 0, "scope": o.scope != "", "allow-unsigned": o.unsigned, "allow-older": o.older, "dir": o.dir != "", "period": o.period != 0,
			"ca-file": o.caFile != "", "token-file": o.tokenFile != "", "registry-config": o.registryConfig != "",
		} {
			if set {
				wrong("--bundle-%s needs --bundle", flag)
			}
		}
		return errs
	}
	if files {
		wrong("--bundle and --config or --policy-dir: a bundle holds both, so that they change together; give either")
	}
	if len(o.keys) == 0 && !o.unsigned {
		wrong("--bundle needs --bundle-key, the public key that it is signed by; --bundle-allow-unsigned takes it whoever made it")
	}
	if o.unsigned && (len(o.keys) > 0 || o.scope != "") {
		wrong("--bundle-allow-unsigned looks at no signature: leave out --bundle-key and --bundle-scope")
	}
	if o.period < 0 {
		wrong("--bundle-period must be positive, got %s", o.period)
	}
	if _, err := o.source(); err != nil {
		wrong("--bundle: %w", err)
	}
	return errs
}

func (o *bundleOptions) source() (*fetch.Source, error) {
	address, err := fetch.ParseAddress(o.address)
	if err != nil {
		return nil, err
	}
	return fetch.New(address, fetch.Options{
		CAFile: o.caFile, TokenFile: o.tokenFile, RegistryConfig: o.registryConfig, UserAgent: "podcullis-webhook/" + version,
	})
}

// trust reads the keys, which may have changed.
func (o *bundleOptions) trust() (bundle.Trust, error) {
	keys, err := fetch.Keys(o.keys)
	if err != nil {
		err = bundle.Refuse(bundle.Key, "--bundle-key: %w", err)
	}
	return bundle.Trust{Keys: keys, Scope: o.scope, Unsigned: o.unsigned}, err
}
