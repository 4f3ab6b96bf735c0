package v1alpha1

import "k8s.io/apimachinery/pkg/runtime/schema"

// Group and Version are those of all kinds here.
const (
	Group   = "podcullis.io"
	Version = "v1alpha1"
)

// The kinds.
const (
	GuardrailKind = "Guardrail"
	ExemptionKind = "Exemption"
)

// GroupVersion is both together.
func GroupVersion() schema.GroupVersion { return schema.GroupVersion{Group: Group, Version: Version} }

// Guardrails is the resource of kind Guardrail.
func Guardrails() schema.GroupVersionResource { return GroupVersion().WithResource("guardrails") }

// Exemptions is the resource of kind Exemption.
func Exemptions() schema.GroupVersionResource { return GroupVersion().WithResource("exemptions") }

// VerbLoosen is what it takes to delete a guardrail that denies, or to change what it asks.
// VerbApprove is what it takes to approve an exemption.
const (
	VerbLoosen  = "loosen"
	VerbApprove = "approve"
)

// The types of conditions.
const (
	// ConditionLoaded is true when the spec is right.
	ConditionLoaded = "Loaded"
	// ConditionApproved is true when an exemption is approved as it is now.
	ConditionApproved = "Approved"
	// ConditionReady is true when what the spec says is in force.
	ConditionReady = "Ready"
)
