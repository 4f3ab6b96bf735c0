package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policyreport/shelf"
	"github.com/podcullis/podcullis/webhook"
)

// minStaleness leaves room for a question to the API server, which takes a
// second, and for a few that are lost.
const minStaleness = 5 * time.Second

// options are the flags. An address of "0" switches a listener off.
type options struct {
	config           string
	policyDirs       []string
	bundle           bundleOptions
	certDir          string
	selfSigned       bool
	selfSignedDir    string
	selfSignedHosts  []string
	certSecret       string
	certHosts        []string
	webhookConfig    string
	expectedWebhooks string
	selfGuard        string
	clientCA         string
	clientNames      []string
	kubeconfig       string
	clusterManifests []string
	bindAddress      string
	metricsAddress   string
	probeAddress     string
	mode             string
	maxStaleness     time.Duration
	rememberFor      time.Duration
	memoryFrom       string
	memoryCA         string
	reloadPeriod     time.Duration
	drainTimeout     time.Duration
	logFormat        string
	logLevel         string
	consistency      string
	ledger           string
	requestTimeout   time.Duration
	replicas         int
	knownCallers     bool
	watchViolations  bool
	events           bool
	audit            auditOptions
	resources        resourceOptions
	canary           string
	remove           []string
	probe            probeOptions
	bounds           cluster.Bounds
}

func defaultOptions() *options {
	return &options{
		bindAddress:     "127.0.0.1:9443",
		metricsAddress:  "127.0.0.1:8080",
		probeAddress:    "127.0.0.1:8081",
		mode:            string(webhook.Enforce),
		maxStaleness:    15 * time.Second,
		rememberFor:     cluster.DefaultMemoryLimits().For,
		requestTimeout:  60 * time.Second,
		replicas:        1,
		reloadPeriod:    2 * time.Second,
		logFormat:       "text",
		logLevel:        "info",
		bounds:          cluster.Bounds{Netpol: cluster.DefaultNetpolBound, Object: cluster.DefaultObjectBound},
		watchViolations: true,
		events:          true,
		resources:       resourceOptions{atMost: string(guardrail.Deny)},
		audit:           auditOptions{interval: time.Hour, reports: shelf.None},
	}
}

