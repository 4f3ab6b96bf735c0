package node

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/podcullis/podcullis/test/controlplane"
)

const (
	containerdSocket = "/run/containerd/containerd.sock"
	cniPlugins       = "/usr/lib/cni"
	pauseImage       = "podcullis.test/pause:1"
)

// containerdConfig: no AppArmor and no lower OOM scores than ours, which an unprivileged outer
// container would refuse; port 80 for pods that are not root; the rest is where things are.
const containerdConfig = `version = 2
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "` + containerdSocket + `"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "` + pauseImage + `"
  disable_apparmor = true
  restrict_oom_score_adj = true
  enable_unprivileged_ports = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "` + cniPlugins + `"
    conf_dir = %q
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`

// cniConfig gives each pod a wire of its own to the node: so every packet between two pods is
// forwarded, and can be dropped there.
const cniConfig = `{
  "cniVersion": "1.0.0",
  "name": "podcullis-test",
  "plugins": [{
    "type": "ptp",
    "ipMasq": false,
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "` + PodNetwork + `"}]], "routes": [{"dst": "0.0.0.0/0"}]}
  }]
}
`

func (n *Node) startContainerd(ctx context.Context) error {
	cni := filepath.Join(n.Dir, "cni")
	if err := os.Mkdir(cni, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(cni, "10-test.conflist"), []byte(cniConfig), 0o600); err != nil {
		return err
	}
	config := filepath.Join(n.Dir, "containerd.toml")
	if err := os.WriteFile(config, fmt.Appendf(nil, containerdConfig, cni), 0o600); err != nil {
		return err
	}
	containerd, err := exec.LookPath("containerd")
	if err != nil {
		return err
	}
	return n.Launch(ctx, controlplane.Program{
		Path: containerd,
		Args: []string{"--config", config},
		Ready: func(ctx context.Context) error {
			return exec.CommandContext(ctx, "ctr", "--address", containerdSocket, "version").Run()
		},
	})
}

func (n *Node) startKubelet(ctx context.Context, dir string) error {
	if err := makeCgroups(dir); err != nil {
		return err
	}
	kubeconfig, err := n.UserKubeconfig("system:node:"+Name, "system:nodes")
	if err != nil {
		return err
	}
	// KubeletConfiguration, https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/
	config, err := json.Marshal(map[string]any{
		"apiVersion":               "kubelet.config.k8s.io/v1beta1",
		"kind":                     "KubeletConfiguration",
		"containerRuntimeEndpoint": "unix://" + containerdSocket,
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": n.CAFile()},
		},
		"authorization": map[string]any{"mode": "Webhook"},
		"clusterDomain": "cluster.local",
		"clusterDNS":    []string{"10.96.0.10"}, // nobody is there
		"resolvConf":    "",                     // there is no DNS
		"syncFrequency": "2s",                   // a ConfigMap that changed is in its pods within seconds, not a minute
		"cgroupDriver":  "cgroupfs",
		"cgroupRoot":    "/" + cgroupOf(dir),
		"failCgroupV1":  false,
		"failSwapOn":    false,
		// The machine's disk and memory are somebody else's business.
		"imageGCHighThresholdPercent": 100,
		"evictionHard":                map[string]any{"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
		"serializeImagePulls":         false,
	})
	if err != nil {
		return err
	}
	file := filepath.Join(n.Dir, "kubelet.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return err
	}
	return n.Launch(ctx, controlplane.Program{
		Path: filepath.Join(n.programs.node, "kubelet"),
		Args: []string{
			"--config=" + file, "--kubeconfig=" + kubeconfig,
			"--hostname-override=" + Name, "--node-ip=" + Address, "--v=2",
		},
		Ready: n.ready,
	})
}

func (n *Node) startKubeProxy(ctx context.Context) error {
	kubeconfig, err := n.UserKubeconfig("system:kube-proxy")
	if err != nil {
		return err
	}
	return n.Launch(ctx, controlplane.Program{
		Path: filepath.Join(n.programs.node, "kube-proxy"),
		Args: []string{
			"--kubeconfig=" + kubeconfig, "--hostname-override=" + Name,
			"--proxy-mode=iptables", "--cluster-cidr=" + PodNetwork,
			// Limits of connection tracking are the machine's, and not for a namespace to set.
			"--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0",
		},
		Ready: answers("http://127.0.0.1:10256/healthz"),
	})
}
