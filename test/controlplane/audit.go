package controlplane

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// auditWrites records every request that means to change something, once it was answered. The
// annotations of admission webhooks are part of the metadata.
const auditWrites = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
- level: None
`

// AuditEvent is one line of the audit log: the fields of audit.k8s.io/v1 Event that tests ask for.
type AuditEvent struct {
	AuditID        string            `json:"auditID"`
	Level          string            `json:"level"`
	Stage          string            `json:"stage"`
	RequestURI     string            `json:"requestURI"`
	Verb           string            `json:"verb"`
	User           AuditUser         `json:"user"`
	UserAgent      string            `json:"userAgent"`
	ObjectRef      AuditObject       `json:"objectRef"`      // zero for a request that is not about a resource
	ResponseStatus AuditStatus       `json:"responseStatus"` // of failures the whole metav1.Status, else the code
	Received       time.Time         `json:"requestReceivedTimestamp"`
	Annotations    map[string]string `json:"annotations"`
}

// AuditUser is who asked.
type AuditUser struct {
	Username string   `json:"username"`
	Groups   []string `json:"groups"`
}

// AuditObject is what a request was about. Name is empty for a collection, and for the creation
// of an object whose name the server generates.
type AuditObject struct {
	APIGroup    string `json:"apiGroup"`
	APIVersion  string `json:"apiVersion"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource"`
	Namespace   string `json:"namespace"`
	Name        string `json:"name"`
}

// AuditStatus is how the API server answered.
type AuditStatus struct {
	Code    int    `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// AuditEvents returns the audit log so far, in the order of the answers. The API server writes an
// event before it finishes the answer, but the head of a long answer can reach a client earlier;
// AwaitAuditEvent knows no such doubt.
func (c *ControlPlane) AuditEvents() ([]AuditEvent, error) {
	content, err := os.ReadFile(c.AuditLog)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var events []AuditEvent
	for line := range bytes.Lines(content) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // still being written
		}
		var event AuditEvent
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", c.AuditLog, len(events)+1, err)
		}
		events = append(events, event)
	}
	return events, nil
}

// AwaitAuditEvent returns the first event in the audit log that matches, as soon as there is one.
func (c *ControlPlane) AwaitAuditEvent(ctx context.Context, matches func(AuditEvent) bool) (AuditEvent, error) {
	var found AuditEvent
	err := Await(ctx, "an audit event", func(context.Context) error {
		events, err := c.AuditEvents()
		if err != nil {
			return err
		}
		for _, event := range events {
			if matches(event) {
				found = event
				return nil
			}
		}
		return fmt.Errorf("none of %d events matches", len(events))
	})
	return found, err
}
