package e2e

import (
	"fmt"
	"strings"
)

const (
	roleLabel    = `{"metadata":{"labels":{"role":"backend"}}}`
	trustedLabel = `{"metadata":{"labels":{"trusted":"yes"}}}`
	opensDB      = `{"spec":{"ingress":[{}]}}`
	noIsolation  = `{"spec":{"podSelector":{"matchLabels":{"app":"frontend"}}}}`
)

// inShop is a kubectl command in namespace shop.
func inShop(words ...string) []string { return append([]string{"-n", "shop"}, words...) }

func raw(path string) []string { return []string{"create", "--raw", path, "-f", "-"} }

// attempts are all ways that the threats name, times the ways to write.
func attempts(frontend string) []attempt {
	var all []attempt
	for _, group := range [][]attempt{
		whileDeleted(), bySubresource(frontend), byDeletion(), byExemption(), byAlias(), byWrite(frontend), byTemplate(), byName(), byMutation(), byDryRun(), inANewNamespace(), byText(), byBlock(), byIdentity(),
	} {
		all = append(all, group...)
	}
	return all
}

func bySubresource(frontend string) []attempt {
	patch := func(resource, name, sub, how, body string) []string {
		return []string{"-n", "shop", "patch", resource, name, "--subresource=" + sub, "--type=" + how, "-p", body}
	}
	jsonRole := `[{"op":"add","path":"/metadata/labels/role","value":"backend"}]`
	jsonTrusted := `[{"op":"add","path":"/metadata/labels/trusted","value":"yes"}]`
	out := []attempt{
		{threat: "B1", way: "pods/status, JSON patch", args: patch("pod", frontend, "status", "json", jsonRole)},
		{threat: "B1", way: "pods/status, merge patch", args: patch("pod", frontend, "status", "merge", roleLabel)},
		{threat: "B1", way: "pods/status, strategic merge patch", args: patch("pod", frontend, "status", "strategic", roleLabel)},
		{threat: "B1", way: "pods/status, server-side apply", stdin: `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"` + frontend + `","namespace":"shop","labels":{"role":"backend"}}}`, args: inShop("apply", "--server-side", "--subresource=status", "--force-conflicts", "-f", "-")},
		{threat: "B1", way: "pods/binding with labels", stdin: binding(frontend, true), args: raw("/api/v1/namespaces/shop/pods/" + frontend + "/binding")},
		{threat: "B1", way: "bindings (legacy) with labels", stdin: binding(frontend, true), args: raw("/api/v1/namespaces/shop/bindings")},
		{threat: "B1", way: "namespaces/status, JSON patch", args: patch("namespace", "partner", "status", "json", jsonTrusted)},
		{threat: "B1", way: "namespaces/status, merge patch", args: patch("namespace", "partner", "status", "merge", trustedLabel)},
		{threat: "B1", way: "namespaces/status, strategic merge patch", args: patch("namespace", "partner", "status", "strategic", trustedLabel)},
		{threat: "B1", way: "namespaces/finalize, update", stdin: `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"partner","labels":{"trusted":"yes"}},"spec":{"finalizers":["kubernetes"]}}`, args: []string{"replace", "--raw", "/api/v1/namespaces/partner/finalize", "-f", "-"}},
		{threat: "B6", way: "pods/ephemeralcontainers with labels", args: patch("pod", frontend, "ephemeralcontainers", "strategic", `{"metadata":{"labels":{"role":"backend"}},"spec":{"ephemeralContainers":[{"name":"debug","image":"example.test/debug"}]}}`), want: isVain},
		{threat: "B6", way: "pods/resize with labels", args: patch("pod", frontend, "resize", "strategic", roleLabel), want: isVain},
		{threat: "B6", way: "deployments/scale with labels", args: patch("deployment", "logging", "scale", "merge", roleLabel), want: isVain},
		{threat: "B1", way: "deployments/status with a template", args: patch("deployment", "logging", "status", "merge", `{"spec":{"template":{"metadata":{"labels":{"role":"backend"}}}}}`), want: isVain},
		{threat: "B1", way: "statefulsets/status with a template", args: patch("statefulset", "db", "status", "merge", `{"spec":{"template":{"metadata":{"labels":{"role":"backend"}}}}}`), want: isVain},
	}
	return out
}

