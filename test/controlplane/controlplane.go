package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// startTimeout is how long one program may take to become ready. An idle machine needs three
// seconds; several test packages at once on two cores need many more.
const startTimeout = 2 * time.Minute

// Options are what a control plane can differ in. The zero value is fine for most tests.
type Options struct {
	// Scheduler also starts kube-scheduler. Without it pods stay unassigned, even if there are
	// Node objects.
	Scheduler bool
	// AuditPolicy is the API server's audit policy in YAML (audit.k8s.io/v1). Empty means one that
	// records the metadata of every request that writes, and nothing of those that read.
	AuditPolicy string
	// APIServerArgs and ControllerManagerArgs are flags added to ours. A flag given twice has the
	// last value.
	APIServerArgs, ControllerManagerArgs []string
	// APIServerPort is where the API server listens; 0 stands for some free port.
	APIServerPort int
}

// ControlPlane is a running control plane. Its methods may be used concurrently, except those that
// stop and start.
type ControlPlane struct {
	// Dir holds everything that was written: logs in logs/<program>.log, certificates, state.
	Dir string
	// Bin is the folder of the programs, kubectl and helm among them.
	Bin string
	// URL is where the API server listens, such as https://127.0.0.1:23456.
	URL string
	// Kubeconfig is the path of a kubeconfig for a member of system:masters.
	Kubeconfig string
	// AuditLog is the path of the API server's audit log; see AuditEvents.
	AuditLog string

	options Options
	ports   ports
	certs   *authority
	admin   *rest.Config
	client  *kubernetes.Clientset

	mu        sync.Mutex
	processes map[string]*process // by program; those that were not stopped
	beside    []string            // the programs of Launch, in the order of their start
}

// Run starts a control plane with the programs in bin and returns when it is ready for use: the API
// server answers, and the default namespace has its service account. dir must be absent or empty.
// The caller must call Stop. ctx limits the start only. An error holds the end of the log of the
// program that did not come up.
func Run(ctx context.Context, bin, dir string, options Options) (*ControlPlane, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	c := &ControlPlane{
		Dir:        dir,
		Bin:        bin,
		Kubeconfig: filepath.Join(dir, "admin.kubeconfig"),
		AuditLog:   filepath.Join(dir, "audit.log"),
		options:    options,
		processes:  map[string]*process{},
	}
	if err := c.prepare(); err != nil {
		return nil, fmt.Errorf("prepare control plane in %s: %w", dir, err)
	}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// prepare writes the files that programs are started with.
func (c *ControlPlane) prepare() error {
	entries, err := os.ReadDir(c.Dir)
	switch {
	case err == nil && len(entries) > 0:
		return errors.New("the folder is not empty")
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return err
	}
	for _, name := range []string{"logs", "pki", "users", "home"} {
		if err := os.MkdirAll(filepath.Join(c.Dir, name), 0o700); err != nil {
			return err
		}
	}
	if c.ports, err = choosePorts(); err != nil {
		return err
	}
	if port := c.options.APIServerPort; port != 0 {
		c.ports.apiServer = port
	}
	c.URL = fmt.Sprintf("https://127.0.0.1:%d", c.ports.apiServer)
	if c.certs, err = newAuthority(filepath.Join(c.Dir, "pki")); err != nil {
		return err
	}
	auditPolicy := c.options.AuditPolicy
	if auditPolicy == "" {
		auditPolicy = auditWrites
	}
	if err := os.WriteFile(c.auditPolicyFile(), []byte(auditPolicy), 0o600); err != nil {
		return err
	}
	if err := c.writeKubeconfig(c.Kubeconfig, "admin", "system:masters"); err != nil {
		return err
	}
	for _, name := range []string{kubeControllerManager, kubeScheduler} {
		if err := c.writeKubeconfig(c.componentKubeconfig(name), "system:"+name); err != nil {
			return err
		}
	}
	if c.admin, err = restConfig(c.Kubeconfig); err != nil {
		return err
	}
	c.client, err = kubernetes.NewForConfig(c.admin)
	return err
}

func (c *ControlPlane) start(ctx context.Context) error {
	for _, p := range []program{c.etcd(), c.apiServer()} {
		if err := c.launch(ctx, p); err != nil {
			return err
		}
	}
	clients := []program{c.controllerManager()}
	if c.options.Scheduler {
		clients = append(clients, c.scheduler())
	}
	if err := c.launch(ctx, clients...); err != nil {
		return err
	}
	return c.awaitServiceAccount(ctx, metav1.NamespaceDefault)
}

// launch starts the programs and waits until they are ready.
func (c *ControlPlane) launch(ctx context.Context, programs ...program) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	started := make([]*process, 0, len(programs))
	for _, p := range programs {
		running, err := startProcess(filepath.Join(c.Bin, p.name), p.args, c.environment(), c.logFile(p.name))
		if err != nil {
			return fmt.Errorf("start %s: %w", p.name, err)
		}
		started = append(started, running)
		c.mu.Lock()
		c.processes[p.name] = running
		c.mu.Unlock()
	}
	for i, p := range programs {
		if err := started[i].awaitReady(ctx, p.ready); err != nil {
			return fmt.Errorf("start %s: %w", p.name, err)
		}
	}
	return nil
}

// Stop kills every program, in the reverse order of their start, and leaves Dir as it is. An error
// says which of them had ended on its own before, and why.
func (c *ControlPlane) Stop() error {
	var errs []error
	for _, name := range c.launched() {
		errs = append(errs, c.stop(name))
	}
	for _, name := range []string{kubeScheduler, kubeControllerManager, kubeAPIServer, etcd} {
		errs = append(errs, c.stop(name))
	}
	return errors.Join(errs...)
}

func (c *ControlPlane) stop(name string) error {
	c.mu.Lock()
	running := c.processes[name]
	delete(c.processes, name)
	c.mu.Unlock()
	if running == nil {
		return nil
	}
	return running.stop()
}

// StopAPIServer kills kube-apiserver and nothing else, as a crash would. etcd keeps what was stored.
func (c *ControlPlane) StopAPIServer() error { return c.stop(kubeAPIServer) }

// StartAPIServer starts kube-apiserver again after StopAPIServer, on the same port and with the same
// certificates, and returns when it is ready. The audit log continues.
func (c *ControlPlane) StartAPIServer(ctx context.Context) error {
	return c.startAgain(ctx, c.apiServer())
}

// StopEtcd kills etcd and nothing else, as a crash would. What it has stored stays on disk.
func (c *ControlPlane) StopEtcd() error { return c.stop(etcd) }

// StartEtcd starts etcd again after StopEtcd, with what it had stored, and returns when it is ready.
func (c *ControlPlane) StartEtcd(ctx context.Context) error { return c.startAgain(ctx, c.etcd()) }

func (c *ControlPlane) startAgain(ctx context.Context, p program) error {
	c.mu.Lock()
	_, running := c.processes[p.name]
	c.mu.Unlock()
	if running {
		return fmt.Errorf("start %s: already started", p.name)
	}
	return c.launch(ctx, p)
}

// CreateNamespace creates a namespace and waits for its default service account, without which the
// API server refuses pods.
func (c *ControlPlane) CreateNamespace(ctx context.Context, name string, labels map[string]string) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	if _, err := c.client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create namespace %s: %w", name, err)
	}
	return c.awaitServiceAccount(ctx, name)
}

func (c *ControlPlane) awaitServiceAccount(ctx context.Context, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return Await(ctx, "the default service account of namespace "+namespace, func(ctx context.Context) error {
		_, err := c.client.CoreV1().ServiceAccounts(namespace).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}
