package live_test

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/live"
	"github.com/podcullis/podcullis/test/controlplane"
)

// patience is how long the cluster may take for one thing.
const patience = 2 * time.Minute

const shop = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, annotations: {some: thing}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: main, image: nginx, ports: [{name: http, containerPort: 8080}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  replicas: 1
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: main, image: postgres, ports: [{containerPort: 5432}]}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: shop}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {hostNetwork: true, containers: [{name: main, image: agent}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: night, namespace: shop}
spec:
  schedule: "0 3 * * *"
  jobTemplate: {spec: {template: {metadata: {labels: {app: night}}, spec: {restartPolicy: Never, containers: [{name: main, image: night}]}}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: shop}
spec: {template: {metadata: {labels: {app: once}}, spec: {restartPolicy: Never, containers: [{name: main, image: once}]}}}
`

const ciliumCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ciliumnetworkpolicies.cilium.io}
spec:
  group: cilium.io
  scope: Namespaced
  names: {kind: CiliumNetworkPolicy, plural: ciliumnetworkpolicies}
  versions:
  - {name: v2, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`

const ciliumNetpol = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: other, namespace: shop}
`

// One control plane for the whole story: it takes long to start.
func TestModelOfARealCluster(t *testing.T) {
	plane := controlplane.Start(t, controlplane.Options{})
	s := newStory(t, plane)

	s.kubectl(`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "early", "labels": {"team": "a"}}}`, "apply", "-f", "-")
	if s.model.Synced() || len(slices.Collect(s.model.Snapshot().Objects())) > 0 {
		t.Error("the model knows something before it has asked")
	}
	s.start()
	s.await("the model is synced", func(*cluster.Snapshot) bool { return true })
	if !s.model.Synced() {
		t.Error("not synced after WaitFor")
	}
	if n, ok := s.model.Snapshot().Namespace("early"); !ok || n.Implied || n.Labels["team"] != "a" {
		t.Errorf("the first snapshot lacks what was there: namespace %+v", n)
	}

	if err := plane.CreateNamespace(t.Context(), "shop", map[string]string{"team": "shop"}); err != nil {
		t.Fatal(err)
	}
	s.kubectl(shop, "apply", "-f", "-")
	s.await("pods of the Deployment, the StatefulSet and the Job", func(now *cluster.Snapshot) bool {
		return pods(now, "Deployment", "web") == 2 && pods(now, "StatefulSet", "db") == 1 && pods(now, "Job", "once") == 1
	})
	s.await("all templates", func(now *cluster.Snapshot) bool {
		for _, ref := range []cluster.Ref{
			{Namespace: "shop", Kind: "CronJob", Name: "night"}, {Namespace: "shop", Kind: "DaemonSet", Name: "agent"}, {Namespace: "shop", Kind: "Job", Name: "once"},
		} {
			if _, ok := now.Template(ref); !ok {
				return false
			}
		}
		_, ok := now.Netpol("shop", "default-deny")
		return ok
	})
	s.equalsScratch("after the shop opened")

	s.kubectl("", "label", "namespace", "shop", "team=bank", "--overwrite")
	s.await("the namespace's new label", func(now *cluster.Snapshot) bool {
		n, _ := now.Namespace("shop")
		return n.Labels["team"] == "bank"
	})
	s.kubectl("", "-n", "shop", "scale", "deployment/web", "--replicas=5")
	s.await("five pods", func(now *cluster.Snapshot) bool { return pods(now, "Deployment", "web") == 5 })
	s.kubectl("", "-n", "shop", "label", "pod/db-0", "app=stray", "--overwrite")
	s.await("a pod that stands alone", func(now *cluster.Snapshot) bool {
		w, ok := now.WorkloadOf(cluster.Ref{Namespace: "shop", Kind: "Pod", Name: "db-0"})
		return ok && w.Kind == "Pod" && w.Labels["app"] == "stray"
	})
	s.kubectl("", "-n", "shop", "delete", "networkpolicy/default-deny", "deployment/web")
	s.await("the netpol and the Deployment with its pods to be gone", func(now *cluster.Snapshot) bool {
		_, netpol := now.Netpol("shop", "default-deny")
		return !netpol && pods(now, "Deployment", "web") == 0
	})
	s.equalsScratch("after edits and deletions")

	s.kubectl(ciliumCRD, "apply", "-f", "-")
	s.kubectl("", "wait", "--for=condition=Established", "crd/ciliumnetworkpolicies.cilium.io", "--timeout=60s")
	s.kubectl(ciliumNetpol, "apply", "-f", "-")
	s.await("a policy API that the model does not understand", func(now *cluster.Snapshot) bool { return foreign(now) == 1 })
	s.kubectl("", "delete", "crd/ciliumnetworkpolicies.cilium.io")
	s.await("that API to be gone", func(now *cluster.Snapshot) bool { return foreign(now) == 0 })
	s.kindsAppear()

	if err := plane.StopAPIServer(); err != nil {
		t.Fatal(err)
	}
	if n, ok := s.model.Snapshot().Namespace("shop"); !s.model.Synced() || !ok || n.Implied {
		t.Error("without an API server the model forgets")
	}
	if err := plane.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.kubectl("", "-n", "shop", "delete", "statefulset/db", "pod/db-0", "--ignore-not-found")
	s.kubectl(shop, "apply", "-f", "-")
	s.await("what happened after the API server came back", func(now *cluster.Snapshot) bool {
		_, netpol := now.Netpol("shop", "default-deny")
		return netpol && pods(now, "Deployment", "web") == 2 && pods(now, "StatefulSet", "db") == 1
	})
	s.equalsScratch("after the API server came back")

	s.kubectl("", "delete", "namespace", "early", "--wait=false")
	s.await("the namespace to be gone", func(now *cluster.Snapshot) bool { _, ok := now.Namespace("early"); return !ok })
}

// kindsAppear: a definition, of a kind that nobody has told us about, shows in the next
// answer to somebody who asks with the mark of the last one; and where nothing changed
// nothing is sent.
func (s *story) kindsAppear() {
	s.t.Helper()
	discovery, err := live.NewDiscovery(s.plane.REST())
	if err != nil {
		s.t.Fatal(err)
	}
	last, err := discovery(s.t.Context(), "")
	if err != nil || last.Mark == "" || last.Unchanged || len(last.Kinds) == 0 {
		s.t.Fatalf("the first answer: %+v, %v", last, err)
	}
	if again, err := discovery(s.t.Context(), last.Mark); err != nil || !again.Unchanged {
		s.t.Errorf("nothing has changed since, got %+v, %v", again, err)
	}
	const definition = "crd/foonetworkpolicies.example.org"
	s.kubectl(strings.NewReplacer("ciliumnetworkpolicies.cilium.io", "foonetworkpolicies.example.org", "cilium.io", "example.org",
		"CiliumNetworkPolicy", "FooNetworkPolicy", "ciliumnetworkpolicies", "foonetworkpolicies").Replace(ciliumCRD), "apply", "-f", "-")
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	err = controlplane.Await(ctx, "discovery to tell of the new kind", func(ctx context.Context) error {
		now, err := discovery(ctx, last.Mark)
		if err == nil && !slices.ContainsFunc(now.Kinds, func(k live.ServedKind) bool { return k.Kind == "FooNetworkPolicy" && k.Namespaced && k.Listable }) {
			err = fmt.Errorf("unchanged %v", now.Unchanged)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.kubectl("", "wait", "--for=condition=Established", definition, "--timeout=60s")
	s.kubectl(strings.NewReplacer("cilium.io", "example.org", "CiliumNetworkPolicy", "FooNetworkPolicy").Replace(ciliumNetpol), "apply", "-f", "-")
	s.await("an object of a kind that is known by its name only", func(now *cluster.Snapshot) bool { return foreign(now) == 1 })
	s.mayNotBeListed()
	s.kubectl("", "delete", definition)
	s.await("that kind to be gone", func(now *cluster.Snapshot) bool { return foreign(now) == 0 })
}

// mayNotBeListed: to an account that may list the kinds of the model, and nothing else,
// a policy kind that is served is there all the same.
func (s *story) mayNotBeListed() {
	s.t.Helper()
	s.kubectl("", "create", "clusterrole", "reader", "--verb=get,list,watch",
		"--resource=namespaces,pods,networkpolicies,replicationcontrollers,deployments,statefulsets,daemonsets,replicasets,jobs,cronjobs")
	s.kubectl("", "create", "clusterrolebinding", "reader", "--clusterrole=reader", "--user=reader")
	config := s.plane.REST()
	config.Impersonate = rest.ImpersonationConfig{UserName: "reader", Groups: []string{"system:authenticated"}}
	reader := newStoryAs(s.t, s.plane, config)
	reader.start()
	reader.await("a kind that may not be listed", func(now *cluster.Snapshot) bool {
		return slices.ContainsFunc(slices.Collect(now.Foreign()), func(f *cluster.Foreign) bool {
			return *f == cluster.Foreign{Group: "example.org", Kind: "FooNetworkPolicy", Name: cluster.UnreadForeign}
		})
	})
	if n := reader.model.UnreadPolicyKinds(); n != 1 {
		s.t.Errorf("%d kinds are told to be unread, want 1", n)
	}
}

// story is a model beside a real cluster.
type story struct {
	t      *testing.T
	plane  *controlplane.ControlPlane
	direct client.Client
	model  *live.Model
}

func newStory(t *testing.T, plane *controlplane.ControlPlane) *story {
	return newStoryAs(t, plane, plane.REST())
}

func newStoryAs(t *testing.T, plane *controlplane.ControlPlane, config *rest.Config) *story {
	t.Helper()
	source, err := live.NewSource(config)
	if err != nil {
		t.Fatal(err)
	}
	direct, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	discovery, err := live.NewDiscovery(config)
	if err != nil {
		t.Fatal(err)
	}
	model := live.New(source, live.Options{
		Log:    slog.New(slog.NewTextHandler(t.Output(), nil)),
		Reader: direct, Discovery: discovery, ForeignPeriod: time.Second,
	})
	return &story{t: t, plane: plane, direct: direct, model: model}
}

// start runs the model until the test is over.
func (s *story) start() {
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error)
	go func() { done <- s.model.Start(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("model: %v", err)
		}
	})
}

func (s *story) kubectl(stdin string, args ...string) {
	s.t.Helper()
	if _, stderr, err := s.plane.Kubectl(s.t.Context(), stdin, args...); err != nil {
		s.t.Fatalf("kubectl %v: %v\n%s", args, err, stderr)
	}
}

func (s *story) await(what string, condition func(*cluster.Snapshot) bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if !s.model.WaitFor(ctx, condition) {
		s.t.Fatalf("the model does not come to show %s; it holds %v", what, refs(s.model.Snapshot()))
	}
}

// equalsScratch lists everything from the API server, untrimmed, and compares.
// Controllers may still be at work: then both move, and it compares again.
func (s *story) equalsScratch(when string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	err := controlplane.Await(ctx, "the model to equal one built from scratch "+when, func(ctx context.Context) error {
		scratch, err := s.scratch(ctx)
		if err != nil {
			return err
		}
		now := s.model.Snapshot()
		if !reflect.DeepEqual(slices.Collect(now.Objects()), slices.Collect(scratch.Objects())) {
			return fmt.Errorf("model %v, from scratch %v", refs(now), refs(scratch))
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *story) scratch(ctx context.Context) (*cluster.Snapshot, error) {
	var objects []cluster.Object
	for _, list := range []client.ObjectList{
		&corev1.NamespaceList{}, &corev1.PodList{}, &networkingv1.NetworkPolicyList{}, &appsv1.DeploymentList{}, &appsv1.StatefulSetList{},
		&appsv1.DaemonSetList{}, &appsv1.ReplicaSetList{}, &corev1.ReplicationControllerList{}, &batchv1.JobList{}, &batchv1.CronJobList{},
	} {
		if err := s.direct.List(ctx, list); err != nil {
			return nil, err
		}
		err := meta.EachListItem(list, func(api runtime.Object) error {
			o, err := cluster.FromAPI(api)
			objects = append(objects, o)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return cluster.New(objects...)
}

func refs(s *cluster.Snapshot) []string {
	var out []string
	for o := range s.Objects() {
		out = append(out, o.Ref().String())
	}
	return out
}

// pods counts the existing pods of a workload of the shop.
func pods(s *cluster.Snapshot, kind, name string) int {
	w, ok := s.Workload(cluster.Ref{Namespace: "shop", Kind: kind, Name: name})
	if !ok {
		return 0
	}
	n := 0
	for _, v := range w.Variants {
		n += len(v.Pods)
	}
	return n
}

func foreign(s *cluster.Snapshot) int { return len(slices.Collect(s.Foreign())) }
