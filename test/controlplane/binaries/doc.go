// Package binaries answers where the programs of a test control plane are, and builds them: etcd,
// kube-apiserver, kube-controller-manager, kube-scheduler, kubectl and helm.
//
// They are compiled from Go modules alone, which two nested modules beside this package pin:
// ../programs and ../helm. They are nested because Kubernetes and Helm ask for versions of shared
// libraries that differ from each other's and from ours. Nothing is downloaded but Go modules.
//
// The programs of a node (kubelet, kube-proxy, cert-manager) are made in the same way from two other
// modules, ../../node/programs and ../../node/certmanager, into a folder of their own.
//
// The newest Kubernetes is the one that go.mod of those modules pins. An older one has pins of its
// own beside it, kubernetes-VERSION.mod, and KubernetesEnv chooses it.
//
// Each result lives in the repository's ignored .cache folder, in a folder named after a hash of
// what it was built from. So a folder that exists is complete and current, and changing a pin
// builds anew beside the old one.
//
// Invariants: imports the standard library only, so that the build command itself compiles in a
// second; a folder appears under its final name in one rename, never half built.
package binaries
