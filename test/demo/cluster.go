package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/podcullis/podcullis/test/controlplane"
	"github.com/podcullis/podcullis/test/controlplane/binaries"
)

// clusterGate is a real API server that asks a real webhook.
type clusterGate struct {
	plane  *controlplane.ControlPlane
	server *server
}

func (g *clusterGate) stop() error { return errors.Join(g.server.stop(), g.plane.Stop()) }

func startClusterGate(ctx context.Context, bin, dir, root string, progress io.Writer) (g *clusterGate, err error) {
	programs, err := binaries.Build(ctx, root, progress)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(progress, "starting etcd, kube-apiserver and kube-controller-manager ...")
	g = &clusterGate{}
	if g.plane, err = controlplane.Run(ctx, programs, filepath.Join(dir, "control-plane"), controlplane.Options{}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.plane.Stop())
		}
	}()
	if g.server, err = startServer(ctx, bin, dir, "--kubeconfig="+g.plane.Kubeconfig); err != nil {
		return nil, err
	}
	if err := g.fill(ctx); err != nil {
		return nil, errors.Join(err, g.server.stop())
	}
	return g, nil
}

// fill registers the webhook and then applies the shop through it.
func (g *clusterGate) fill(ctx context.Context) error {
	if _, _, err := g.plane.Kubectl(ctx, configuration(g.server), "apply", "-f", "-"); err != nil {
		return err
	}
	err := controlplane.Await(ctx, "the API server asks the webhook", func(ctx context.Context) error {
		_, stderr, err := g.plane.Kubectl(ctx, probe, "create", "--dry-run=server", "-f", "-")
		if err != nil && strings.Contains(stderr, "denied the request") {
			return nil
		}
		return fmt.Errorf("a pod that nothing isolates was not refused: %s %w", stderr, err)
	})
	if err != nil {
		return err
	}
	for _, path := range []string{"examples/shop", "test/demo/neighbours.yaml"} {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		if _, _, err := g.plane.Kubectl(ctx, "", "apply", "-f", absolute); err != nil {
			return err
		}
	}
	return controlplane.Await(ctx, "a pod of the frontend", func(ctx context.Context) error {
		names, _, err := g.plane.Kubectl(ctx, "", "-n", "shop", "get", "pods", "-l", "app=frontend", "-o", "name")
		if err == nil && strings.TrimSpace(names) == "" {
			return errors.New("there is none")
		}
		return err
	})
}

// try runs kubectl. What it says on stderr is the answer, whatever it is.
func (g *clusterGate) try(ctx context.Context, s step) (answer, error) {
	stdout, stderr, err := g.plane.Kubectl(ctx, s.stdin, s.kubectl...)
	if err == nil {
		return answer{allowed: true, text: stdout + stderr}, nil
	}
	if !strings.Contains(stderr, "denied the request") {
		return answer{}, err
	}
	return answer{text: stderr}, nil
}

const probe = `apiVersion: v1
kind: Pod
metadata: {name: probe, namespace: default}
spec:
  containers:
  - {name: probe, image: probe}
`

// configuration registers the webhook for every door.
func configuration(s *server) string {
	return fmt.Sprintf(`apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: podcullis}
webhooks:
- name: validate.podcullis.io
  clientConfig:
    url: %s
    caBundle: %s
  rules:
  - apiGroups: [networking.k8s.io]
    apiVersions: [v1]
    operations: [CREATE, UPDATE, DELETE]
    resources: [networkpolicies]
  - apiGroups: [""]
    apiVersions: [v1]
    operations: [CREATE, UPDATE, DELETE]
    resources: [namespaces, namespaces/status, namespaces/finalize, pods, pods/status, pods/binding, bindings, replicationcontrollers, replicationcontrollers/status]
  - apiGroups: [apps]
    apiVersions: [v1]
    operations: [CREATE, UPDATE, DELETE]
    resources: [deployments, deployments/status, statefulsets, statefulsets/status, daemonsets, daemonsets/status, replicasets, replicasets/status]
  - apiGroups: [batch]
    apiVersions: [v1]
    operations: [CREATE, UPDATE, DELETE]
    resources: [jobs, jobs/status, cronjobs, cronjobs/status]
  failurePolicy: Fail
  matchPolicy: Equivalent
  sideEffects: None
  timeoutSeconds: 10
  admissionReviewVersions: [v1]
`, s.url, base64.StdEncoding.EncodeToString(s.caBundle))
}
