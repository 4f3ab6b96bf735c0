package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	admissionregistrationv1client "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podcullis/podcullis/cluster/live"
	"github.com/podcullis/podcullis/ledger"
	"github.com/podcullis/podcullis/ledger/lease"
	"github.com/podcullis/podcullis/webhook"
)

const (
	// ledgerName is that of the Lease, in the namespace of the pod.
	ledgerName = "podcullis-ledger"
	// collectionSlack is what etcd may add to the API server's time for a collection.
	collectionSlack = 5 * time.Second
	// freshTimeout is for the question whether anybody was asked before.
	freshTimeout = 3 * time.Second
	// quorumTimeout is for reading what became of one object.
	quorumTimeout = 3 * time.Second

	namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// inFlight are the changes that were allowed and may not have happened yet. nil keeps none.
type inFlight struct {
	book       *ledger.Book
	guardrails *guardrailFiles
	// own is the namespace of the pod: what serves must come up whatever the ledger is.
	own string
	// model is what CatchUp compares. It is set before run.
	model *live.Model
}

// newInFlight is the ledger that the flags ask for, and says in the log which.
func newInFlight(ctx context.Context, o *options, config *rest.Config, guardrails *guardrailFiles, log *slog.Logger, registry prometheus.Registerer) (*inFlight, error) {
	mode, why := o.chosenConsistency()
	if mode == observe {
		log.Info("consistency", "is", mode, "because", why)
		return nil, nil
	}
	resources := watched(guardrails)
	reader, err := newQuorum(config, resources)
	if err != nil {
		return nil, err
	}
	f := &inFlight{guardrails: guardrails}
	options := ledger.Options{
		Store: ledger.NewMemory(), Now: time.Now, Random: rand.Float64, Replica: replicaName(), Replicas: o.replicas,
		Collection: o.requestTimeout + collectionSlack,
		Set:        func() string { return *guardrails.set.Load() },
		Quorum:     reader.outcome, Newest: reader.newest,
		CatchUp: func(ctx context.Context, resource string) error { return f.model.CatchUp(ctx, resource) },
	}
	for resource := range resources {
		options.Resources = append(options.Resources, resource)
	}
	slices.Sort(options.Resources)
	shown := []any{"is", mode, "because", why}
	if o.kubeconfig == "" {
		own, err := os.ReadFile(namespaceFile)
		if err != nil && o.ledger == "" {
			return nil, fmt.Errorf("--ledger: the namespace of the pod: %w", err)
		}
		f.own = strings.TrimSpace(string(own))
	}
	if mode == strict {
		name, err := ledgerOf(o, f.own)
		if err != nil {
			return nil, err
		}
		if options.Store, err = lease.New(config, name); err != nil {
			return nil, err
		}
		shown = append(shown, "ledger", name.String())
	} else {
		options.Barrier = options.Collection // no replica lets a pod through that another's change outdates
	}
	options.Fresh = needsNoBarrier(o, mode)
	if !options.Fresh {
		if options.Fresh, err = nobodyWasAsked(ctx, config); err != nil {
			shown = append(shown, "barrierBecause", err.Error())
		}
	}
	log.Info("consistency", shown...)
	f.book = ledger.New(options)
	f.measure(registry)
	return f, nil
}

// needsNoBarrier reports whether it does no harm to forget at a start what was in flight:
// nothing is refused anyway, or there are replicas that never know of each other's.
func needsNoBarrier(o *options, mode string) bool {
	return webhook.Mode(o.mode) == webhook.Audit || (mode == local && o.replicas > 1)
}

// measure shows what the ledger holds and what it costs.
func (f *inFlight) measure(registry prometheus.Registerer) {
	gauge := func(name, help string, value func(ledger.View) float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(f.book.View()) }))
	}
	counter := func(name, help string, value func(ledger.Stats) uint64) {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value(f.book.Stats())) }))
	}
	gauge("podcullis_ledger_entries", "Changes that were allowed and may not have happened yet, as this replica knows them.",
		func(v ledger.View) float64 { return float64(len(v.Entries)) })
	gauge("podcullis_ledger_barrier", "1 while it is not known what was in flight, because the ledger was lost or there was none.", func(v ledger.View) float64 {
		if slices.ContainsFunc(v.Entries, func(e ledger.Entry) bool { return e.Operation == ledger.Barrier }) {
			return 1
		}
		return 0
	})
	counter("podcullis_ledger_writes_total", "Writes of the ledger, each of one or more changes.", func(s ledger.Stats) uint64 { return s.Writes })
	counter("podcullis_ledger_conflicts_total", "Writes that another replica was ahead of.", func(s ledger.Stats) uint64 { return s.Conflicts })
	counter("podcullis_ledger_written_bytes_total", "Bytes of the ledger that were written.", func(s ledger.Stats) uint64 { return s.Bytes })
}

// into gives the ledger to a judge.
func (f *inFlight) into(o *webhook.JudgeOptions) {
	if f == nil {
		return
	}
	o.Ledger = f.book
	o.Everywhere = f.guardrails.engine.LooksEverywhere
	o.Exempt = func(namespace string) bool {
		return (f.own != "" && namespace == f.own) || f.guardrails.engine.Excludes(namespace)
	}
}

// run follows the ledger until ctx ends.
func (f *inFlight) run(ctx context.Context) {
	if f != nil {
		f.book.Run(ctx)
	}
}

// follows gives the model to the ledger.
func (f *inFlight) follows(m *live.Model) {
	if f != nil {
		f.model = m
	}
}