func byDeletion() []attempt {
	collection := "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies"
	return []attempt{
		{threat: "B2", way: "delete of default-deny", args: inShop("delete", "networkpolicy", "default-deny", "--wait=false")},
		{threat: "B2", way: "delete --force", args: inShop("delete", "networkpolicy", "default-deny", "--force", "--grace-period=0", "--wait=false")},
		{threat: "B2", way: "delete --cascade=orphan", args: inShop("delete", "networkpolicy", "default-deny", "--cascade=orphan", "--wait=false")},
		{threat: "B2", way: "delete --cascade=foreground", args: inShop("delete", "networkpolicy", "default-deny", "--cascade=foreground", "--wait=false")},
		{threat: "B2", way: "delete of what has a finalizer", args: inShop("delete", "networkpolicy", "default-deny", "--wait=false", "--now")},
		{threat: "B2", way: "deletecollection by field", args: []string{"delete", "--raw", collection + "?fieldSelector=metadata.name%3Ddefault-deny"}},
		{threat: "B2", way: "deletecollection by label", args: []string{"delete", "--raw", collection + "?labelSelector=tier%3Dbase"}},
		{threat: "B2", way: "delete by label", args: inShop("delete", "networkpolicies", "-l", "tier=base", "--wait=false")},
		{threat: "B2", way: "replace --force (delete, then create)", stdin: netpol("default-deny", "podSelector: {matchLabels: {app: frontend}}", "policyTypes: [Ingress]"), args: inShop("replace", "--force", "-f", "-")},
		{threat: "B2", way: "narrowed instead of deleted, JSON patch", args: inShop("patch", "networkpolicy", "default-deny", "--type=json", "-p", `[{"op":"replace","path":"/spec/podSelector","value":{"matchLabels":{"app":"frontend"}}}]`)},
		{threat: "B2", way: "narrowed instead of deleted, merge patch", args: inShop("patch", "networkpolicy", "default-deny", "--type=merge", "-p", noIsolation)},
		{threat: "B2", way: "narrowed instead of deleted, strategic merge patch", args: inShop("patch", "networkpolicy", "default-deny", "--type=strategic", "-p", noIsolation)},
		{threat: "B2", way: "narrowed instead of deleted, server-side apply", stdin: netpol("default-deny", "podSelector: {matchLabels: {app: frontend}}", "policyTypes: [Ingress, Egress]"), args: inShop("apply", "--server-side", "--force-conflicts", "-f", "-")},
	}
}

func whileDeleted() []attempt {
	return []attempt{
		{threat: "B3", way: "labels of a pod that is being deleted, merge patch", args: inShop("patch", "pod", "leaving", "--type=merge", "-p", roleLabel)},
		{threat: "B3", way: "labels of a pod that is being deleted, JSON patch", args: inShop("patch", "pod", "leaving", "--type=json", "-p", `[{"op":"add","path":"/metadata/labels/role","value":"backend"}]`)},
		{threat: "B3", way: "labels of a pod that is being deleted, strategic merge patch", args: inShop("patch", "pod", "leaving", "--type=strategic", "-p", roleLabel)},
		{threat: "B3", way: "labels of a pod that is being deleted, server-side apply", stdin: `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"leaving","namespace":"shop","labels":{"role":"backend"}}}`, args: inShop("apply", "--server-side", "-f", "-")},
		{threat: "B3", way: "labels of a pod that is being deleted, pods/status", args: inShop("patch", "pod", "leaving", "--subresource=status", "--type=merge", "-p", roleLabel)},
	}
}

func byExemption() []attempt {
	marks := []string{
		"podcullis.io/ignore: 'true'", "podcullis.io/exempt: 'true'", "podcullis.io/cut-off: meant", "admission.gatekeeper.sh/ignore: 'true'", "policies.kyverno.io/ignore: 'true'", "kyverno.io/skip: 'true'",
		"openpolicyagent.org/webhook: ignore", "admission.datadoghq.com/enabled: 'false'", "control-plane: controller-manager", "sidecar.istio.io/inject: 'false'", "runlevel: '0'",
	}
	var out []attempt
	for _, mark := range marks {
		key, _, _ := strings.Cut(mark, ":")
		out = append(out, attempt{threat: "B4", way: "label and annotation " + key, stdin: strings.Replace(pod("marked", "{app: bare, "+mark+"}", "escape"), "name: marked", "name: marked, annotations: {"+mark+"}", 1), args: []string{"-n", "escape", "create", "-f", "-"}})
	}
	namespace := func(way string, labels ...string) attempt {
		return attempt{threat: "B4", way: way, args: append([]string{"label", "namespace", "partner", "trusted=yes"}, labels...)}
	}
	return append(out,
		namespace("namespace with the ignore labels of others", "admission.gatekeeper.sh/ignore=yes", "podcullis.io/ignore=yes", "control-plane=yes"),
		attempt{threat: "B4", way: "namespace named kube-system by label", args: []string{"label", "namespace", "escape", "kubernetes.io/metadata.name=kube-system", "--overwrite"}, want: isVain},
		attempt{threat: "B4", way: "a mirror pod's annotation", stdin: strings.Replace(pod("mirror", "{app: bare}", "escape"), "name: mirror", "name: mirror, annotations: {kubernetes.io/config.mirror: x, kubernetes.io/config.source: file}", 1), args: []string{"-n", "escape", "create", "-f", "-"}, want: isStopped},
	)
}

