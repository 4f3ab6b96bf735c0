package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/guardrail"
)

// maxAnnotation bounds what one audit annotation holds, in bytes.
const maxAnnotation = 8 << 10

// respond words a verdict for the API server.
func (j *Judge) respond(v verdict) admission.Response {
	response := admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{
		Allowed:          true,
		Warnings:         warnings(v, j.Mode),
		AuditAnnotations: annotations(v, j.Mode),
	}}
	if !v.refuses() || j.Mode == Audit {
		response.Result = &metav1.Status{Code: http.StatusOK}
		return response
	}
	response.Allowed = false
	response.Result = &metav1.Status{Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: v.message()}
	if v.err != nil {
		response.Result.Code, response.Result.Reason = int32(v.code), reasons[v.code]
	}
	if v.retryAfter > 0 {
		response.Result.Details = &metav1.StatusDetails{RetryAfterSeconds: int32(v.retryAfter)}
	}
	return response
}

var reasons = map[int]metav1.StatusReason{
	http.StatusBadRequest:          metav1.StatusReasonBadRequest,
	http.StatusConflict:            metav1.StatusReasonConflict,
	http.StatusTooManyRequests:     metav1.StatusReasonTooManyRequests,
	http.StatusInternalServerError: metav1.StatusReasonInternalError,
	http.StatusGatewayTimeout:      metav1.StatusReasonTimeout,
}

// message is what the person whose change is refused reads.
func (v verdict) message() string {
	var parts []string
	switch {
	case v.waiting():
		parts = append([]string{v.waits()}, v.objections()...)
		return strings.Join(v.withHint(parts), "\n")
	case v.decision.Denied():
		parts = append(parts, v.decision.DenialMessage())
	}
	if v.decision.Denied() {
		parts = append(parts, v.decision.Further()...)
	}
	if v.claim != "" {
		parts = append(parts, v.claim)
	}
	if v.err != nil {
		parts = append(parts, fmt.Sprintf("this change to %s could not be judged, so it is refused: %v", v.decision.Subject, v.err))
	}
	return strings.Join(v.withHint(parts), "\n")
}

func (v verdict) withHint(lines []string) []string {
	if v.hint != "" {
		lines = append(lines, v.hint)
	}
	return lines
}

// waiting tells whether the change only comes too early.
func (v verdict) waiting() bool {
	var w waitError
	return errors.As(v.err, &w)
}

// objections are what the guardrails say against a change that has to wait,
// without how to fix it: waiting does.
func (v verdict) objections() []string {
	denials := v.decision.With(guardrail.Deny)
	var lines []string
	for i, d := range denials {
		if i == maxObjections {
			return append(lines, fmt.Sprintf("and %d more", len(denials)-maxObjections))
		}
		lines = append(lines, fmt.Sprintf("[%s] %s", d.Guardrail, d.Summary()))
	}
	return lines
}

const maxObjections = 20

// waits says that a change comes too early.
func (v verdict) waits() string { return fmt.Sprintf("%s has to wait: %v", v.decision.Subject, v.err) }

// annotations are for the API server's audit log, which prefixes each key with
// the webhook's name.
func annotations(v verdict, mode Mode) map[string]string {
	out := map[string]string{}
	set := func(key string, lines []string) {
		if text := strings.Join(lines, "\n"); text != "" {
			if len(text) > maxAnnotation {
				text = strings.ToValidUTF8(text[:maxAnnotation], "") + "…"
			}
			out[key] = text
		}
	}
	var violations, exempted, failures []string
	for _, x := range v.decision.Violations {
		violations = append(violations, fmt.Sprintf("%s [%s] %s", x.Action, x.Guardrail, x.Summary()))
	}
	for _, x := range v.decision.Exempted {
		exempted = append(exempted, fmt.Sprintf("%s [%s] %s", x.Exemption, x.Guardrail, x.Summary()))
	}
	for _, f := range v.decision.Failures {
		failures = append(failures, f.Error())
	}
	if v.err != nil {
		failures = append(failures, v.err.Error())
	}
	set("violations", violations)
	set("exempted", exempted)
	set("failures", failures)
	if v.claim != "" {
		set("claim", []string{v.claim})
	}
	if len(out) > 0 {
		out["decision"] = v.outcome(mode)
		set("revision", []string{v.decision.Revision})
	}
	return out
}

// outcome is the answer in one word, for logs and the audit log.
func (v verdict) outcome(mode Mode) string {
	switch {
	case !v.refuses():
		return "allowed"
	case mode == Audit:
		return "would-deny"
	}
	return "denied"
}

// record writes one log line for every answer that is not a plain yes. It never
// holds the object.
func (j *Judge) record(ctx context.Context, r *admission.Request, v verdict) {
	j.Metrics.decided(v.decision, v.outcome(j.Mode))
	if !v.refuses() && len(v.decision.Violations) == 0 && len(v.decision.Exempted) == 0 && len(v.decision.Failures) == 0 {
		return
	}
	attributes := []any{
		"decision", v.outcome(j.Mode), "uid", r.UID, "user", r.UserInfo.Username, "operation", r.Operation,
		"kind", r.Kind.Kind, "subResource", r.SubResource, "namespace", r.Namespace, "name", r.Name, "dryRun", dryRun(r),
	}
	var guardrails, violations []string
	for _, x := range v.decision.Violations {
		guardrails = append(guardrails, x.Guardrail)
		violations = append(violations, x.Summary())
	}
	attributes = append(attributes, "guardrails", slices.Compact(guardrails), "violations", violations)
	for _, x := range v.decision.Exempted {
		attributes = append(attributes, "exemption", x.Exemption)
	}
	for _, f := range v.decision.Failures {
		attributes = append(attributes, "failure", f.Error())
	}
	if v.claim != "" {
		attributes = append(attributes, "claim", v.claim)
	}
	if v.decision.Revision != "" {
		attributes = append(attributes, "revision", v.decision.Revision)
	}
	level := slog.LevelInfo
	if v.err != nil && !v.waiting() {
		level = slog.LevelWarn
	}
	if v.err != nil {
		attributes = append(attributes, "error", v.err.Error())
	}
	j.Log.Log(ctx, level, "judged", attributes...)
}

// requestSubject names the object of a request: "NetworkPolicy shop/allow-all".
func requestSubject(r *admission.Request) string {
	name := r.Name
	if name == "" { // generateName, or one object of a collection
		name = nameIn(r.Object, r.OldObject)
	}
	if r.Namespace == "" || isNamespace(&r.AdmissionRequest) {
		return r.Kind.Kind + " " + name
	}
	return r.Kind.Kind + " " + r.Namespace + "/" + name
}

// nameIn is the name of the first object that has one.
func nameIn(objects ...runtime.RawExtension) string {
	for _, x := range objects {
		meta, ok := metadataOf(x)
		switch {
		case !ok:
		case meta.GetName() != "":
			return meta.GetName()
		case meta.GetGenerateName() != "":
			return meta.GetGenerateName() + "*"
		}
	}
	return ""
}
