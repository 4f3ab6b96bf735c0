// Package controlplane starts a real Kubernetes control plane for a test or for a person: etcd,
// kube-apiserver, kube-controller-manager and, if asked, kube-scheduler, as processes on loopback
// with TLS, RBAC and an audit log. There is no node: objects live, pods never run.
//
//	func TestSomething(t *testing.T) {
//		plane := controlplane.Start(t, controlplane.Options{})
//		plane.CreateNamespace(t.Context(), "shop")
//		plane.Kubectl(t.Context(), manifests, "apply", "-f", "-")
//	}
//
// The programs come from [Bin], which skips the test where they were never built. To build them:
// go run ./test/controlplane/build. To get a control plane for yourself: go run
// ./test/controlplane/run.
//
// The controller manager runs with the identities of production: deployments are worked on by
// system:serviceaccount:kube-system:deployment-controller and so on, ReplicaSets create pods, and
// namespaces finish deleting (about six seconds after the request, by Kubernetes' own choice).
//
// For a webhook under test: the API server speaks HTTP/2 to URLs that are loopback addresses and
// HTTP/1.1 to Services. A server that is registered by URL must offer nothing but http/1.1 in its
// TLS handshake, or it is tested over a transport that production never uses.
//
// Invariants: only processes started here are ever signalled; they do not outlive the process
// that started them (on Linux, not even if it is killed); nothing waits for a length of time, only
// for conditions; everything written is under [ControlPlane.Dir].
package controlplane