func byAlias() []attempt {
	old := `{"apiVersion":"extensions/v1beta1","kind":"NetworkPolicy","metadata":{"name":"old","namespace":"shop"},"spec":{"podSelector":{},"ingress":[{}]}}`
	return []attempt{
		{threat: "B5", way: "NetworkPolicy of extensions/v1beta1", stdin: old, args: raw("/apis/extensions/v1beta1/namespaces/shop/networkpolicies"), want: isStopped},
		{threat: "B5", way: "extensions/v1beta1 to the path of v1", stdin: old, args: raw("/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies"), want: isStopped},
		{threat: "B5", way: "Deployment of apps/v1beta1", stdin: `{"apiVersion":"apps/v1beta1","kind":"Deployment","metadata":{"name":"old","namespace":"shop"}}`, args: raw("/apis/apps/v1beta1/namespaces/shop/deployments"), want: isStopped},
		{threat: "B5", way: "the kind in small letters", stdin: strings.Replace(pod("small", "{app: logging, role: backend}", "shop"), "kind: Pod", "kind: pod", 1), args: inShop("create", "-f", "-"), want: isStopped},
	}
}

func byWrite(frontend string) []attempt {
	open := netpol("open-db", `podSelector: {matchLabels: {app: db}}`, `ingress: [{}]`)
	existing := netpol("db-from-backend", `podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]`, `ingress: [{}]`)
	label := `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"` + frontend + `","namespace":"shop","labels":{"role":"backend"}}}`
	return []attempt{
		{threat: "B6", way: "NetworkPolicy, create", stdin: open, args: inShop("create", "-f", "-")},
		{threat: "B6", way: "NetworkPolicy, apply that creates", stdin: open, args: inShop("apply", "-f", "-")},
		{threat: "B6", way: "NetworkPolicy, server-side apply that creates", stdin: open, args: inShop("apply", "--server-side", "-f", "-")},
		{threat: "B6", way: "NetworkPolicy, update", stdin: existing, args: inShop("replace", "-f", "-")},
		{threat: "B6", way: "NetworkPolicy, apply", stdin: existing, args: inShop("apply", "-f", "-")},
		{threat: "B6", way: "NetworkPolicy, server-side apply over other managers' fields", stdin: existing, args: inShop("apply", "--server-side", "--force-conflicts", "--field-manager=mallory", "-f", "-")},
		{threat: "B6", way: "NetworkPolicy, server-side apply that conflicts", stdin: existing, args: inShop("apply", "--server-side", "--field-manager=mallory", "-f", "-"), want: isStopped},
		{threat: "B6", way: "NetworkPolicy, JSON patch", args: inShop("patch", "networkpolicy", "db-from-backend", "--type=json", "-p", `[{"op":"remove","path":"/spec/ingress/0/from"}]`)},
		{threat: "B6", way: "NetworkPolicy, merge patch", args: inShop("patch", "networkpolicy", "db-from-backend", "--type=merge", "-p", opensDB)},
		{threat: "B6", way: "NetworkPolicy, strategic merge patch", args: inShop("patch", "networkpolicy", "db-from-backend", "--type=strategic", "-p", `{"spec":{"ingress":[{"from":[{"podSelector":{}}]}]}}`)},
		{threat: "B7", way: "Pod, label", args: inShop("label", "pod", frontend, "role=backend")},
		{threat: "B7", way: "Pod, JSON patch", args: inShop("patch", "pod", frontend, "--type=json", "-p", `[{"op":"add","path":"/metadata/labels/role","value":"backend"}]`)},
		{threat: "B7", way: "Pod, merge patch", args: inShop("patch", "pod", frontend, "--type=merge", "-p", roleLabel)},
		{threat: "B7", way: "Pod, strategic merge patch", args: inShop("patch", "pod", frontend, "--type=strategic", "-p", roleLabel)},
		{threat: "B7", way: "Pod, server-side apply", stdin: label, args: inShop("apply", "--server-side", "--force-conflicts", "-f", "-")},
		{threat: "B7", way: "Namespace, label", args: []string{"label", "namespace", "partner", "trusted=yes"}},
		{threat: "B7", way: "Namespace, JSON patch", args: []string{"patch", "namespace", "partner", "--type=json", "-p", `[{"op":"add","path":"/metadata/labels/trusted","value":"yes"}]`}},
		{threat: "B7", way: "Namespace, merge patch", args: []string{"patch", "namespace", "partner", "--type=merge", "-p", trustedLabel}},
		{threat: "B7", way: "Namespace, server-side apply", stdin: `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"partner","labels":{"trusted":"yes"}}}`, args: []string{"apply", "--server-side", "-f", "-"}},
		{threat: "B7", way: "an edit that changes an annotation only", args: inShop("annotate", "networkpolicy", "db-from-backend", "a=b", "--overwrite"), want: isVain},
	}
}

