package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podcullis/podcullis/test/bench/load"
	"github.com/podcullis/podcullis/test/bench/town"
	"github.com/podcullis/podcullis/test/controlplane"
	"github.com/podcullis/podcullis/test/controlplane/binaries"
)

// measureMemory fills a real API server with the town and lets the real webhook
// follow it.
func (s *sheet) measureMemory(ctx context.Context) (err error) {
	bin, present, err := controlPlane()
	if err != nil {
		return err
	}
	if !present {
		s.skip("memory", "the programs of the test control plane are not built: "+binaries.BuildCommand)
		return nil
	}
	dir, err := os.MkdirTemp("", "podcullis-bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := build(ctx, dir); err != nil {
		return err
	}
	// Nobody may work on the objects: pods are created as controllers and kubelets
	// would have left them.
	plane, err := controlplane.Run(ctx, bin, filepath.Join(dir, "plane"), controlplane.Options{
		ControllerManagerArgs: []string{"--controllers=serviceaccount-controller"},
		APIServerArgs:         []string{"--max-requests-inflight=2000", "--max-mutating-requests-inflight=1000", "--disable-admission-plugins=ServiceAccount"},
		AuditPolicy:           "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None}]\n",
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plane.Stop()) }()
	began := time.Now()
	if err := settle(ctx, plane.Kubeconfig, s.town()); err != nil {
		return err
	}
	s.say("  %s created in %s", s.town(), time.Since(began).Round(time.Second))

	server, err := startWebhook(ctx, dir, plane.Kubeconfig)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	r, err := newReviewer(s.town())
	if err != nil {
		return err
	}
	d := &duel{own: server}
	if d.bodies, err = r.mix(); err != nil {
		return err
	}
	answered := load.Open(ctx, clients, 200, s.phase*time.Duration(s.rounds), d.asking(server))
	if answered.First != nil {
		return answered.First
	}
	rss, err := server.memory("VmRSS")
	if err != nil {
		return err
	}
	peak, err := server.memory("VmHWM")
	how := fmt.Sprintf("of the process, after %d reviews at 200/s, %s; a real API server; %s", len(answered.Latencies), mixText, s.town())
	s.put("memory-rss", rss/1e6, 1, "VmRSS %s", how)
	s.put("memory-rss-peak", peak/1e6, 1, "VmHWM %s", how)
	return err
}

func controlPlane() (bin string, present bool, err error) {
	root, err := binaries.Root(".")
	if err != nil {
		return "", false, err
	}
	if bin, err = binaries.Dir(root); err != nil {
		return "", false, err
	}
	present, err = binaries.Present(bin)
	return bin, present, err
}

// settle creates the town in an API server, statuses of pods included.
func settle(ctx context.Context, kubeconfig string, p town.Plan) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	c, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	var namespaces, others []client.Object
	for o := range p.Objects() {
		if _, ok := o.(*corev1.Namespace); ok {
			namespaces = append(namespaces, o)
		} else {
			others = append(others, o)
		}
	}
	for _, list := range [][]client.Object{namespaces, others} {
		if err := createAll(ctx, c, list); err != nil {
			return err
		}
	}
	return nil
}

func createAll(ctx context.Context, c client.Client, objects []client.Object) error {
	work := make(chan client.Object)
	failed := make(chan error, clients)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for range clients {
		go func() {
			var err error
			for o := range work {
				if err == nil {
					if err = create(ctx, c, o); err != nil {
						cancel(err)
					}
				}
			}
			failed <- err
		}()
	}
	for _, o := range objects {
		work <- o
	}
	close(work)
	var errs []error
	for range clients {
		errs = append(errs, <-failed)
	}
	return errors.Join(errs...)
}

func create(ctx context.Context, c client.Client, o client.Object) error {
	o.SetUID("") // the API server gives its own
	wanted, isPod := o.DeepCopyObject().(*corev1.Pod)
	if isPod {
		o.(*corev1.Pod).Spec.ServiceAccountName = "default"
	}
	err := c.Create(ctx, o)
	switch {
	case apierrors.IsAlreadyExists(err):
		return c.Update(ctx, o) // kube-system is there from the start
	case err != nil:
		return fmt.Errorf("create %s/%s: %w", o.GetNamespace(), o.GetName(), err)
	case !isPod:
		return nil
	}
	pod := o.(*corev1.Pod)
	pod.Status = wanted.Status
	if err := c.Status().Update(ctx, pod); err != nil {
		return fmt.Errorf("set the status of pod %s/%s: %w", o.GetNamespace(), o.GetName(), err)
	}
	return nil
}