// AddFlags declares the flags.
func (o *options) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.config, "config", o.config, "the `file` that says which guardrails apply to what; read again when it changes (default: every workload is isolated)")
	f.StringArrayVar(&o.policyDirs, "policy-dir", o.policyDirs, "a `directory` with Rego guardrails beside the embedded ones; repeatable, read again when it changes")
	o.bundle.addFlags(f)
	f.StringVar(&o.certDir, "cert-dir", o.certDir, "a `directory` with tls.crt and tls.key; read again when they change")
	f.BoolVar(&o.selfSigned, "self-signed", o.selfSigned, "make a certificate for this process and print the path of its CA bundle (default without --cert-dir)")
	f.StringVar(&o.selfSignedDir, "self-signed-dir", o.selfSignedDir, "the `directory` for the CA bundle of --self-signed (default: a temporary one)")
	f.StringArrayVar(&o.selfSignedHosts, "self-signed-host", o.selfSignedHosts, "a DNS `name` or IP address for --self-signed, beside localhost; repeatable")
	f.StringVar(&o.certSecret, "certificate-secret", o.certSecret, "a Secret, `namespace/name`, in which to keep a certificate: made, renewed and written to --cert-dir by this server")
	f.StringArrayVar(&o.certHosts, "certificate-host", o.certHosts, "a DNS `name` for the certificate of --certificate-secret; repeatable")
	f.StringVar(&o.webhookConfig, "webhook-configuration", o.webhookConfig, "the `name` of the ValidatingWebhookConfiguration that gets the CA of --certificate-secret")
	f.StringVar(&o.expectedWebhooks, "expected-webhooks", o.expectedWebhooks, "the `file` with the ValidatingWebhookConfiguration that was installed; what differs from it in the cluster is logged and counted")
	f.StringVar(&o.selfGuard, "self-guard", o.selfGuard, "the `file` that says which Service, pods and API server are this server's own: at /self, changes that would cut it off are refused")
	f.StringVar(&o.clientCA, "client-ca-file", o.clientCA, "accept only callers with a client certificate of this CA `file`")
	f.StringArrayVar(&o.clientNames, "client-name", o.clientNames, "accept only client certificates with this common or DNS `name`; repeatable, needs --client-ca-file")
	f.StringVar(&o.kubeconfig, "kubeconfig", o.kubeconfig, "the `file` that says how to reach the API server (default: the service account, in a pod)")
	f.StringArrayVar(&o.clusterManifests, "cluster-manifests", o.clusterManifests, "take the cluster from this `file or directory` instead of an API server; admitted changes are not applied to it; repeatable")
	f.StringVar(&o.bindAddress, "bind-address", o.bindAddress, "`host:port` of the webhook")
	f.StringVar(&o.metricsAddress, "metrics-bind-address", o.metricsAddress, "`host:port` of /metrics; 0 for none")
	f.StringVar(&o.probeAddress, "health-probe-bind-address", o.probeAddress, "`host:port` of /healthz and /readyz; 0 for none")
	f.StringVar(&o.mode, "mode", o.mode, "enforce, or audit: never deny, but say what would have been denied")
	f.DurationVar(&o.maxStaleness, "max-staleness", o.maxStaleness, "judge nothing when the model may be out of date for longer: answer 503, so that failurePolicy decides")
	f.DurationVar(&o.rememberFor, "remember-for", o.rememberFor, "for how long a pod that is gone may come back, as its controller makes it, and count as having been there; 0 for not at all")
	f.StringVar(&o.memoryFrom, "memory-from", o.memoryFrom, "the `URL` at which the replicas together answer, https://SERVICE.NAMESPACE.svc/memory: a replica that starts copies there what another one remembers, and hands out its own at /memory")
	f.StringVar(&o.memoryCA, "memory-ca-file", o.memoryCA, "the `file` with the CA of that certificate (default: ca.crt in --cert-dir if it is there, else the system's)")
	f.StringVar(&o.consistency, "consistency", o.consistency, "how changes that are allowed in the same moment are judged together: strict, by all replicas, with a Lease that they share; local, by each replica for itself; observe: not at all (default: strict if only API servers can call, else local)")
	f.StringVar(&o.ledger, "ledger", o.ledger, "the Lease, `namespace/name`, of --consistency strict; made if it is not there (default: podcullis-ledger in the namespace of the pod, or of the --kubeconfig's context)")
	f.IntVar(&o.replicas, "replicas", o.replicas, "how many replicas share the --ledger: all together write at most 256 KiB a second, so that each waits the longer between two writes")
	f.DurationVar(&o.requestTimeout, "api-request-timeout", o.requestTimeout, "the --request-timeout of the API server, by which a request that deletes many objects may take longer than others")
	f.BoolVar(&o.knownCallers, "known-callers", o.knownCallers, "say that something else, such as a NetworkPolicy, lets only API servers call this webhook")
	f.IntVar(&o.bounds.Netpol, "netpol-bound", o.bounds.Netpol, "how many peers a NetworkPolicy may have, how many excepted blocks, label requirements and their values, each counted by itself, a tenth of it of rules and of ports, and a hundredth in one selector: one with more is refused, and unknown where it is stored")
	f.IntVar(&o.bounds.Object, "object-bound", o.bounds.Object, "how many labels a pod, pod template or namespace may have, how many named ports, and a tenth of it of owners: one with more is refused, and unknown where it is stored")
	f.DurationVar(&o.reloadPeriod, "reload-period", o.reloadPeriod, "how often --config and --policy-dir are looked at")
	f.DurationVar(&o.drainTimeout, "drain-timeout", o.drainTimeout, "how long to wait at the end for callers to close their connections (default 1m40s)")
	f.StringVar(&o.logFormat, "log-format", o.logFormat, "text or json")
	f.StringVar(&o.logLevel, "log-level", o.logLevel, "debug, info, warn or error")
	f.BoolVar(&o.watchViolations, "watch-violations", o.watchViolations, "see violations that got in without being asked about: count and log them")
	f.BoolVar(&o.events, "events", o.events, "write an Event for each of those, beside the object that changed last")
	o.audit.addFlags(f)
	o.resources.addFlags(f)
	f.StringVar(&o.canary, "canary", o.canary, "instead of serving, submit to this `namespace`, as a dry run, what the chart's canary guardrail refuses, and say whether it was; in --mode audit, whether it was warned of")
	o.probe.addFlags(f)
	f.StringArrayVar(&o.remove, "remove", o.remove, "instead of serving, remove this object, `resource[.group]/[namespace/]name`, if it is there; repeatable")
}

