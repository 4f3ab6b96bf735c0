package main

import (
	"strings"
	"testing"
)

func TestBundleFlagsThatDoNotHold(t *testing.T) {
	for flags, want := range map[string]string{
		"--bundle=b.tar.gz":                                                             "--bundle needs --bundle-key",
		"--bundle=b.tar.gz --bundle-key=k --config=c":                                   "--bundle and --config or --policy-dir: a bundle holds both",
		"--bundle=b.tar.gz --bundle-key=k --policy-dir=d":                               "--bundle and --config or --policy-dir: a bundle holds both",
		"--bundle=b.tar.gz --bundle-key=k --bundle-allow-unsigned":                      "--bundle-allow-unsigned looks at no signature",
		"--bundle=b.tar.gz --bundle-scope=s --bundle-allow-unsigned":                    "--bundle-allow-unsigned looks at no signature",
		"--bundle=b.tar.gz --bundle-key=k --bundle-period=-1s":                          "--bundle-period must be positive, got -1s",
		"--bundle=oci://registry.example/g --bundle-key=k":                              "--bundle: \"oci://registry.example/g\" has neither tag nor digest",
		"--bundle=http://registry.example/b --bundle-key=k --bundle-token-file=t":       "--bundle: credentials are not sent without TLS",
		"--bundle=https://a:b@registry.example/b --bundle-key=k":                        "--bundle: holds a user: credentials go into a file",
		"--bundle=b.tar.gz --bundle-key=k --bundle-ca-file=c":                           "--bundle: a file is read without credentials and certificates",
		"--bundle=https://registry.example/b --bundle-key=k --bundle-registry-config=c": "--bundle: credentials of registries are for oci:// addresses",
		"--bundle-key=k":          "--bundle-key needs --bundle",
		"--bundle-scope=s":        "--bundle-scope needs --bundle",
		"--bundle-allow-unsigned": "--bundle-allow-unsigned needs --bundle",
		"--bundle-allow-older":    "--bundle-allow-older needs --bundle",
		"--bundle-dir=d":          "--bundle-dir needs --bundle",
		"--bundle-period=1m":      "--bundle-period needs --bundle",
		"--bundle-ca-file=c":      "--bundle-ca-file needs --bundle",
		"--bundle-token-file=t":   "--bundle-token-file needs --bundle",
		// Found at the start, and not when the first bundle is there.
		"--bundle=b.tar.gz --bundle-key=/gone":    "--bundle-key: open /gone",
		"--bundle=b.tar.gz --bundle-key=x=/gone":  "--bundle-key: open /gone",
		"--bundle=b.tar.gz --bundle-key=main.go ": "--bundle-key: main.go: is no key in PEM",
	} {
		var stderr strings.Builder
		if code := run(t.Context(), strings.Fields(flags), &stderr, &stderr); code != 2 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: exit code %d, want 2 and %q, got %s", flags, code, want, stderr.String())
		}
	}
}
