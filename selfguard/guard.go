package selfguard

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
)

// Model is the cluster as it is now.
type Model interface {
	Snapshot() *cluster.Snapshot
}

// Rights knows who may change the webhook configuration, by which Podcullis is switched
// off in any case.
type Rights interface {
	MayConfigure(ctx context.Context, user authenticationv1.UserInfo, configuration string) (bool, error)
}

// Options are what a Guard needs.
type Options struct {
	// File has the Settings. It is read again for each review, so that what an upgrade
	// changes counts without a restart.
	File  string
	Model Model
	// Rights, if nil, are nobody's.
	Rights Rights
	// DryRun refuses nothing, but says what would have been refused.
	DryRun bool
	Log    *slog.Logger
}

// Guard is the admission.Handler for what happens in Podcullis' own namespace.
type Guard struct {
	Options
	last atomic.Pointer[Settings]
}

// New makes a Guard. The file must be right now; one that breaks later changes nothing.
func New(o Options) (*Guard, error) {
	s, err := Load(o.File)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	g := &Guard{Options: o}
	g.last.Store(s)
	return g, nil
}

func (g *Guard) settings() *Settings {
	s, err := Load(g.File)
	if err != nil {
		g.Log.Warn("the settings of the self-guard cannot be read; those from before count", "error", err)
		return g.last.Load()
	}
	g.last.Store(s)
	return s
}

// Handle implements admission.Handler.
func (g *Guard) Handle(ctx context.Context, r admission.Request) admission.Response {
	s, snapshot := g.settings(), g.Model.Snapshot()
	if r.Namespace != s.Namespace || ends(&r.AdmissionRequest, snapshot) {
		return admission.Allowed("")
	}
	c, err := s.judge(&r.AdmissionRequest, snapshot)
	switch {
	case err != nil:
		why := fmt.Sprintf("this change to %s could not be judged, so it is refused: %v", subject(&r), err)
		return g.refuse(ctx, &r, why, why, http.StatusBadRequest)
	case c.why == "":
		return admission.Allowed("")
	case c.sure && !c.meant:
		return g.refuse(ctx, &r, "after this change "+c.why, s.refusal(&r, c, ""), http.StatusForbidden)
	}
	if doubt := g.doubt(ctx, r.UserInfo, s); doubt != "" {
		return g.refuse(ctx, &r, "after this change "+c.why, s.refusal(&r, c, doubt), http.StatusForbidden)
	}
	g.Log.WarnContext(ctx, "Podcullis may be cut off by somebody who may do that", "why", c.why, "user", r.UserInfo.Username, "object", subject(&r))
	return admission.Allowed("").WithWarnings(warning("[self-guard] after this change " + c.why))
}

// namespaceControllers empty a namespace that is being deleted.
var namespaceControllers = []string{
	"system:serviceaccount:kube-system:namespace-controller",
	"system:serviceaccount:kube-system:generic-garbage-collector",
}

// ends tells whether the request belongs to the end of the namespace, which nothing must
// hold up.
func ends(r *admissionv1.AdmissionRequest, s *cluster.Snapshot) bool {
	ns, ok := s.Namespace(r.Namespace)
	return ok && ns.Terminating() || slices.Contains(namespaceControllers, r.UserInfo.Username)
}

// doubt is why a user is not believed to know what the change does; empty for who could
// switch Podcullis off anyway.
func (g *Guard) doubt(ctx context.Context, user authenticationv1.UserInfo, s *Settings) string {
	if g.Rights == nil {
		return "there is no API server to ask who may change the webhook configuration"
	}
	may, err := g.Rights.MayConfigure(ctx, user, s.WebhookConfiguration)
	switch {
	case err != nil:
		return fmt.Sprintf("whether user %s may change the webhook configuration could not be found out: %v", user.Username, err)
	case !may:
		return fmt.Sprintf("user %s may not update validatingwebhookconfigurations/%s", user.Username, s.WebhookConfiguration)
	}
	return ""
}

// refusal is what the person whose change is refused reads.
func (s *Settings) refusal(r *admission.Request, c cut, doubt string) string {
	text := fmt.Sprintf("this change to %s would cut Podcullis off, and no change would be judged any more:\n[self-guard] after it %s\n", subject(r), c.why)
	if doubt != "" {
		text += "  " + doubt + "\n"
	}
	return text + fmt.Sprintf("  to fix: leave the path between the API server and the pods of Service %s/%s as it is; if it is meant, have somebody who may update validatingwebhookconfigurations/%s annotate the object with %s=%s, or delete that configuration first (docs/break-glass.md)",
		s.Namespace, s.Service, s.WebhookConfiguration, Annotation, Meant)
}

// refuse says no; in a dry run it says so beside a yes.
func (g *Guard) refuse(ctx context.Context, r *admission.Request, why, message string, code int32) admission.Response {
	g.Log.InfoContext(ctx, "self-guard", "refused", !g.DryRun, "why", why, "user", r.UserInfo.Username, "operation", r.Operation, "object", subject(r), "uid", r.UID)
	if g.DryRun {
		return admission.Allowed("").WithWarnings(warning("would be denied: [self-guard] " + why))
	}
	reason := metav1.StatusReasonForbidden
	if code == http.StatusBadRequest {
		reason = metav1.StatusReasonBadRequest
	}
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{
		Result:           &metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message},
		AuditAnnotations: map[string]string{"self-guard": why},
	}}
}

// maxWarning is what the API server shows of a warning, in characters.
const maxWarning = 256

// warning is a text in one line, and no longer than is shown.
func warning(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > maxWarning {
		return string(r[:maxWarning-1]) + "…"
	}
	return text
}

// subject names the object of a request: "Service podcullis/podcullis".
func subject(r *admission.Request) string {
	name := r.Name
	if name == "" {
		if o, err := metadata(r.Object.Raw, r.OldObject.Raw); err == nil {
			if name = o.Name; name == "" {
				name = o.GenerateName + "*"
			}
		}
	}
	return r.Kind.Kind + " " + r.Namespace + "/" + name
}
