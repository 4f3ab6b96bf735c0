package controlplane_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podcullis/podcullis/test/controlplane"
	"github.com/podcullis/podcullis/test/controlplane/binaries"
)

// patience is how long a condition may take to come true on a busy machine.
const patience = time.Minute

func TestControlPlane(t *testing.T) {
	plane := controlplane.Start(t, controlplane.Options{})
	for name, test := range map[string]func(*testing.T, *controlplane.ControlPlane){
		"ServerAndClientsKnowTheirVersions":          knowsVersions,
		"DeploymentGetsItsPods":                      deploymentGetsPods,
		"NamespaceFinishesDeleting":                  namespaceFinishesDeleting,
		"ServiceAccountTokenAuthenticates":           tokenAuthenticates,
		"UserIsRefusedByRBACAndTheAuditLogTellsWhom": userIsRefused,
		"UserIsAllowedWhatTheirGroupIsGranted":       userIsAllowed,
		"HelmInstallsAndKeepsToItself":               helmInstalls,
		"KubectlErrorTellsWhatItSaid":                kubectlErrorTells,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, plane)
		})
	}
}

func knowsVersions(t *testing.T, plane *controlplane.ControlPlane) {
	root, err := binaries.Root(".")
	if err != nil {
		t.Fatal(err)
	}
	version, err := binaries.Kubernetes(root)
	if err != nil {
		t.Fatal(err)
	}
	stdout := kubectl(t, plane, "", "version")
	for _, want := range []string{"Client Version: " + version, "Server Version: " + version} {
		if !strings.Contains(stdout, want) {
			t.Errorf("kubectl version: want %q in\n%s", want, stdout)
		}
	}
	stdout, _, err = plane.Helm(t.Context(), "version", "--template", "{{.Version}}")
	if err != nil {
		t.Fatal(err)
	}
	if stdout != "v4.3.1" {
		t.Errorf("helm version: got %q, want v4.3.1", stdout)
	}
}

func deploymentGetsPods(t *testing.T, plane *controlplane.ControlPlane) {
	namespace(t, plane, "deployments")
	kubectl(t, plane, "", "-n", "deployments", "create", "deployment", "web", "--image=example.test/web", "--replicas=3")
	await(t, "three pods of a ReplicaSet", func(context.Context) error {
		owners := kubectl(t, plane, "", "-n", "deployments", "get", "pods", "-l", "app=web",
			"-o", "jsonpath={.items[*].metadata.ownerReferences[0].kind}")
		if owners != "ReplicaSet ReplicaSet ReplicaSet" {
			return fmt.Errorf("owners of pods: %q", owners)
		}
		return nil
	})
	event := awaitAudit(t, plane, func(e controlplane.AuditEvent) bool {
		return e.ObjectRef.Resource == "pods" && e.ObjectRef.Namespace == "deployments" && e.Verb == "create"
	})
	if want := "system:serviceaccount:kube-system:replicaset-controller"; event.User.Username != want {
		t.Errorf("pods were created by %s, want %s", event.User.Username, want)
	}
}

func namespaceFinishesDeleting(t *testing.T, plane *controlplane.ControlPlane) {
	namespace(t, plane, "doomed")
	kubectl(t, plane, "", "-n", "doomed", "create", "configmap", "content")
	kubectl(t, plane, "", "delete", "namespace", "doomed", "--wait=false")
	await(t, "the end of the namespace", func(context.Context) error {
		if left := kubectl(t, plane, "", "get", "namespace", "doomed", "--ignore-not-found", "-o", "name"); left != "" {
			return fmt.Errorf("%s is still there", left)
		}
		return nil
	})
}

