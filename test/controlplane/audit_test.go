package controlplane_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/test/controlplane"
)

func TestAuditEvents(t *testing.T) {
	const complete = `{"verb":"create","user":{"username":"alice"},"objectRef":{"resource":"pods","name":"web"},"responseStatus":{"code":201},"annotations":{"example.test/verdict":"open"}}` + "\n"
	event := controlplane.AuditEvent{
		Verb:           "create",
		User:           controlplane.AuditUser{Username: "alice"},
		ObjectRef:      controlplane.AuditObject{Resource: "pods", Name: "web"},
		ResponseStatus: controlplane.AuditStatus{Code: 201},
		Annotations:    map[string]string{"example.test/verdict": "open"},
	}
	for name, test := range map[string]struct {
		reason  string
		log     string
		want    []controlplane.AuditEvent
		wantErr bool
	}{
		"Complete":     {reason: "one line is one event", log: complete + complete, want: []controlplane.AuditEvent{event, event}},
		"Empty":        {reason: "no request has written yet"},
		"BeingWritten": {reason: "the end of the file may be half a line", log: complete + complete[:40], want: []controlplane.AuditEvent{event}},
		"Broken":       {reason: "a test must not miss events silently", log: "{]\n", wantErr: true},
	} {
		t.Run(name, func(t *testing.T) {
			plane := &controlplane.ControlPlane{AuditLog: filepath.Join(t.TempDir(), "audit.log")}
			write(t, plane.AuditLog, test.log)
			got, err := plane.AuditEvents()
			if (err != nil) != test.wantErr {
				t.Fatalf("%s: error %v", test.reason, err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, diff)
			}
		})
	}
}

func TestAuditEventsBeforeTheFirst(t *testing.T) {
	plane := &controlplane.ControlPlane{AuditLog: filepath.Join(t.TempDir(), "absent")}
	if got, err := plane.AuditEvents(); err != nil || len(got) != 0 {
		t.Errorf("got %v and %v, want neither events nor an error", got, err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
