package fetch

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"oras.land/oras-go/v2/registry"
)

// Address is where a bundle is.
type Address struct {
	text string
	// One of them is set.
	file string
	web  *url.URL
	oci  *registry.Reference
	// plain is set for a registry that is asked without TLS.
	plain bool
}

const addressForms = "want a file, https://HOST/PATH, or oci://HOST/REPOSITORY:TAG or @DIGEST (http:// and oci+http:// without TLS)"

// ParseAddress reads an address: a path, or a URL.
func ParseAddress(text string) (Address, error) {
	a := Address{text: text}
	scheme, rest, isURL := strings.Cut(text, "://")
	switch {
	case text == "":
		return a, errors.New("is empty: " + addressForms)
	case !isURL:
		a.file = text
		return a, nil
	case scheme == "file":
		if !strings.HasPrefix(rest, "/") {
			return a, fmt.Errorf("%q: want file:///PATH, with the whole path", text)
		}
		a.file = rest
		return a, nil
	case scheme == "http" || scheme == "https":
		return a.parseWeb(text)
	case scheme == "oci" || scheme == "oci+http":
		a.plain = scheme == "oci+http"
		return a.parseOCI(rest)
	}
	return a, fmt.Errorf("%.100q: the scheme %.20q is not known: %s", withoutQuery(text), scheme, addressForms)
}

func (a Address) parseWeb(text string) (Address, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return a, errors.New("is no URL: " + addressForms) // without the text, in which a password may be
	case u.User != nil:
		return a, errors.New("holds a user: credentials go into a file")
	}
	a.web, a.plain = u, u.Scheme == "http"
	a.text = withoutQuery(text)
	return a, nil
}

func (a Address) parseOCI(rest string) (Address, error) {
	if host, _, _ := strings.Cut(rest, "/"); strings.Contains(host, "@") {
		return a, errors.New("holds a user: credentials go into a file")
	}
	ref, err := registry.ParseReference(rest)
	if err != nil {
		return a, fmt.Errorf("%.200q: %w: %s", a.text, err, addressForms)
	}
	if ref.Reference == "" {
		return a, fmt.Errorf("%q has neither tag nor digest: %s", a.text, addressForms)
	}
	a.oci = &ref
	return a, nil
}

// String is the address without what may be secret in it.
func (a Address) String() string { return a.text }

// Pinned is the address of an image by its digest.
func (a Address) Pinned(digest string) string {
	scheme, _, _ := strings.Cut(a.text, "://")
	return fmt.Sprintf("%s://%s/%s@%s", scheme, a.oci.Registry, a.oci.Repository, digest)
}

// IsOCI tells whether it is in a registry, which is the one place that is pushed to.
func (a Address) IsOCI() bool { return a.oci != nil }

// IsFile tells whether nobody has to be asked for it.
func (a Address) IsFile() bool { return a.file != "" }

// exposes tells whether what is sent there can be read on the way.
func (a Address) exposes() bool {
	if !a.plain {
		return false
	}
	host := ""
	switch {
	case a.web != nil:
		host = a.web.Hostname()
	case a.oci != nil:
		if host, _, _ = net.SplitHostPort(a.oci.Registry); host == "" {
			host = a.oci.Registry
		}
	}
	ip, err := netip.ParseAddr(host)
	return host != "localhost" && (err != nil || !ip.IsLoopback())
}

func withoutQuery(text string) string {
	before, _, found := strings.Cut(text, "?")
	if found {
		return before + "?…"
	}
	return text
}
