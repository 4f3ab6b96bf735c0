// Package shelf keeps the reports of package policyreport in a cluster, by whichever API is
// served there.
//
// A report is written when what it says has changed, and deleted when there is nothing to say.
package shelf

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/podcullis/podcullis/policyreport"
)

// Which API reports are written by.
const (
	Auto         = "auto" // OpenReports if it is served, else the one before, else none
	OpenReports  = "openreports"
	PolicyReport = "policyreport"
	None         = "none"
)

// Kinds are the choices.
func Kinds() []string { return []string{Auto, OpenReports, PolicyReport, None} }

const (
	manager  = "podcullis-audit"
	selector = "app.kubernetes.io/managed-by=podcullis"
	// served is for how long it is believed which API there is, and believed that nobody
	// else has written into our reports.
	served   = 10 * time.Minute
	believed = time.Hour
	// Requests a second: reports are in no hurry.
	queriesPerSecond = 20
	queriesAtOnce    = 40
	pageSize         = 10 // each may have most of a megabyte
	// maxErrors bounds what one error names.
	maxErrors = 5
)

// Options are what a Shelf needs.
type Options struct {
	Kind string
	// Owner, if set, is what reports go with.
	Owner    func(context.Context) (*metav1.OwnerReference, error)
	Registry prometheus.Registerer
	Now      func() time.Time
}

// Shelf keeps reports. It is for one goroutine.
type Shelf struct {
	Options
	client    dynamic.Interface
	discovery discovery.DiscoveryInterface
	written   *prometheus.CounterVec

	api     *policyreport.API // nil while nothing is served
	checked time.Time
	there   map[string]string // the digests of what is kept, by namespace; nil before it is known
	looked  time.Time
	first   map[string]time.Time
}

// New makes a Shelf and registers its metric.
func New(config *rest.Config, o Options) (*Shelf, error) {
	c := rest.CopyConfig(config)
	c.QPS, c.Burst = queriesPerSecond, queriesAtOnce
	client, err := dynamic.NewForConfig(c)
	if err != nil {
		return nil, err
	}
	d, err := discovery.NewDiscoveryClientForConfig(c)
	if err != nil {
		return nil, err
	}
	s := &Shelf{Options: o, client: client, discovery: d, first: map[string]time.Time{}}
	s.written = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "podcullis_audit_reports_total",
		Help: "Reports of the audit, by what was done: written, deleted or failed. What has not changed is not written.",
	}, []string{"result"})
	for _, result := range []string{"written", "deleted", "failed"} {
		s.written.WithLabelValues(result)
	}
	o.Registry.MustRegister(s.written)
	return s, nil
}

// Forget forgets what is kept: another replica may have written since.
func (s *Shelf) Forget() { s.there, s.api, s.checked = nil, nil, time.Time{} }

// Keep makes the reports what the tallies say. After an error it may be called again: what
// was written is not written once more.
func (s *Shelf) Keep(ctx context.Context, tallies policyreport.Tallies) error {
	if err := s.choose(ctx); err != nil || s.api == nil {
		return err
	}
	if s.there == nil || s.Now().Sub(s.looked) > believed {
		if err := s.look(ctx); err != nil {
			return err
		}
	}
	var owner *metav1.OwnerReference
	if s.Owner != nil {
		var err error
		if owner, err = s.Owner(ctx); err != nil {
			return fmt.Errorf("the owner of reports: %w", err)
		}
	}
	s.remember(tallies)
	var errs []error
	failed := func(what, namespace string, err error) {
		s.written.WithLabelValues("failed").Inc()
		if len(errs) < maxErrors {
			errs = append(errs, fmt.Errorf("%s the report of %s: %w", what, place(namespace), err))
		}
	}
	for _, namespace := range slices.Sorted(maps.Keys(tallies)) {
		if ctx.Err() != nil {
			return errors.Join(append(errs, ctx.Err())...)
		}
		if err := s.write(ctx, namespace, tallies[namespace], owner); err != nil && !ending(err) {
			failed("write", namespace, err)
		}
	}
	for _, namespace := range slices.Sorted(maps.Keys(s.there)) {
		if tallies[namespace] != nil {
			continue
		}
		err := s.of(namespace).Delete(ctx, policyreport.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			failed("delete", namespace, err)
			continue
		}
		delete(s.there, namespace)
		s.written.WithLabelValues("deleted").Inc()
	}
	return errors.Join(errs...)
}

