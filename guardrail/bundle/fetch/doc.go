// Package fetch brings bundles from a file, a web server or an OCI registry, and pushes them to a
// registry. It trusts nobody there: what comes is bounded in bytes and in time, and who has to
// be believed is the signature, which package bundle checks.
//
// Errors are bundle.Refusals. No error and no log has a credential: what servers say is cut, and
// queries of URLs, which may be signed, are left out.
package fetch
