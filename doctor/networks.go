package doctor

// Network is a network plugin, or what enforces NetworkPolicies beside one: by what it is known,
// and what its makers say that it does.
type Network struct {
	Name string
	// DaemonSets are the names that its own manifests and charts give it, and Namespaces where they
	// put it. Anybody may call a DaemonSet so elsewhere.
	DaemonSets, Namespaces []string
	// Container is one that the DaemonSet has, where the name alone says too little.
	Container string
	// Image is the one whose tag is the version; the last part of its path.
	Image string
	// Enforces is what it does unless a switch says otherwise, Source where that is written.
	Enforces Support
	Source   string
	// Switches turn it on or off. The first one that applies counts.
	Switches []Switch
	Features map[Feature]Ability
	// Mend says how to have NetworkPolicies enforced, where it does not.
	Mend string
}

// Support is an answer about a plugin.
type Support int

// The answers. What nobody has said, or what was said of another version only, is not known.
const (
	NotKnown Support = iota
	No
	Yes
)

// Switch is a setting that decides. All that is set has to be so.
type Switch struct {
	// Container has to be there. Arg, one of its arguments ("--run-firewall"), or of any container
	// where it is empty, has to be Is.
	Container, Arg string
	// ConfigMap, in the namespace of the DaemonSet, has to have Is at Key.
	ConfigMap, Key string
	Is             string
	// TagBefore is a tag of Network.Image that is a date, such as v20240813: the image has to be older.
	TagBefore string

	Then   Support
	Why    string
	Source string
}

// Feature is a part of the NetworkPolicy API that not everybody implements.
type Feature string

// The features, in the order in which they are told of.
const (
	EndPort    Feature = "endPort"
	SCTP       Feature = "SCTP"
	NamedPorts Feature = "named ports"
	PodBlocks  Feature = "ipBlock over pods"
)

func features() []Feature { return []Feature{EndPort, SCTP, NamedPorts, PodBlocks} }

// Ability is whether a plugin has a feature.
type Ability struct {
	Has Support
	// Since is the first version that has it; older ones have not.
	Since string
	// ConfigMap, Key and Is are a setting without which it has it not.
	ConfigMap, Key, Is string
	Why                string
	Source             string
}

// What many rows have in common.
const (
	kubeNetworkPolicies = "https://github.com/kubernetes-sigs/kube-network-policies"
	cyclonusResults     = "https://github.com/K8sbykeshed/cyclonus-artifacts"
	installAnother      = "install something that enforces NetworkPolicies beside it (https://kubernetes.io/docs/tasks/administer-cluster/network-policy-provider/), then see that `podcullis doctor --probe` finds packets blocked"
)

// inUserSpace is what enforces packet by packet by the addresses and ports that it sees, with the
// whole of the API.
func inUserSpace() map[Feature]Ability {
	whole := Ability{Has: Yes, Why: "kube-network-policies judges the first packet of each connection by all of the API", Source: kubeNetworkPolicies}
	return map[Feature]Ability{EndPort: whole, SCTP: whole, NamedPorts: whole, PodBlocks: whole}
}

// ofCalico are the features of Felix, which Canal has, too.
func ofCalico() map[Feature]Ability {
	return map[Feature]Ability{
		EndPort:    {Has: Yes, Why: "port ranges since Kubernetes has them", Source: "https://github.com/projectcalico/libcalico-go/pull/1357"},
		SCTP:       {Has: Yes, Why: "ports of SCTP since 3.12", Since: "3.12", Source: "https://github.com/projectcalico/libcalico-go/pull/1182"},
		NamedPorts: {Has: Yes, Why: "since 3.0", Since: "3.0", Source: "https://github.com/projectcalico/calico/pull/1092"},
		PodBlocks:  {Has: Yes, Why: "blocks are matched by address, whoever has it", Source: cyclonusResults},
	}
}

// ofCilium are the features of Cilium under the name of whoever ships it.
func ofCilium() map[Feature]Ability {
	return map[Feature]Ability{
		EndPort:    {Has: Yes, Since: "1.16", Why: "port ranges since 1.16; before, endPort is ignored without a word", Source: "https://github.com/cilium/cilium/issues/28684"},
		SCTP:       {Has: Yes, ConfigMap: "cilium-config", Key: "enable-sctp", Is: "true", Why: "only with enable-sctp (sctp.enabled of its chart), in beta", Source: "https://docs.cilium.io/en/stable/configuration/sctp/"},
		NamedPorts: {Has: Yes, Why: "since 1.8", Since: "1.8", Source: "https://github.com/cilium/cilium/issues/2942"},
		PodBlocks:  {Has: No, Why: "a block lets no pod through, only addresses outside: pods are known by identity", Source: "https://github.com/cilium/cilium/issues/9209"},
	}
}

