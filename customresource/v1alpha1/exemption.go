package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Exemption lets violations of some guardrails pass, in its own namespace, until a day, once
// somebody who may approve it has done so.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=podcullis
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Guardrails",type=string,JSONPath=`.spec.guardrails`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.spec.expires`
// +kubebuilder:printcolumn:name="Requested by",type=string,JSONPath=`.spec.requestedBy`
// +kubebuilder:printcolumn:name="Approved by",type=string,JSONPath=`.status.approval.by`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="!has(self.status) || !has(self.status.approval) || self.status.approval.by != self.spec.requestedBy",message="status.approval.by: who asks for an exemption does not approve it; to ask for another one yourself, take your approval back first"
type Exemption struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ExemptionSpec   `json:"spec"`
	Status ExemptionStatus `json:"status,omitempty"`
}

// ExemptionList is a list of them.
//
// +kubebuilder:object:root=true
type ExemptionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Exemption `json:"items"`
}

// ExemptionSpec says from what and why. Whoever changes it asks anew: an approval is of one
// generation.
type ExemptionSpec struct {
	// The names of the guardrails that it is an exemption from. Each must be exemptible.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MaxLength=63
	Guardrails []string `json:"guardrails"`
	// Which changes it is about; what is left empty is about all in this namespace.
	// +optional
	Match ExemptionMatch `json:"match,omitempty"`
	// Why, for whoever approves it and whoever reads it later.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1000
	Reason string `json:"reason"`
	// The last day (UTC) on which it holds, such as 2027-01-31.
	// +kubebuilder:validation:Format=date
	Expires string `json:"expires"`
	// The user who asks for it: whoever writes the spec writes their own name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	RequestedBy string `json:"requestedBy"`
}

// ExemptionMatch chooses changes in the exemption's own namespace.
type ExemptionMatch struct {
	// Kinds of the objects that change.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MaxLength=253
	Kinds []string `json:"kinds,omitempty"`
	// Workloads, by name or kind/name such as DaemonSet/node-exporter.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=317
	Workloads []string `json:"workloads,omitempty"`
	// NetworkPolicies, by name.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=253
	Netpols []string `json:"netpols,omitempty"`
	// Users who make the change.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=512
	Users []string `json:"users,omitempty"`
	// Groups of those users.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=512
	Groups []string `json:"groups,omitempty"`
}

// ExemptionStatus is written by who approves, and by one replica of Podcullis.
type ExemptionStatus struct {
	// Who has approved which generation.
	// +optional
	Approval *Approval `json:"approval,omitempty"`
	// The generation that the conditions are about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Loaded, Approved, and Ready.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Approval is of the spec as it is at one generation.
type Approval struct {
	// The user who approves: their own name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	By string `json:"by"`
	// metadata.generation of what is approved.
	// +kubebuilder:validation:Minimum=1
	Generation int64 `json:"generation"`
}
