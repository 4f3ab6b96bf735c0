// Package bundle reads, checks and makes bundles: guardrails and their configuration in one
// archive, in the form of OPA's bundles and signed as OPA signs them.
//
// It answers what is in an archive, who signed it, whether it is older than another one, and
// with what library and configuration an engine is to run. It knows no server and no network:
// fetch brings archives from files, web servers and registries.
//
// Whatever is wrong with an archive is a Refusal, with a Reason for metrics.
package bundle
