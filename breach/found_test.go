package breach

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// What an audit finds is told beside the object that it is reported with, in the same words,
// without a claim that it got in; each finding has an Event of its own.
func TestEventOfWhatAnAuditFound(t *testing.T) {
	e := NewEvents(EventOptions{Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
	web := &cluster.Pod{Namespace: "shop", Name: "web"}
	v := guardrail.Violation{Guardrail: "isolated", Rule: "default-deny", Action: guardrail.Warn, Message: "shop/Pod/web would not be isolated\n  to fix: isolate it"}
	got := e.event(Found(v, web))
	if got.Reason != "ViolationFound" || got.Action != "Audited" || got.Regarding.Kind != "Pod" || got.Regarding.Name != "web" || got.Namespace != "shop" ||
		got.Note != "[isolated] shop/Pod/web would not be isolated; to fix: isolate it" {
		t.Errorf("%+v", got)
	}
	if again := e.event(Found(v, web)); again.Name != got.Name {
		t.Error("the same finding has another Event")
	}
	v.Message = strings.Replace(v.Message, "isolated\n", "isolated for egress\n", 1)
	if other := e.event(Found(v, web)); other.Name == got.Name {
		t.Error("another finding about the same object has none")
	}
}