func byTemplate() []attempt {
	labels := "{app: logging, role: backend}"
	d := deployment("intruder", labels)
	idle := func(kind string) string {
		return strings.NewReplacer("kind: Deployment", "kind: "+kind, "replicas: 1", "replicas: 0").Replace(d)
	}
	create := func(way, object string) attempt {
		return attempt{threat: "B8", way: way, stdin: object, args: inShop("create", "-f", "-")}
	}
	template := `{"spec":{"template":{"metadata":{"labels":{"role":"backend"}}}}}`
	return []attempt{
		create("Pod", pod("intruder", labels, "shop")),
		create("Deployment", d),
		create("Deployment with replicas 0", idle("Deployment")),
		create("ReplicaSet with replicas 0", idle("ReplicaSet")),
		create("StatefulSet with replicas 0", idle("StatefulSet")),
		create("DaemonSet", strings.NewReplacer("kind: Deployment", "kind: DaemonSet", "replicas: 1, ", "").Replace(d)),
		create("ReplicationController with replicas 0", strings.Replace(replicationController("intruder", labels), "replicas: 1", "replicas: 0", 1)),
		create("Job, suspended", strings.Replace(job("intruder", labels), "spec: {template", "spec: {suspend: true, template", 1)),
		create("CronJob, suspended", strings.Replace(cronjob("intruder", labels), "spec: {schedule", "spec: {suspend: true, schedule", 1)),
		create("ReplicaSet of a made-up owner", strings.Replace(idle("ReplicaSet"), "namespace: shop", "namespace: shop, ownerReferences: [{apiVersion: example.test/v1, kind: Rollout, name: x, uid: "+madeUpUID+", controller: true}]", 1)),
		create("Pod of the made-up Pod of another API", strings.Replace(pod("intruder", labels, "shop"), "namespace: shop", "namespace: shop, ownerReferences: [{apiVersion: example.test/v1, kind: Pod, name: db-0, uid: "+madeUpUID+", controller: true}]", 1)),
		{threat: "B8", way: "template of a Deployment, merge patch", args: inShop("patch", "deployment", "logging", "--type=merge", "-p", template)},
		{threat: "B8", way: "template of a Deployment, strategic merge patch", args: inShop("patch", "deployment", "logging", "--type=strategic", "-p", template)},
		{threat: "B8", way: "template of a Deployment, JSON patch", args: inShop("patch", "deployment", "logging", "--type=json", "-p", `[{"op":"add","path":"/spec/template/metadata/labels/role","value":"backend"}]`)},
		{threat: "B8", way: "template of a Deployment, server-side apply", stdin: deployment("logging", labels), args: inShop("apply", "--server-side", "--force-conflicts", "-f", "-"), want: isStopped},
	}
}

