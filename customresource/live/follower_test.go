package live

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/podcullis/podcullis/customresource/v1alpha1"
)

// Exemptions of which nothing is heard may have been taken back; guardrails stay.
func TestExemptionsThatNobodyConfirms(t *testing.T) {
	f := &Follower{log: slog.New(slog.DiscardHandler), changed: make(chan struct{}, 1)}
	f.guardrails = &shelf[v1alpha1.Guardrail]{follower: f, resource: v1alpha1.Guardrails()}
	f.exemptions = &shelf[v1alpha1.Exemption]{follower: f, resource: v1alpha1.Exemptions()}
	if err := f.Listed(); err == nil || !strings.Contains(err.Error(), "exemptions.podcullis.io are not listed yet") {
		t.Errorf("before the first list: %v", err)
	}
	ctx := t.Context()
	f.exemptions.heard(ctx, apierrors.NewNotFound(v1alpha1.Exemptions().GroupResource(), ""))
	if err := f.Listed(); err == nil || !strings.Contains(err.Error(), "the definition of exemptions.podcullis.io is not installed") {
		t.Errorf("without the definitions: %v", err)
	}
	for _, s := range []interface{ Replace([]any, string) error }{f.guardrails, f.exemptions} {
		if err := s.Replace(nil, "1"); err != nil {
			t.Fatal(err)
		}
	}
	f.exemptions.heard(ctx, nil)
	if o := f.Objects(0); f.Listed() != nil || o.Unconfirmed != "" {
		t.Errorf("when all is listed: %v, %q", f.Listed(), o.Unconfirmed)
	}
	f.exemptions.heard(ctx, errors.New("refused"))
	if o := f.Objects(time.Hour); o.Unconfirmed != "" {
		t.Errorf("for a moment: %q", o.Unconfirmed)
	}
	f.exemptions.since = time.Now().Add(-2 * time.Hour)
	f.exemptions.heard(ctx, errors.New("refused again"))
	if o := f.Objects(time.Hour); !strings.Contains(o.Unconfirmed, "refused again") {
		t.Errorf("for longer than an hour: %q", o.Unconfirmed)
	}
	f.exemptions.heard(ctx, apierrors.NewResourceExpired("too old")) // which a list follows
	over, cancel := context.WithCancel(ctx)
	cancel()
	f.exemptions.heard(over, nil) // of one that is at its end
	if o := f.Objects(time.Hour); o.Unconfirmed == "" {
		t.Error("what is no answer counts as one")
	}
}