// ofKubeRouter are the features of kube-router's network policy controller, which k3s embeds.
func ofKubeRouter() map[Feature]Ability {
	return map[Feature]Ability{
		EndPort:    {Has: Yes, Why: "since 2021", Source: "https://github.com/cloudnativelabs/kube-router/pull/1080"},
		SCTP:       {Has: No, Why: "asked for, and open", Source: "https://github.com/cloudnativelabs/kube-router/issues/1019"},
		NamedPorts: {Has: NotKnown, Source: "https://www.kube-router.io/docs/"},
		PodBlocks:  {Has: Yes, Why: "blocks are sets of addresses in the kernel, whoever has one", Source: "https://github.com/cloudnativelabs/kube-router/pull/193"},
	}
}

// Networks is the table. It is looked through from the top: what enforces comes before what it
// may stand beside.
func Networks() []Network {
	return []Network{
		{
			Name: "Cilium", DaemonSets: []string{"cilium"}, Namespaces: []string{"kube-system", "cilium", "cilium-system"}, Image: "cilium",
			Enforces: Yes, Source: "https://docs.cilium.io/en/stable/network/kubernetes/policy/",
			Switches: []Switch{
				{
					ConfigMap: "cilium-config", Key: "enable-policy", Is: "never", Then: No, Why: "enable-policy is never: all traffic is let through",
					Source: "https://docs.cilium.io/en/stable/security/policy/intro/",
				},
				{
					ConfigMap: "cilium-config", Key: "policy-audit-mode", Is: "true", Then: No, Why: "policy-audit-mode is true: what would be denied is logged, and let through",
					Source: "https://docs.cilium.io/en/stable/security/policy-creation/",
				},
				{
					ConfigMap: "cilium-config", Key: "enable-k8s-networkpolicy", Is: "false", Then: No, Why: "enable-k8s-networkpolicy is false: NetworkPolicies are not read",
					Source: "https://docs.cilium.io/en/stable/cmdref/cilium-agent/",
				},
			},
			Features: ofCilium(),
			Mend:     "set policyEnforcementMode=default, policyAuditMode=false and k8sNetworkPolicy.enabled=true in the values of its chart, and restart its DaemonSet",
		},
		{
			Name: "GKE Dataplane V2", DaemonSets: []string{"anetd"}, Namespaces: []string{"kube-system"},
			Enforces: Yes, Source: "https://cloud.google.com/kubernetes-engine/docs/concepts/dataplane-v2",
			Features: map[Feature]Ability{
				EndPort:   {Has: NotKnown, Why: "it may not take effect", Source: "https://cloud.google.com/kubernetes-engine/docs/how-to/network-policy"},
				PodBlocks: {Has: No, Why: "it is Cilium: a block lets no pod through", Source: "https://github.com/cilium/cilium/issues/9209"},
			},
		},
		{
			Name: "Calico", DaemonSets: []string{"calico-node"}, Namespaces: []string{"kube-system", "calico-system"}, Container: "calico-node", Image: "node",
			Enforces: Yes, Source: "https://docs.tigera.io/calico/latest/network-policy/get-started/kubernetes-policy/kubernetes-network-policy",
			Features: ofCalico(),
		},
		{
			Name: "Canal (flannel with Calico)", DaemonSets: []string{"canal", "rke2-canal"}, Namespaces: []string{"kube-system"}, Container: "calico-node",
			Enforces: Yes, Source: "https://docs.tigera.io/calico/latest/getting-started/kubernetes/flannel/install-for-flannel",
			Features: ofCalico(),
		},
		{
			Name: "Antrea", DaemonSets: []string{"antrea-agent"}, Namespaces: []string{"kube-system"}, Container: "antrea-agent",
			Enforces: Yes, Source: "https://antrea.io/docs/main/docs/design/architecture/",
			Features: map[Feature]Ability{
				EndPort:    {Has: Yes, Why: "since 1.1", Source: "https://github.com/antrea-io/antrea/issues/1638"},
				SCTP:       {Has: Yes, Why: "with the kernel's datapath, which it has by default", Source: "https://github.com/antrea-io/antrea/issues/2033"},
				NamedPorts: {Has: Yes, Why: "found conformant", Source: cyclonusResults},
				PodBlocks:  {Has: Yes, Why: "found conformant", Source: cyclonusResults},
			},
		},
		{
			Name: "OVN-Kubernetes", DaemonSets: []string{"ovnkube-node"}, Namespaces: []string{"openshift-ovn-kubernetes", "ovn-kubernetes"},
			Enforces: Yes, Source: "https://ovn-kubernetes.io/features/network-security-controls/network-policy/",
			Features: map[Feature]Ability{
				EndPort:    {Has: Yes, Why: "a range becomes one match", Source: "https://gist.github.com/trozet/0c343d357d00ccab57baaed51ee4407f"},
				SCTP:       {Has: Yes, Why: "where the nodes load the kernel module", Source: "https://docs.openshift.com/container-platform/4.6/networking/using-sctp.html"},
				NamedPorts: {Has: NotKnown, Why: "a named port was found to open others of its protocol, and the report was closed for its age", Source: "https://github.com/ovn-kubernetes/ovn-kubernetes/issues/2117"},
				PodBlocks:  {Has: Yes, Why: "a block becomes a match of addresses", Source: "https://gist.github.com/trozet/0c343d357d00ccab57baaed51ee4407f"},
			},
		},
		{
			Name: "kube-router", DaemonSets: []string{"kube-router"}, Namespaces: []string{"kube-system"},
			Enforces: Yes, Source: "https://www.kube-router.io/docs/user-guide/",
			Switches: []Switch{{
				Arg: "--run-firewall", Is: "false", Then: No, Why: "it runs with --run-firewall=false: as a router only",
				Source: "https://raw.githubusercontent.com/cloudnativelabs/kube-router/v0.4.0/daemonset/generic-kuberouter-only-advertise-routes.yaml",
			}},
			Features: ofKubeRouter(),
			Mend:     "take --run-firewall=false out of its arguments, or " + installAnother,
		},
		{
			Name: "kube-network-policies", DaemonSets: []string{"kube-network-policies"}, Namespaces: []string{"kube-system"},
			Enforces: Yes, Source: kubeNetworkPolicies, Features: inUserSpace(),
		},
		{
			Name: "kindnet", DaemonSets: []string{"kindnet"}, Namespaces: []string{"kube-system"}, Image: "kindnetd",
			Enforces: Yes, Source: "https://github.com/kubernetes-sigs/kind/releases/tag/v0.24.0",
			Switches: []Switch{
				{TagBefore: "v20240513", Then: No, Why: "this kindnetd is older than that of kind 0.24, the first that enforces NetworkPolicies", Source: "https://github.com/kubernetes-sigs/kind/releases/tag/v0.24.0"},
				{TagBefore: "v20240813", Then: NotKnown, Why: "this kindnetd is of the months before kind 0.24, in which NetworkPolicies came", Source: "https://github.com/kubernetes-sigs/kind/releases/tag/v0.24.0"},
			},
			Features: inUserSpace(),
			Mend:     "make the cluster anew with kind 0.24 or newer, or " + installAnother,
		},
		{
			Name: "flannel", DaemonSets: []string{"kube-flannel-ds", "kube-flannel"}, Namespaces: []string{"kube-flannel", "kube-system"},
			Enforces: No, Source: "https://github.com/flannel-io/flannel#flannel",
			Switches: []Switch{{
				Container: "kube-network-policies", Then: Yes, Why: "kube-network-policies runs in it (netpol.enabled of its chart)",
				Source: "https://github.com/flannel-io/flannel/blob/master/Documentation/netpol.md",
			}},
			Features: inUserSpace(),
			Mend:     "set netpol.enabled=true in the values of its chart (flannel 0.25.5 or newer), or " + installAnother,
		},
		{
			Name: "Amazon VPC CNI", DaemonSets: []string{"aws-node"}, Namespaces: []string{"kube-system"},
			Enforces: No, Source: "https://github.com/aws/amazon-vpc-cni-k8s/blob/master/docs/network-policy-faq.md",
			Switches: []Switch{{
				Container: "aws-eks-nodeagent", Arg: "--enable-network-policy", Is: "true", Then: Yes, Why: "its node agent runs with --enable-network-policy=true",
				Source: "https://docs.aws.amazon.com/eks/latest/userguide/cni-network-policy-configure.html",
			}},
			Features: map[Feature]Ability{
				EndPort:    {Has: Yes, Why: "a PolicyEndpoint has it", Source: "https://github.com/aws/amazon-network-policy-controller-k8s/pull/218"},
				SCTP:       {Has: Yes, Why: "its controller was tried with it", Source: "https://github.com/aws/amazon-network-policy-controller-k8s/pull/218"},
				NamedPorts: {Has: NotKnown, Why: "an ingress rule's name is looked up on the source, says an open report", Source: "https://github.com/aws/amazon-network-policy-controller-k8s/issues/81"},
			},
			Mend: "set enableNetworkPolicy to \"true\" in the configuration of the add-on vpc-cni (1.14 or newer)",
		},
		{
			Name: "Azure Network Policy Manager", DaemonSets: []string{"azure-npm"}, Namespaces: []string{"kube-system"},
			Enforces: Yes, Source: "https://learn.microsoft.com/azure/aks/use-network-policies",
			Features: map[Feature]Ability{
				EndPort:    {Has: NotKnown, Why: "its support was proposed, and that was not merged", Source: "https://github.com/Azure/azure-container-networking/pull/1125"},
				SCTP:       {Has: NotKnown, Why: "not on Windows", Source: "https://learn.microsoft.com/azure/aks/use-network-policies"},
				NamedPorts: {Has: NotKnown, Why: "not on Windows", Source: "https://learn.microsoft.com/azure/aks/use-network-policies"},
			},
		},
		{
			Name: "Weave Net", DaemonSets: []string{"weave-net"}, Namespaces: []string{"kube-system"},
			Enforces: No, Source: "https://github.com/weaveworks/weave/blob/master/prog/weave-kube/weave-daemonset-k8s-1.9.yaml",
			Switches: []Switch{{
				Container: "weave-npc", Then: Yes, Why: "weave-npc runs in it",
				Source: "https://kubernetes.io/docs/tasks/administer-cluster/network-policy-provider/weave-network-policy/",
			}},
			Features: map[Feature]Ability{
				EndPort:    {Has: NotKnown, Why: "its last release is about as old as the field"},
				NamedPorts: {Has: No, Why: "a named port ends weave-npc with an error", Source: "https://github.com/weaveworks/weave/issues/3032"},
			},
			Mend: "install its manifest with weave-npc, or " + installAnother,
		},
		{
			Name: "Kube-OVN", DaemonSets: []string{"kube-ovn-cni"}, Namespaces: []string{"kube-system"},
			Enforces: Yes, Source: "https://github.com/kubeovn/kube-ovn/releases/tag/v0.5.0",
			Features: map[Feature]Ability{NamedPorts: {Has: NotKnown, Source: "https://github.com/kubeovn/kube-ovn/issues/2206"}},
		},
		{
			Name: "Azure CNI", DaemonSets: []string{"azure-cns", "azure-cni-networkmonitor"}, Namespaces: []string{"kube-system"},
			Enforces: No, Source: "https://learn.microsoft.com/dotnet/api/azure.resourcemanager.containerservice.models.containerservicenetworkpolicy",
			Mend: "give the cluster a network policy engine: az aks update --network-policy cilium (or calico)",
		},
		{
			Name: "GKE, legacy dataplane", DaemonSets: []string{"netd"}, Namespaces: []string{"kube-system"},
			Enforces: No, Source: "https://cloud.google.com/kubernetes-engine/docs/how-to/network-policy",
			Mend: "enable network policy enforcement for the cluster, or make it anew with Dataplane V2",
		},
	}
}

// K3s has neither its flannel nor its network policy controller in pods. Servers write their
// arguments on their Node.
func K3s() Network {
	return Network{
		Name: "k3s, embedded network policy controller", Enforces: Yes, Source: "https://docs.k3s.io/networking/networking-services",
		Features: ofKubeRouter(), Mend: "start the servers without --disable-network-policy, or " + installAnother,
	}
}

// What k3s writes on a Node, https://docs.k3s.io/.
const (
	k3sArgs = "k3s.io/node-args"
	k3sOff  = "--disable-network-policy"
)

// configMaps are those that the row asks for.
func (n *Network) configMaps() []string {
	var out []string
	for _, s := range n.Switches {
		out = append(out, s.ConfigMap)
	}
	for _, f := range features() {
		out = append(out, n.Features[f].ConfigMap)
	}
	return distinct(out)
}
