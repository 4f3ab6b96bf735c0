package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/podcullis/podcullis/audit/rounds"
	"github.com/podcullis/podcullis/breach"
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/live"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policyreport/shelf"
	"github.com/podcullis/podcullis/webhook"
)

const (
	auditLeaseName = "podcullis-audit"
	// minAuditInterval keeps a slip of the pen from being a load.
	minAuditInterval = time.Minute
	// A replica that is gone is followed by another one after auditLeaseFor at the latest.
	auditLeaseFor    = 30 * time.Second
	auditRenewWithin = 20 * time.Second
	auditRetryAfter  = 5 * time.Second
	ownerTimeout     = 10 * time.Second
)

// auditOptions are the flags of the audit.
type auditOptions struct {
	on         bool
	interval   time.Duration
	lease      string
	namespaces bool
	reports    string
	owner      string
}

func (o *auditOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.on, "audit", o.on, "judge all that is in the cluster, too, at the start, when something changes and every --audit-interval; one replica does it")
	f.DurationVar(&o.interval, "audit-interval", o.interval, "how often the audit looks though nothing has changed")
	f.StringVar(&o.lease, "audit-lease", o.lease, "the Lease, `namespace/name`, by which one replica audits; made if it is not there (default: podcullis-audit in the namespace of the pod, or of the --kubeconfig's context)")
	f.BoolVar(&o.namespaces, "audit-namespaces", o.namespaces, "show findings of the audit by namespace in the metrics, too")
	f.StringVar(&o.reports, "audit-reports", o.reports, "keep what the audit finds in reports for dashboards: openreports, policyreport (wgpolicyk8s.io), auto for whichever is served, or none")
	f.StringVar(&o.owner, "audit-report-owner", o.owner, "the `name` of a ClusterRole with which the reports go when it is deleted")
}

func (o *auditOptions) validate(files bool) []error {
	var errs []error
	if !o.on {
		return nil
	}
	if files {
		errs = append(errs, errors.New("--audit needs an API server, and --cluster-manifests takes the place of one: podcullis audit -f judges files"))
	}
	if o.interval < minAuditInterval {
		errs = append(errs, fmt.Errorf("--audit-interval must be >= %s, got %s", minAuditInterval, o.interval))
	}
	if namespace, name, found := strings.Cut(o.lease, "/"); o.lease != "" && (!found || namespace == "" || name == "") {
		errs = append(errs, fmt.Errorf("--audit-lease must be namespace/name, got %q", o.lease))
	}
	if !slices.Contains(shelf.Kinds(), o.reports) {
		errs = append(errs, fmt.Errorf("--audit-reports must be one of %s, got %q", strings.Join(shelf.Kinds(), ", "), o.reports))
	}
	return errs
}

// auditCluster has one replica audit.
func (a *app) auditCluster(events *breach.Events) error {
	model, ok := a.model.Model.(*live.Model)
	o := a.options.audit
	if !ok || !o.on {
		return nil
	}
	config, err := restConfig(a.options)
	if err != nil {
		return fmt.Errorf("--audit: %w", err)
	}
	config = rest.AddUserAgent(config, "podcullis-webhook/"+version)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("--audit: API server: %w", err)
	}
	lease, err := leaseOf(a.options, o.lease, auditLeaseName)
	if err != nil {
		return fmt.Errorf("--audit-lease: %w", err)
	}
	options := rounds.Options{
		Model: model, InForce: a.guardrails.engine.InForce, Unmatched: a.guardrails.engine.Unmatched,
		Sources:  []rounds.Source{networkSource(client)},
		Interval: o.interval, Namespaces: o.namespaces, Registry: a.registry, Log: a.log, Now: a.clock.Now,
	}
	if events != nil {
		options.Tell = a.tellFound(events)
	}
	forget := func() {}
	if o.reports != shelf.None {
		kept, err := shelf.New(config, shelf.Options{Kind: o.reports, Owner: owner(client, o.owner), Registry: a.registry, Now: a.clock.Now})
		if err != nil {
			return fmt.Errorf("--audit-reports: API server: %w", err)
		}
		options.Keep, forget = kept.Keep, kept.Forget
	}
	options.Seen = a.guardrails.resources.counted()
	r := rounds.New(options)
	a.watches = append(a.watches, func(ctx context.Context) {
		a.lead(ctx, client, lease, "this replica audits", func(ctx context.Context) {
			forget()
			defer a.guardrails.resources.tell(ctx)()
			r.Watch(ctx)
		})
	})
	return nil
}

// tellFound writes Events of what the audit finds anew. Of what a guardrail denies the
// watch for violations has told already, unless nothing is denied.
func (a *app) tellFound(events *breach.Events) func(guardrail.Violation, cluster.Object) {
	told := a.options.watchViolations && webhook.Mode(a.options.mode) == webhook.Enforce
	return func(v guardrail.Violation, o cluster.Object) {
		if told && v.Action == guardrail.Deny {
			return
		}
		events.Tell(breach.Found(v, o))
	}
}

// owner finds the object with which reports go. Without a name they have none.
func owner(client kubernetes.Interface, name string) func(context.Context) (*metav1.OwnerReference, error) {
	if name == "" {
		return nil
	}
	return func(ctx context.Context) (*metav1.OwnerReference, error) {
		ctx, cancel := context.WithTimeout(ctx, ownerTimeout)
		defer cancel()
		role, err := client.RbacV1().ClusterRoles().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return &metav1.OwnerReference{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole", Name: role.Name, UID: role.UID}, nil
	}
}

// lead does something whenever this replica holds a Lease, until ctx ends.
func (a *app) lead(ctx context.Context, client kubernetes.Interface, lease types.NamespacedName, what string, do func(context.Context)) {
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: lease.Namespace, Name: lease.Name},
		Client:     client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: replicaName()},
	}
	for ctx.Err() == nil {
		leading, stopped := make(chan context.Context, 1), make(chan struct{})
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: lock, LeaseDuration: auditLeaseFor, RenewDeadline: auditRenewWithin, RetryPeriod: auditRetryAfter, ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(ctx context.Context) { leading <- ctx },
				OnStoppedLeading: func() {},
			},
		})
		if err != nil {
			a.log.Error("this replica never leads", "lease", lease.String(), "error", err)
			return
		}
		go func() {
			defer close(stopped)
			elector.Run(ctx)
		}()
		select {
		case until := <-leading:
			a.log.Info(what, "lease", lease.String())
			do(until)
		case <-stopped:
		}
		<-stopped // what was begun as the leader is at its end before it may begin again
	}
}

// leaseOf is the Lease that a flag names, or one in the namespace of this server.
func leaseOf(o *options, text, name string) (types.NamespacedName, error) {
	if namespace, name, found := strings.Cut(text, "/"); found {
		return types.NamespacedName{Namespace: namespace, Name: name}, nil
	}
	if o.kubeconfig == "" {
		own, err := os.ReadFile(namespaceFile)
		if err != nil {
			return types.NamespacedName{}, fmt.Errorf("the namespace of the pod: %w", err)
		}
		return types.NamespacedName{Namespace: strings.TrimSpace(string(own)), Name: name}, nil
	}
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: o.kubeconfig}
	namespace, _, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).Namespace()
	if err != nil {
		return types.NamespacedName{}, fmt.Errorf("--kubeconfig: %w", err)
	}
	return types.NamespacedName{Namespace: namespace, Name: name}, nil
}