// choose finds out which API is served.
func (s *Shelf) choose(ctx context.Context) error {
	if s.Kind == None || !s.checked.IsZero() && s.Now().Sub(s.checked) < served {
		return nil
	}
	was := s.api
	s.api = nil
	for _, choice := range []struct {
		kind string
		api  policyreport.API
	}{{OpenReports, policyreport.OpenReports()}, {PolicyReport, policyreport.PolicyReports()}} {
		if s.Kind != Auto && s.Kind != choice.kind {
			continue
		}
		_, err := s.discovery.ServerResourcesForGroupVersion(choice.api.String())
		switch {
		case apierrors.IsNotFound(err) && s.Kind == Auto:
			continue
		case err != nil:
			return fmt.Errorf("%s: %w", choice.api, err)
		}
		s.api = &choice.api
		break
	}
	s.checked = s.Now()
	if was != nil && s.api != nil && *was != *s.api {
		s.there = nil
	}
	return ctx.Err()
}

// look reads which reports are there, and since when each finding is known.
func (s *Shelf) look(ctx context.Context) error {
	there := map[string]string{}
	for _, resource := range []string{s.api.NamespacedResource, s.api.ClusterResource} {
		options := metav1.ListOptions{LabelSelector: selector, Limit: pageSize}
		for {
			list, err := s.client.Resource(s.api.WithResource(resource)).List(ctx, options)
			if err != nil {
				return fmt.Errorf("list reports: %w", err)
			}
			for i := range list.Items {
				if o := &list.Items[i]; o.GetName() == policyreport.Name {
					digest, err := digestOf(o)
					if err != nil {
						return err
					}
					there[o.GetNamespace()] = digest
					s.sinceOf(o)
				}
			}
			if options.Continue = list.GetContinue(); options.Continue == "" {
				break
			}
		}
	}
	s.there, s.looked = there, s.Now()
	return nil
}

func (s *Shelf) sinceOf(o *unstructured.Unstructured) {
	results, _, _ := unstructured.NestedSlice(o.Object, "results")
	for _, r := range results {
		result, _ := r.(map[string]any)
		print, _, _ := unstructured.NestedString(result, "properties", "fingerprint")
		at, ok, _ := unstructured.NestedInt64(result, "timestamp", "seconds")
		if ok && print != "" && at > 0 {
			s.first[print] = time.Unix(at, 0)
		}
	}
}

// remember keeps since when what is listed is known, and forgets all else.
func (s *Shelf) remember(tallies policyreport.Tallies) {
	now, kept := s.Now(), map[string]time.Time{}
	for _, t := range tallies {
		for _, e := range t.Listed() {
			at, ok := s.first[e.Fingerprint]
			if !ok {
				at = now
			}
			kept[e.Fingerprint] = at
		}
	}
	s.first = kept
}

// write writes a report unless it is there as it should be.
func (s *Shelf) write(ctx context.Context, namespace string, t *policyreport.Tally, owner *metav1.OwnerReference) error {
	o, err := s.api.Object(namespace, t, func(print string) time.Time { return s.first[print] })
	if err != nil {
		return err
	}
	if owner != nil {
		o.SetOwnerReferences([]metav1.OwnerReference{*owner})
	}
	digest, err := digestOf(o)
	if err != nil || s.there[namespace] == digest {
		return err
	}
	if _, err := s.of(namespace).Apply(ctx, policyreport.Name, o, metav1.ApplyOptions{FieldManager: manager, Force: true}); err != nil {
		return err
	}
	s.there[namespace] = digest
	s.written.WithLabelValues("written").Inc()
	return nil
}

// digestOf knows again what a report says, and whose it is. It is made of the report
// itself: what somebody else has written there is not taken for ours.
func digestOf(o *unstructured.Unstructured) (string, error) {
	said := map[string]any{"labels": o.GetLabels(), "annotations": o.GetAnnotations(), "owners": o.GetOwnerReferences()}
	for _, field := range []string{"source", "scope", "configuration", "summary", "results"} {
		said[field] = o.Object[field]
	}
	text, err := json.Marshal(said)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16]), nil
}

func (s *Shelf) of(namespace string) dynamic.ResourceInterface {
	if namespace == "" {
		return s.client.Resource(s.api.WithResource(s.api.ClusterResource))
	}
	return s.client.Resource(s.api.WithResource(s.api.NamespacedResource)).Namespace(namespace)
}

// ending tells whether a namespace takes no reports any more: it ends, or is gone, and with
// it what there was to report.
func ending(err error) bool {
	return apierrors.HasStatusCause(err, "NamespaceTerminating") || apierrors.IsNotFound(err)
}

func place(namespace string) string {
	if namespace == "" {
		return "the cluster"
	}
	return "namespace " + namespace
}
