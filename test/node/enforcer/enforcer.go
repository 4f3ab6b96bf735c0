package enforcer

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// Enforcer keeps the rules of the node that it runs on up to date.
type Enforcer struct {
	client  kubernetes.Interface
	node    netip.Addr
	changed chan struct{} // holds one entry when there is something to do

	mu      sync.Mutex
	applied string
	err     error // why the last rules could not be made
	off     bool  // nothing is enforced, as by a network plugin that ignores NetworkPolicies
}

// New makes an enforcer for the node with an address. Run has to be called.
func New(client kubernetes.Interface, node netip.Addr) *Enforcer {
	return &Enforcer{client: client, node: node, changed: make(chan struct{}, 1)}
}

// Run applies rules until ctx ends.
func (e *Enforcer) Run(ctx context.Context) error {
	factory := informers.NewSharedInformerFactory(e.client, 0)
	namespaces, pods, netpols := factory.Core().V1().Namespaces(), factory.Core().V1().Pods(), factory.Networking().V1().NetworkPolicies()
	notify := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { e.notify() },
		UpdateFunc: func(any, any) { e.notify() },
		DeleteFunc: func(any) { e.notify() },
	}
	for _, informer := range []cache.SharedIndexInformer{namespaces.Informer(), pods.Informer(), netpols.Informer()} {
		if _, err := informer.AddEventHandler(notify); err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	factory.WaitForCacheSync(ctx.Done())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.changed:
		}
		var c Cluster
		var errs [3]error
		c.Namespaces, errs[0] = namespaces.Lister().List(labels.Everything())
		c.Pods, errs[1] = pods.Lister().List(labels.Everything())
		c.Netpols, errs[2] = netpols.Lister().List(labels.Everything())
		if err := errors.Join(errs[:]...); err != nil {
			return err
		}
		e.apply(ctx, c)
	}
}

func (e *Enforcer) notify() {
	select {
	case e.changed <- struct{}{}:
	default: // there is something to do already
	}
}

// Switch turns enforcing off, so that all packets pass whatever the netpols say, and on again. It
// takes a moment; see Settled.
func (e *Enforcer) Switch(on bool) {
	e.mu.Lock()
	e.off = !on
	e.mu.Unlock()
	e.notify()
}

// enforced is what rules are made for.
func (e *Enforcer) enforced(c Cluster) Cluster {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.off {
		return Cluster{}
	}
	return c
}

func (e *Enforcer) apply(ctx context.Context, c Cluster) {
	rules, err := Rules(e.enforced(c), e.node)
	if err == nil && rules != e.inForce() {
		err = load(ctx, rules)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err = err; err == nil {
		e.applied = rules
	}
}

func (e *Enforcer) inForce() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.applied
}

// Settled returns nil if the rules in force are those for what the API server holds now.
func (e *Enforcer) Settled(ctx context.Context) error {
	var c Cluster
	namespaces, err := e.client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	pods, err := e.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	netpols, err := e.client.NetworkingV1().NetworkPolicies("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	c.Namespaces, c.Pods, c.Netpols = pointers(namespaces.Items), pointers(pods.Items), pointers(netpols.Items)
	want, err := Rules(e.enforced(c), e.node)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.err != nil:
		return e.err
	case e.applied != want:
		return errors.New("the rules in force are older than the cluster")
	}
	return nil
}

func pointers[T any](items []T) []*T {
	out := make([]*T, len(items))
	for i := range items {
		out[i] = &items[i]
	}
	return out
}

// load gives rules to the kernel, all or none.
func load(ctx context.Context, rules string) error {
	nft := exec.CommandContext(ctx, "nft", "-f", "-")
	nft.Stdin = strings.NewReader(rules)
	if out, err := nft.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s\n%s", err, out, rules)
	}
	return nil
}
