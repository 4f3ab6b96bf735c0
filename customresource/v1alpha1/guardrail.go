package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Guardrail is one use of a Rego guardrail, as an entry of guardrails in the configuration
// file is.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=podcullis
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Guardrail",type=string,JSONPath=`.spec.guardrail`
// +kubebuilder:printcolumn:name="Action",type=string,JSONPath=`.spec.action`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Workloads",type=integer,JSONPath=`.status.workloads`
// +kubebuilder:printcolumn:name="Violations",type=integer,JSONPath=`.status.violations`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name: is shown in messages and metrics, and has at most 63 characters"
type Guardrail struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   GuardrailSpec   `json:"spec"`
	Status GuardrailStatus `json:"status,omitempty"`
}

// GuardrailList is a list of them.
//
// +kubebuilder:object:root=true
type GuardrailList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Guardrail `json:"items"`
}

// Action is what a guardrail does about a violation.
//
// +kubebuilder:validation:Enum=deny;warn;audit
type Action string

// GuardrailSpec is what the configuration file has in an entry of guardrails.
type GuardrailSpec struct {
	// The Rego guardrail to use, such as default-deny or forbidden-paths.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Guardrail string `json:"guardrail"`
	// What is done about a violation: deny, warn or audit.
	Action Action `json:"action"`
	// Which objects are judged. What is left empty matches everything.
	// +optional
	Match GuardrailMatch `json:"match,omitempty"`
	// The parameters of the Rego guardrail; `podcullis explain GUARDRAIL` lists them.
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Parameters *runtime.RawExtension `json:"parameters,omitempty"`
	// Whether approved objects of kind Exemption may exempt from it.
	// +optional
	Exemptible bool `json:"exemptible,omitempty"`
	// What it is for, in a sentence; shown to who is refused.
	// +optional
	// +kubebuilder:validation:MaxLength=200
	Description string `json:"description,omitempty"`
	// Whom to ask about it.
	// +optional
	// +kubebuilder:validation:MaxLength=80
	Owner string `json:"owner,omitempty"`
	// Where to read more.
	// +optional
	// +kubebuilder:validation:MaxLength=200
	Link string `json:"link,omitempty"`
}

// GuardrailMatch chooses objects.
type GuardrailMatch struct {
	// Namespaces by name; no patterns.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=500
	// +kubebuilder:validation:items:MaxLength=63
	Namespaces []string `json:"namespaces,omitempty"`
	// Namespaces that are left out, by name.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=500
	// +kubebuilder:validation:items:MaxLength=63
	ExcludedNamespaces []string `json:"excludedNamespaces,omitempty"`
	// Labels that namespaces must have.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	// Kinds of the objects that are judged, such as NetworkPolicy.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MaxLength=253
	Kinds []string `json:"kinds,omitempty"`
}

// GuardrailStatus is what became of it. One replica writes it.
type GuardrailStatus struct {
	// The generation that the conditions are about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// The generation that is in force; an older one when this one is broken, and none when
	// nothing is.
	// +optional
	InForceGeneration int64 `json:"inForceGeneration,omitempty"`
	// How many workloads it is about: those of the namespaces that match, which its
	// question about paths, if it has one, chooses.
	// +optional
	Workloads *int32 `json:"workloads,omitempty"`
	// How many violations are in the cluster now, when the audit is switched on.
	// +optional
	Violations *int32 `json:"violations,omitempty"`
	// Loaded, and Ready.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
