package main

// step is one change that somebody makes: as a kubectl command, and as what the
// API server would send for it.
type step struct {
	title string
	// kubectl are the arguments, stdin what is piped into it.
	kubectl []string
	stdin   string
	// The same change without an API server: object is created, or patch (a JSON
	// merge patch) is applied to the object that kind, namespace and name choose, or
	// that object is deleted.
	operation             string
	kind, namespace, name string
	object, patch         string
	dryRun                bool
	refused               bool
}

const allowAll = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-all, namespace: shop}
spec:
  podSelector: {}
  ingress:
  - {}
`

const debugPod = `apiVersion: v1
kind: Pod
metadata: {name: debug, namespace: shop, labels: {app: debug}}
spec:
  hostNetwork: true
  containers:
  - {name: shell, image: shop/debug:1}
`

const narrowNetpol = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: logging-from-backend, namespace: shop}
spec:
  podSelector:
    matchLabels: {app: logging}
  ingress:
  - from:
    - podSelector:
        matchLabels: {app: backend}
`

// story goes through every door by which the path to the database can open.
var story = []step{
	{
		title:   "one more allow, beside the default-deny",
		kubectl: []string{"apply", "-f", "-"}, stdin: allowAll,
		operation: "CREATE", kind: "NetworkPolicy", namespace: "shop", name: "allow-all", object: allowAll, refused: true,
	},
	{
		title:   "the same as a server-side dry run",
		kubectl: []string{"apply", "--dry-run=server", "-f", "-"}, stdin: allowAll,
		operation: "CREATE", kind: "NetworkPolicy", namespace: "shop", name: "allow-all", object: allowAll, dryRun: true, refused: true,
	},
	{
		title:     "an edit of the database's own NetworkPolicy",
		kubectl:   []string{"-n", "shop", "patch", "networkpolicy", "db-from-backend", "--type=merge", "-p", `{"spec":{"ingress":[{"ports":[{"port":5432}]}]}}`},
		operation: "UPDATE", kind: "NetworkPolicy", namespace: "shop", name: "db-from-backend",
		patch: `{"spec":{"ingress":[{"ports":[{"port":5432}]}]}}`, refused: true,
	},
	{
		title:     "the default-deny deleted",
		kubectl:   []string{"-n", "shop", "delete", "networkpolicy", "default-deny"},
		operation: "DELETE", kind: "NetworkPolicy", namespace: "shop", name: "default-deny", refused: true,
	},
	{
		title:     "a label on a running pod of the frontend",
		kubectl:   []string{"-n", "shop", "label", "pod", "-l", "app=frontend", "app=backend", "--overwrite"},
		operation: "UPDATE", kind: "Pod", namespace: "shop", name: "frontend-6d4b9c-x7k2p",
		patch: `{"metadata":{"labels":{"app":"backend"}}}`, refused: true,
	},
	{
		title:     "a label in another team's pod template",
		kubectl:   []string{"-n", "data-lab", "patch", "deployment", "notebook", "--type=merge", "-p", `{"spec":{"template":{"metadata":{"labels":{"role":"etl"}}}}}`},
		operation: "UPDATE", kind: "Deployment", namespace: "data-lab", name: "notebook",
		patch: `{"spec":{"template":{"metadata":{"labels":{"role":"etl"}}}}}`, refused: true,
	},
	{
		title:     "a label on another team's namespace",
		kubectl:   []string{"label", "namespace", "data-lab", "reporting=yes"},
		operation: "UPDATE", kind: "Namespace", name: "data-lab",
		patch: `{"metadata":{"labels":{"reporting":"yes"}}}`, refused: true,
	},
	{
		title:   "a pod on the host's network",
		kubectl: []string{"apply", "-f", "-"}, stdin: debugPod,
		operation: "CREATE", kind: "Pod", namespace: "shop", name: "debug", object: debugPod, refused: true,
	},
	{
		title:   "a NetworkPolicy that opens nothing forbidden",
		kubectl: []string{"apply", "-f", "-"}, stdin: narrowNetpol,
		operation: "CREATE", kind: "NetworkPolicy", namespace: "shop", name: "logging-from-backend", object: narrowNetpol,
	},
	{
		title:     "a new image for the frontend",
		kubectl:   []string{"-n", "shop", "set", "image", "deployment/frontend", "frontend=shop/frontend:1.5"},
		operation: "UPDATE", kind: "Deployment", namespace: "shop", name: "frontend",
		patch: `{"spec":{"template":{"spec":{"containers":[{"name":"frontend","image":"shop/frontend:1.5","ports":[{"name":"https","containerPort":8443}]}]}}}}`,
	},
}