func byName() []attempt {
	long := strings.Repeat("allow-all.", 25) + "all"
	open := func(name string) string {
		return netpol(name, "podSelector: {matchLabels: {app: db}}", "ingress: [{}]")
	}
	return []attempt{
		{threat: "B9", way: "a name of 253 characters", stdin: open(long), args: inShop("create", "-f", "-")},
		{threat: "B9", way: "NetworkPolicy with generateName", stdin: strings.Replace(open("x"), "name: x", "generateName: allow-", 1), args: inShop("create", "-f", "-")},
		{threat: "B9", way: "Pod with generateName", stdin: strings.Replace(pod("x", "{app: logging, role: backend}", "shop"), "name: x", "generateName: x-", 1), args: inShop("create", "-f", "-")},
		{threat: "B9", way: "a name that differs in case", stdin: open("Default-Deny"), args: inShop("create", "-f", "-"), want: isStopped},
		{threat: "B9", way: "a label key with a Cyrillic letter", stdin: pod("x", "{app: logging, r\u043ele: backend}", "shop"), args: inShop("create", "-f", "-"), want: isStopped},
		{threat: "B9", way: "a label value with a zero-width space", stdin: pod("x", "{app: \"logging\u200b\", role: backend}", "shop"), args: inShop("create", "-f", "-"), want: isStopped},
	}
}

func byMutation() []attempt {
	return []attempt{{threat: "B10", way: "a label that a mutation adds", stdin: pod("mutant", "{app: logging, mutate: me}", "shop"), args: inShop("create", "-f", "-")}}
}

func byDryRun() []attempt {
	return []attempt{
		{threat: "B11", way: "dry run of a create", stdin: netpol("open-db", "podSelector: {matchLabels: {app: db}}", "ingress: [{}]"), args: inShop("create", "--dry-run=server", "-f", "-")},
		{threat: "B11", way: "dry run of a patch", args: inShop("patch", "networkpolicy", "db-from-backend", "--dry-run=server", "--type=merge", "-p", opensDB)},
		{threat: "B11", way: "dry run of a server-side apply", stdin: netpol("open-db", "podSelector: {matchLabels: {app: db}}", "ingress: [{}]"), args: inShop("apply", "--server-side", "--dry-run=server", "-f", "-")},
		{threat: "B11", way: "dry run of a delete", args: inShop("delete", "networkpolicy", "default-deny", "--dry-run=server")},
	}
}

func inANewNamespace() []attempt {
	return []attempt{
		{threat: "B12", way: "namespace and pod in one go", stdin: "{apiVersion: v1, kind: Namespace, metadata: {name: brand-new}}\n---\n" + pod("bare", "{app: bare}", "brand-new"), args: []string{"create", "-f", "-"}},
		{threat: "B12", way: "namespace that is not there", stdin: pod("bare", "{app: bare}", "nowhere"), args: []string{"create", "-f", "-"}, want: isStopped},
	}
}

