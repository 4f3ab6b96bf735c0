package review

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
)

// Why a request was refused before anybody judged it: the values of the label
// "reason" of podcullis_rejected_requests_total.
const (
	rejectedBodyTooLarge = "body_too_large"
	rejectedOverloaded   = "overloaded"
	rejectedNotReady     = "not_ready"
	rejectedBadRequest   = "bad_request"
	rejectedSlowBody     = "slow_body"
)

// Metrics counts the requests. Labels are bounded: resources that
// Podcullis does not know are "other", and no object is ever named.
type Metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	rejected *prometheus.CounterVec
	panics   prometheus.Counter
}

// NewMetrics makes the collectors and registers them. Like
// prometheus.MustRegister it panics if they are registered already.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podcullis_admission_requests_total",
			Help: "Admission requests judged, by decision: allow, warn, deny, or error (could not be judged, and was not allowed).",
		}, []string{"resource", "operation", "decision", "dry_run"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "podcullis_admission_request_duration_seconds",
			Help:    "Time from the request's header to its answer, of requests judged.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
		}, []string{"resource", "operation"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "podcullis_admission_in_flight",
			Help: "Admission requests being read, waiting or being judged.",
		}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podcullis_rejected_requests_total",
			Help: "Requests refused before anybody judged them: body_too_large, overloaded, not_ready, slow_body, bad_request.",
		}, []string{"reason"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "podcullis_panics_total",
			Help: "Panics while a request was handled. Any is a bug.",
		}),
	}
	for _, reason := range []string{rejectedBodyTooLarge, rejectedOverloaded, rejectedNotReady, rejectedSlowBody, rejectedBadRequest} {
		m.rejected.WithLabelValues(reason) // 0 is an answer too
	}
	registerer.MustRegister(m.requests, m.duration, m.inFlight, m.rejected, m.panics)
	return m
}

// judged counts one answered request and how long it took.
func (m *Metrics) judged(request *admissionv1.AdmissionRequest, response *admissionv1.AdmissionResponse, took time.Duration) {
	resource, operation := resourceLabel(request), operationLabel(request.Operation)
	dryRun := strconv.FormatBool(request.DryRun != nil && *request.DryRun)
	m.requests.WithLabelValues(resource, operation, decisionLabel(response), dryRun).Inc()
	m.duration.WithLabelValues(resource, operation).Observe(took.Seconds())
}

func decisionLabel(response *admissionv1.AdmissionResponse) string {
	switch {
	case response.Allowed && len(response.Warnings) > 0:
		return "warn"
	case response.Allowed:
		return "allow"
	case response.Result != nil && response.Result.Code >= http.StatusInternalServerError:
		return "error"
	default:
		return "deny"
	}
}

func operationLabel(operation admissionv1.Operation) string {
	switch operation {
	case admissionv1.Create, admissionv1.Update, admissionv1.Delete, admissionv1.Connect:
		return string(operation)
	default:
		return "other"
	}
}

// resourceLabel is "pods", "pods/status", ..., or "other".
func resourceLabel(request *admissionv1.AdmissionRequest) string {
	resource := request.Resource.Resource
	if request.SubResource != "" {
		resource += "/" + request.SubResource
	}
	group := ""
	switch resource {
	case "pods", "pods/status", "pods/binding", "bindings",
		"namespaces", "namespaces/status", "namespaces/finalize", "replicationcontrollers":
	case "networkpolicies":
		group = "networking.k8s.io"
	case "deployments", "replicasets", "statefulsets", "daemonsets":
		group = "apps"
	case "jobs", "cronjobs":
		group = "batch"
	default:
		return "other"
	}
	if request.Resource.Group != group {
		return "other"
	}
	return resource
}
