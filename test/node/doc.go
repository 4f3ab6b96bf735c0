// Package node runs tests on a whole Kubernetes cluster of one node, without a container engine: the
// control plane of test/controlplane, and with it kubelet and kube-proxy, containerd and runc, and an
// enforcer of NetworkPolicies (test/node/enforcer). Pods run, Services work, packets are blocked.
//
//	func TestMain(m *testing.M) { os.Exit(node.Main(m)) }
//
//	func TestSomething(t *testing.T) {
//		n := node.Start(t)
//		n.Kubectl(t.Context(), manifests, "apply", "-f", "-")
//	}
//
// [Main] starts the test binary a second time as the first process of mount, network, pid, UTS and IPC
// namespaces of its own, with empty /run, /var/log and /var/lib, and waits for it. So the tests, and
// everything that they start, have a machine to themselves: their ports, addresses, firewall rules
// and mounts are nobody else's, and when that one process ends, however it ends, nothing of it is left.
//
// It is for those who ask for it: [AskEnv] set to 1, root, Linux with cgroups and overlayfs, and the
// Debian packages that [Packages] lists. Everybody else's tests are skipped. "make e2e" does all.
//
// The node has the address [Address]. Beyond it, over a wire, is a machine that is no part of the
// cluster and has the addresses [OutsideAddresses], so that ipBlocks have something to be about.
// There is no DNS, no IPv6 and no registry: images come from files (ImportImage).
//
// Invariants: nothing outside of the namespaces changes, but for cgroups below one folder that Main
// removes; nothing waits for a length of time, only for conditions; everything that is worth reading
// after a failure is in Dir of the control plane, which [DirEnv] keeps.
package node