// byText are JSON texts that parsers disagree about, as they are sent.
func byText() []attempt {
	path := "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies"
	body := func(spec string) string {
		return `{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"tricky","namespace":"shop"},"spec":` + spec + `}`
	}
	post := func(threat, way, spec, want string) attempt {
		return attempt{threat: threat, way: way, stdin: body(spec), args: raw(path), want: want}
	}
	return []attempt{
		post("B14", "a duplicate key, the harmless one first", `{"podSelector":{"matchLabels":{"app":"nobody"}},"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{}]}`, ""),
		post("B14", "a duplicate key, the harmless one last", `{"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{}],"ingress":[{"from":[{"podSelector":{"matchLabels":{"app":"analytics"}}}]}]}`, ""),
		post("B14", "a key in other letters (podselector selects all)", `{"podselector":{"matchLabels":{"app":"nobody"}},"ingress":[{}]}`, ""),
		post("B14", "podSelector null", `{"podSelector":null,"ingress":[{}]}`, ""),
		post("B14", "podSelector left out", `{"ingress":[{}]}`, ""),
		post("B14", "from null means everybody", `{"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{"from":null}]}`, ""),
		post("B14", "from empty means everybody", `{"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{"from":[]}]}`, ""),
		post("B14", "an empty namespaceSelector means all", `{"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{"from":[{"namespaceSelector":{}}]}]}`, ""),
		post("B14", "an empty podSelector as peer", `{"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{"from":[{"podSelector":{}}]}]}`, ""),
		post("B14", "a peer of nulls", `{"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{"from":[{"podSelector":null,"namespaceSelector":null}]}]}`, isStopped),
		post("B14", "policyTypes left out, with ingress", `{"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{"ports":[{"port":5432}]}]}`, ""),
		post("B14", "policyTypes empty", `{"podSelector":{"matchLabels":{"app":"db"}},"policyTypes":[],"ingress":[{}]}`, ""),
		post("B14", "a port beyond all numbers", `{"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{"ports":[{"port":99999999999999999999}]}]}`, isStopped),
		post("B14", "a port as 4294972728 (5432 in 32 bits)", `{"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{"ports":[{"port":4294972728}]}]}`, isStopped),
		post("B14", "endPort over the port", `{"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{"ports":[{"port":1,"endPort":65535}]}]}`, ""),
		post("B14", "endPort below the port", `{"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{"ports":[{"port":6000,"endPort":5000}]}]}`, isStopped),
		post("B14", "endPort with a named port", `{"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{"ports":[{"port":"postgres","endPort":6000}]}]}`, isStopped),
		post("B14", "a named port", `{"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{"ports":[{"port":"postgres"}]}]}`, ""),
		post("B14", "a port without a number means all", `{"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{"ports":[{"protocol":"TCP"}]}]}`, ""),
		post("B14", "NotIn nothing that is there", `{"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{"from":[{"podSelector":{"matchExpressions":[{"key":"x","operator":"NotIn","values":["y"]}]}}]}]}`, ""),
		post("B14", "DoesNotExist", `{"podSelector":{"matchExpressions":[{"key":"x","operator":"DoesNotExist"}]},"ingress":[{}]}`, ""),
		{threat: "B13", way: "200 kB of characters that JSON makes six of", stdin: strings.Replace(body(`{"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{}]}`), `"name":"tricky"`, `"name":"tricky","annotations":{"a":"`+strings.Repeat("<", 200<<10)+`"}`, 1), args: raw(path)},
		{threat: "B13", way: "30,000 peers", stdin: body(`{"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{"from":[` + strings.TrimSuffix(strings.Repeat(`{"podSelector":{}},`, 30000), ",") + `]}]}`), args: raw(path)},
	}
}

func byBlock() []attempt {
	path := "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies"
	from := func(way, want string, blocks ...string) attempt {
		var peers []string
		for _, b := range blocks {
			peers = append(peers, `{"ipBlock":{"cidr":"`+b+`"}}`)
		}
		return attempt{threat: "B15", way: way, args: raw(path), want: want, stdin: fmt.Sprintf(`{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"blocks","namespace":"shop"},"spec":{"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{"from":[%s]}]}}`, strings.Join(peers, ","))}
	}
	return []attempt{
		from("ipBlock 0.0.0.0/0", "", "0.0.0.0/0"),
		from("0.0.0.0/1 and 128.0.0.0/1", "", "0.0.0.0/1", "128.0.0.0/1"),
		from("::/0", "", "::/0"),
		from("::/1 and 8000::/1", "", "::/1", "8000::/1"),
		from("an IPv6 address of IPv4 (::ffff:0:0/96)", isStopped, "::ffff:0.0.0.0/96"),
		from("a block with bits set beyond its length", isStopped, "10.1.2.3/0"),
		from("leading zeros (010.0.0.0/8)", isStopped, "010.0.0.0/8"),
		from("a small block that may hold a pod", "", "10.0.0.0/30"),
	}
}

func byIdentity() []attempt {
	labels := "{app: logging, role: backend}"
	controller := "system:serviceaccount:kube-system:namespace-controller"
	return []attempt{
		{threat: "B2", way: "delete as the namespace controller, while the namespace lives", args: inShop("delete", "networkpolicy", "default-deny", "--wait=false"), as: controller},
		{threat: "B8", way: "a pod as the ReplicaSet controller", stdin: pod("forged", labels, "shop"), args: inShop("create", "-f", "-"), as: "system:serviceaccount:kube-system:replicaset-controller"},
		{threat: "B8", way: "a pod by who may edit", stdin: pod("forged", labels, "shop"), args: inShop("create", "-f", "-"), as: mallory},
		{threat: "B1", way: "pods/status by who may edit", args: inShop("patch", "deployment", "logging", "--subresource=status", "--type=merge", "-p", roleLabel), as: mallory, want: isStopped},
		{threat: "B8", way: "who may edit impersonates a controller", args: []string{"auth", "can-i", "impersonate", "serviceaccounts", "-n", "kube-system"}, as: mallory, want: isStopped},
	}
}
