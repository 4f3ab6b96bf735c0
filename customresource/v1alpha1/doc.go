// Package v1alpha1 has the custom resources of Podcullis: guardrails that come as objects, and
// exemptions from guardrails that somebody other than who asks has approved.
//
// It holds types and nothing else, so that whoever writes a client need not link us. The
// definitions in the chart and zz_generated.deepcopy.go are made of it (make generate).
//
// +kubebuilder:object:generate=true
// +groupName=podcullis.io
package v1alpha1