func tokenAuthenticates(t *testing.T, plane *controlplane.ControlPlane) {
	namespace(t, plane, "tokens")
	token := strings.TrimSpace(kubectl(t, plane, "", "-n", "tokens", "create", "token", "default"))
	config := plane.REST()
	config.BearerToken = token
	config.CertData, config.KeyData = nil, nil
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.CoreV1().Secrets("tokens").List(t.Context(), metav1.ListOptions{})
	if want := `User "system:serviceaccount:tokens:default" cannot list resource "secrets"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("list secrets with a token: got %v, want %s", err, want)
	}
}

func userIsRefused(t *testing.T, plane *controlplane.ControlPlane) {
	namespace(t, plane, "private")
	kubeconfig, err := plane.UserKubeconfig("mallory", "outsiders")
	if err != nil {
		t.Fatal(err)
	}
	_, stderr, err := plane.Kubectl(t.Context(), "", "--kubeconfig", kubeconfig, "-n", "private", "create", "configmap", "mine")
	if want := `User "mallory" cannot create resource "configmaps"`; err == nil || !strings.Contains(stderr, want) {
		t.Fatalf("create as mallory: got %v and %q, want %s", err, stderr, want)
	}
	event := awaitAudit(t, plane, func(e controlplane.AuditEvent) bool {
		return e.User.Username == "mallory" && e.ObjectRef.Resource == "configmaps"
	})
	if event.ResponseStatus.Code != 403 || event.Verb != "create" || event.ObjectRef.Namespace != "private" {
		t.Errorf("audit event: got %+v, want a create in private answered 403", event)
	}
	if got := event.Annotations["authorization.k8s.io/decision"]; got != "forbid" {
		t.Errorf("audit annotation of the decision: got %q, want forbid", got)
	}
	if groups := strings.Join(event.User.Groups, " "); !strings.Contains(groups, "outsiders") {
		t.Errorf("audit event: groups %s, want outsiders among them", groups)
	}
}

func userIsAllowed(t *testing.T, plane *controlplane.ControlPlane) {
	namespace(t, plane, "shared")
	kubectl(t, plane, "", "-n", "shared", "create", "rolebinding", "editors", "--clusterrole=edit", "--group=editors")
	config, err := plane.UserREST("alice", "editors")
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the role binding to be known to the authorizer", func(ctx context.Context) error {
		_, err := client.CoreV1().ConfigMaps("shared").List(ctx, metav1.ListOptions{})
		return err
	})
}

func helmInstalls(t *testing.T, plane *controlplane.ControlPlane) {
	chart := filepath.Join(t.TempDir(), "example")
	if _, _, err := plane.Helm(t.Context(), "create", chart); err != nil {
		t.Fatal(err)
	}
	_, _, err := plane.Helm(t.Context(), "install", "example", chart, "--namespace", "charts", "--create-namespace")
	if err != nil {
		t.Fatal(err)
	}
	got := kubectl(t, plane, "", "-n", "charts", "get", "deployments", "-o", "name")
	if want := "deployment.apps/example\n"; got != want {
		t.Errorf("deployments of the chart: got %q, want %q", got, want)
	}
	stdout, _, err := plane.Helm(t.Context(), "env", "HELM_CACHE_HOME")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stdout, plane.Dir) {
		t.Errorf("helm caches in %s, want a folder in %s", strings.TrimSpace(stdout), plane.Dir)
	}
}

func kubectlErrorTells(t *testing.T, plane *controlplane.ControlPlane) {
	_, _, err := plane.Kubectl(t.Context(), "", "get", "configmap", "absent")
	if err == nil {
		t.Fatal("get of an absent object: no error")
	}
	want := `kubectl get configmap absent: exit status 1: Error from server (NotFound): configmaps "absent" not found`
	if got := err.Error(); got != want {
		t.Errorf("error:\n got %s\nwant %s", got, want)
	}
}

func TestAPIServerRestartKeepsWhatWasStored(t *testing.T) {
	plane := controlplane.Start(t, controlplane.Options{})
	kubectl(t, plane, "", "create", "configmap", "before")
	if err := plane.StopAPIServer(); err != nil {
		t.Fatal(err)
	}
	if _, stderr, err := plane.Kubectl(t.Context(), "", "get", "configmap", "before"); err == nil || !strings.Contains(stderr, "refused") {
		t.Fatalf("kubectl while the API server is down: got %v and %q, want a refused connection", err, stderr)
	}
	if err := plane.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := plane.StartAPIServer(t.Context()); err == nil {
		t.Error("start of a running API server: no error")
	}
	kubectl(t, plane, "", "get", "configmap", "before")
	// The controllers find their way back without being restarted.
	if err := plane.CreateNamespace(t.Context(), "after", map[string]string{"tier": "db"}); err != nil {
		t.Fatal(err)
	}
}

func TestSchedulerAssignsPods(t *testing.T) {
	plane := controlplane.Start(t, controlplane.Options{Scheduler: true})
	kubectl(t, plane, schedulerManifests, "apply", "-f", "-")
	// There is no kubelet, so this test says what one would.
	kubectl(t, plane, "", "patch", "node", "worker", "--subresource=status", "--patch",
		`{"status":{"capacity":{"pods":"10"},"allocatable":{"pods":"10"},"conditions":[{"type":"Ready","status":"True"}]}}`)
	await(t, "the pod to be bound", func(context.Context) error {
		if node := kubectl(t, plane, "", "get", "pod", "web", "-o", "jsonpath={.spec.nodeName}"); node != "worker" {
			return fmt.Errorf("the pod's node is %q", node)
		}
		return nil
	})
	event := awaitAudit(t, plane, func(e controlplane.AuditEvent) bool { return e.ObjectRef.Subresource == "binding" })
	if want := "system:kube-scheduler"; event.User.Username != want {
		t.Errorf("the pod was bound by %s, want %s", event.User.Username, want)
	}
}

const schedulerManifests = `
apiVersion: v1
kind: Node
metadata:
  name: worker
---
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  tolerations: [{operator: Exists}]
  containers: [{name: web, image: example.test/web}]
`

func TestRunThatFailsShowsTheLog(t *testing.T) {
	bin := controlplane.Bin(t)
	options := controlplane.Options{APIServerArgs: []string{"--no-such-flag"}}
	plane, err := controlplane.Run(t.Context(), bin, t.TempDir(), options)
	if err == nil {
		t.Fatal("started despite an unknown flag:", plane.Stop())
	}
	for _, want := range []string{"start kube-apiserver", "exit status 1", "kube-apiserver.log", "unknown flag: --no-such-flag"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in the error:\n%v", want, err)
		}
	}
}

func TestRunRefusesAFolderInUse(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "precious"), "")
	_, err := controlplane.Run(t.Context(), "no-programs", dir, controlplane.Options{})
	if err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("got %v, want an error about a folder that is not empty", err)
	}
}

func kubectl(t *testing.T, plane *controlplane.ControlPlane, stdin string, args ...string) string {
	t.Helper()
	stdout, _, err := plane.Kubectl(t.Context(), stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return stdout
}

func namespace(t *testing.T, plane *controlplane.ControlPlane, name string) {
	t.Helper()
	if err := plane.CreateNamespace(t.Context(), name, nil); err != nil {
		t.Fatal(err)
	}
}

func await(t *testing.T, what string, condition func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := controlplane.Await(ctx, what, condition); err != nil {
		t.Fatal(err)
	}
}

func awaitAudit(t *testing.T, plane *controlplane.ControlPlane, matches func(controlplane.AuditEvent) bool) controlplane.AuditEvent {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	event, err := plane.AwaitAuditEvent(ctx, matches)
	if err != nil {
		t.Fatal(err)
	}
	return event
}
