// Package e2e tests the gate as it is used: the podcullis-webhook binary, registered by a
// ValidatingWebhookConfiguration with a real kube-apiserver, asked by the real kubectl and helm and by
// the real controllers.
//
// The tests share one control plane and run one after another; each starts the webhook that it needs.
// They work in namespace shop, because the guardrails of examples/shop-guardrails.yaml are about it,
// and leave it empty. What kubectl says is compared word for word with testdata/golden; -update
// rewrites these files. To build the control plane: go run ./test/controlplane/build.
package e2e