// observer tells the ledger what the model holds.
func (f *inFlight) observer() live.Observer {
	if f == nil {
		return nil
	}
	return observer{f.book}
}

type observer struct{ book *ledger.Book }

func (o observer) Observed(x live.Observation) {
	o.book.Observe(ledger.Observation{
		Resource: x.Resource, Ref: x.Ref, UID: x.UID, ResourceVersion: x.ResourceVersion,
		Deleted: x.Deleted, Terminating: x.Terminating, Bound: x.Bound,
	})
}

func (o observer) Applied(resource, version string) { o.book.Applied(resource, version) }

func (o observer) Listed(resource, version string) { o.book.Listed(resource, version) }

// watched are the resources of the model, by the name that entries have.
func watched(guardrails *guardrailFiles) map[string]schema.GroupVersionResource {
	out := map[string]schema.GroupVersionResource{}
	for _, r := range live.Resources() {
		out[r.GroupResource().String()] = r
	}
	if guardrails.entries {
		for _, r := range live.EntryResources() {
			out[r.GroupResource().String()] = r
		}
	}
	for _, c := range guardrails.custom {
		out[c.GroupVersionResource.GroupResource().String()] = c.GroupVersionResource
	}
	return out
}

func replicaName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "replica"
	}
	return fmt.Sprintf("%s-%d-%x", host, os.Getpid(), rand.Uint32())
}

// ledgerOf is the Lease that replicas share.
func ledgerOf(o *options, own string) (types.NamespacedName, error) {
	if namespace, name, found := strings.Cut(o.ledger, "/"); found {
		return types.NamespacedName{Namespace: namespace, Name: name}, nil
	}
	if o.kubeconfig == "" {
		return types.NamespacedName{Namespace: own, Name: ledgerName}, nil
	}
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: o.kubeconfig}
	namespace, _, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).Namespace()
	if err != nil {
		return types.NamespacedName{}, fmt.Errorf("--kubeconfig: %w", err)
	}
	return types.NamespacedName{Namespace: namespace, Name: ledgerName}, nil
}

// nobodyWasAsked reports whether nothing can be in flight although there is no ledger:
// no webhook is registered that is asked about netpols, so that there was nobody before
// us who allowed one. The error says why that is not certain.
func nobodyWasAsked(ctx context.Context, config *rest.Config) (bool, error) {
	c := rest.CopyConfig(config)
	c.Timeout = freshTimeout
	api, err := admissionregistrationv1client.NewForConfig(c)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, freshTimeout)
	defer cancel()
	list, err := api.ValidatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if err != nil {
		return false, err
	}
	for _, configuration := range list.Items {
		for _, w := range configuration.Webhooks {
			if slices.ContainsFunc(w.Rules, asksAboutNetpols) {
				return false, fmt.Errorf("ValidatingWebhookConfiguration %s is there", configuration.Name)
			}
		}
	}
	return true, nil
}

func asksAboutNetpols(r admissionregistrationv1.RuleWithOperations) bool {
	names := func(list []string, name string) bool {
		return slices.Contains(list, name) || slices.Contains(list, "*")
	}
	return names(r.APIGroups, "networking.k8s.io") && (names(r.Resources, "networkpolicies") || slices.Contains(r.Resources, "*/*"))
}

// quorum reads what became of an object, never out of a cache.
type quorum struct {
	client    dynamic.Interface
	resources map[string]schema.GroupVersionResource
}

func newQuorum(config *rest.Config, resources map[string]schema.GroupVersionResource) (*quorum, error) {
	c := unlimited(config)
	c.Timeout = quorumTimeout
	client, err := dynamic.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("API server: %w", err)
	}
	return &quorum{client, resources}, nil
}

// unlimited is the configuration without a limit of calls: who calls has pauses of his own.
func unlimited(config *rest.Config) *rest.Config {
	c := rest.CopyConfig(config)
	c.QPS = -1
	return c
}

var errUnknownResource = errors.New("no resource that is watched")

func (q *quorum) outcome(ctx context.Context, e ledger.Entry) (ledger.Outcome, error) {
	options := metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", e.Ref.Name).String()}
	list, err := q.list(ctx, e.Resource, e.Ref.Namespace, options)
	if err != nil {
		return ledger.Outcome{}, err
	}
	out := ledger.Outcome{ReadVersion: list.GetResourceVersion()}
	for i := range list.Items {
		o := &list.Items[i]
		if o.GetName() != e.Ref.Name {
			continue
		}
		node, _, _ := unstructured.NestedString(o.Object, "spec", "nodeName")
		out.Found, out.UID, out.ResourceVersion = true, string(o.GetUID()), o.GetResourceVersion()
		out.Terminating, out.Bound = o.GetDeletionTimestamp() != nil, node != ""
	}
	return out, nil
}

func (q *quorum) newest(ctx context.Context, resource string) (string, error) {
	list, err := q.list(ctx, resource, "", metav1.ListOptions{Limit: 1})
	if apierrors.IsNotFound(err) {
		return "", nil // it is not served, and so nothing of it is in flight
	}
	if err != nil {
		return "", err
	}
	return list.GetResourceVersion(), nil
}

func (q *quorum) list(ctx context.Context, resource, namespace string, options metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	r, ok := q.resources[resource]
	if !ok {
		return nil, fmt.Errorf("ledger: %s: %w", resource, errUnknownResource)
	}
	return q.client.Resource(r).Namespace(namespace).List(ctx, options)
}