// Validate names every flag that does not hold, and its value.
func (o *options) Validate(rest []string) error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(rest) > 0 {
		wrong("unexpected argument %q: every setting is a flag, see --help", rest[0])
	}
	if o.certDir != "" && o.selfSigned {
		wrong("--cert-dir and --self-signed: give one of them, got both")
	}
	if o.certSecret != "" {
		namespace, name, found := strings.Cut(o.certSecret, "/")
		if !found || namespace == "" || name == "" {
			wrong("--certificate-secret must be namespace/name, got %q", o.certSecret)
		}
		if o.certDir == "" || len(o.certHosts) == 0 || o.webhookConfig == "" {
			wrong("--certificate-secret needs --cert-dir, --certificate-host and --webhook-configuration")
		}
	} else if len(o.certHosts) > 0 || o.webhookConfig != "" {
		wrong("--certificate-host and --webhook-configuration need --certificate-secret")
	}
	if o.canary != "" && len(o.remove) > 0 {
		wrong("--canary and --remove: give one of them, got both")
	}
	for _, text := range o.remove {
		if _, err := parseTarget(text); err != nil {
			wrong("--remove: %w", err)
		}
	}
	if o.kubeconfig != "" && len(o.clusterManifests) > 0 {
		wrong("--kubeconfig and --cluster-manifests: give one of them, got both")
	}
	if o.expectedWebhooks != "" && len(o.clusterManifests) > 0 {
		wrong("--expected-webhooks needs an API server, and --cluster-manifests takes the place of one")
	}
	if len(o.clientNames) > 0 && o.clientCA == "" {
		wrong("--client-name needs --client-ca-file")
	}
	for flag, address := range map[string]string{"--bind-address": o.bindAddress, "--metrics-bind-address": o.metricsAddress, "--health-probe-bind-address": o.probeAddress} {
		if address == "0" && flag != "--bind-address" {
			continue
		}
		if _, _, err := net.SplitHostPort(address); err != nil {
			wrong("%s must be host:port, got %q", flag, address)
		}
	}
	if m := webhook.Mode(o.mode); m != webhook.Enforce && m != webhook.Audit {
		wrong("--mode must be enforce or audit, got %q", o.mode)
	}
	if o.maxStaleness < minStaleness {
		wrong("--max-staleness must be >= %s, got %s", minStaleness, o.maxStaleness)
	}
	if o.rememberFor < 0 {
		wrong("--remember-for must not be negative, got %s", o.rememberFor)
	}
	errs = append(errs, o.probe.validate(o.canary != "" || len(o.remove) > 0)...)
	errs = append(errs, o.audit.validate(len(o.clusterManifests) > 0)...)
	errs = append(errs, o.resources.validate(len(o.clusterManifests) > 0)...)
	errs = append(errs, o.bundle.validate(o.config != "" || len(o.policyDirs) > 0)...)
	errs = append(errs, o.validateMemory()...)
	errs = append(errs, o.validateConsistency()...)
	if o.reloadPeriod <= 0 {
		wrong("--reload-period must be positive, got %s", o.reloadPeriod)
	}
	if o.logFormat != "text" && o.logFormat != "json" {
		wrong("--log-format must be text or json, got %q", o.logFormat)
	}
	for name, value := range map[string]int{"netpol-bound": o.bounds.Netpol, "object-bound": o.bounds.Object} {
		if value < 1 {
			wrong("--%s must be at least 1, got %d", name, value)
		}
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		wrong("--log-level must be debug, info, warn or error, got %q", o.logLevel)
	}
	return errors.Join(errs...)
}

// validateMemory checks the flags of what a replica copies from another.
func (o *options) validateMemory() []error {
	if o.memoryFrom == "" {
		if o.memoryCA != "" {
			return []error{errors.New("--memory-ca-file needs --memory-from")}
		}
		return nil
	}
	var errs []error
	if u, err := url.Parse(o.memoryFrom); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		errs = append(errs, fmt.Errorf("--memory-from must be a URL https://host[:port]/memory, got %q", o.memoryFrom))
	}
	if len(o.clusterManifests) > 0 {
		errs = append(errs, errors.New("--memory-from needs an API server, and --cluster-manifests takes the place of one"))
	}
	if o.clientCA != "" {
		errs = append(errs, errors.New("--memory-from and --client-ca-file: replicas have no client certificate with which to ask each other; give one of them"))
	}
	return errs
}
