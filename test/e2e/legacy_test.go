package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// legacy is a namespace from before Podcullis, with a node for its DaemonSet.
type legacy struct {
	c         cluster
	manifests []string
}

const legacyNode = `{apiVersion: v1, kind: Node, metadata: {name: legacy-node}}`

// legacy makes the namespace, while nobody is asked, and waits for its pods.
func (c cluster) legacy(t *testing.T) *legacy {
	t.Helper()
	text, err := os.ReadFile("testdata/lifecycles/legacy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	l := &legacy{c, strings.Split(string(text), "\n---\n")}
	c.kubectl(t, legacyNode, "apply", "-f", "-")
	t.Cleanup(func() { c.kubectlAnyway("delete", "node", "legacy-node") })
	c.namespace(t, "legacy")
	c.kubectl(t, string(text), "apply", "-f", "-")
	for selector, n := range map[string]int{"app=web": 2, "app=db": 2, "app=pg": 2, "app=agent": 1, "app=old": 1, "job-name=migrate": 1, "job-name=shards": 1} {
		l.pods(t, selector, n)
	}
	for _, role := range []string{"pg-0 role=primary", "pg-1 role=replica"} {
		l.kubectl(t, "", append([]string{"label", "pod"}, strings.Fields(role)...)...)
	}
	return l
}

func lifecycleGuardrails(t *testing.T) string {
	t.Helper()
	return repository(t, "test", "e2e", "testdata", "lifecycles", "guardrails.yaml")
}

// kubectl runs a command in the namespace that must succeed.
func (l *legacy) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	return l.c.kubectl(t, stdin, append([]string{"-n", "legacy"}, args...)...)
}

// object is one of the namespace's manifests.
func (l *legacy) object(kind, name string) string {
	i := slices.IndexFunc(l.manifests, func(m string) bool {
		return strings.Contains(m, "kind: "+kind+"\n") && strings.Contains(m, "{name: "+name+",")
	})
	return l.manifests[i]
}

// pods are the names of those that have not ended, once there are as many as wanted.
func (l *legacy) pods(t *testing.T, selector string, want int) []string {
	t.Helper()
	var names []string
	await(t, fmt.Sprintf("%d pods of %s", want, selector), func(ctx context.Context) error {
		var err error
		names, err = l.there(ctx, selector)
		if err == nil && len(names) != want {
			err = fmt.Errorf("there are %d: %s", len(names), l.events(ctx))
		}
		return err
	})
	return names
}

func (l *legacy) there(ctx context.Context, selector string) ([]string, error) {
	out, _, err := l.c.Kubectl(ctx, "", "-n", "legacy", "get", "pods", "-l", selector, "--field-selector=status.phase!=Failed,status.phase!=Succeeded",
		"-o", `jsonpath={range .items[*]}{.metadata.name} {end}`)
	return strings.Fields(out), err
}

// events are what controllers say of pods that they could not make.
func (l *legacy) events(ctx context.Context) string {
	out, _, _ := l.c.Kubectl(ctx, "", "-n", "legacy", "get", "events", "--field-selector=reason=FailedCreate", "-o", `jsonpath={range .items[*]}{.message}{"\n"}{end}`)
	return out
}

// uids tells pods apart that have the same name.
func (l *legacy) uids(ctx context.Context, selector string) ([]string, error) {
	out, _, err := l.c.Kubectl(ctx, "", "-n", "legacy", "get", "pods", "-l", selector, "--field-selector=status.phase!=Failed,status.phase!=Succeeded",
		"-o", `jsonpath={range .items[*]}{.metadata.uid} {end}`)
	return strings.Fields(out), err
}

// replaced has one pod of a selector go, and waits until there are as many as before
// and one is new.
func (l *legacy) replaced(t *testing.T, selector string, n int, goes func(pod string)) {
	t.Helper()
	pod := l.pods(t, selector, n)[0]
	before, err := l.uids(t.Context(), selector)
	if err != nil {
		t.Fatal(err)
	}
	goes(pod)
	await(t, "another pod of "+selector+" instead of "+pod, func(ctx context.Context) error {
		now, err := l.uids(ctx, selector)
		if err == nil && (len(now) != n || !slices.ContainsFunc(now, func(uid string) bool { return !slices.Contains(before, uid) })) {
			err = fmt.Errorf("there are %d, before %d: %s", len(now), len(before), l.events(ctx))
		}
		return err
	})
}

// others waits until as many pods as wanted are there and none is one of those before.
func (l *legacy) others(t *testing.T, selector string, before []string, want int) {
	t.Helper()
	await(t, "only new pods of "+selector, func(ctx context.Context) error {
		now, err := l.there(ctx, selector)
		if err == nil && (len(now) != want || slices.ContainsFunc(now, func(name string) bool { return slices.Contains(before, name) })) {
			err = fmt.Errorf("there are %v: %s", now, l.events(ctx))
		}
		return err
	})
}

// only waits until the pods of a selector have a value, and are as many as wanted.
func (l *legacy) only(t *testing.T, selector, path, value string, want int) {
	t.Helper()
	await(t, fmt.Sprintf("%d pods of %s with %s", want, selector, value), func(ctx context.Context) error {
		out, _, err := l.c.Kubectl(ctx, "", "-n", "legacy", "get", "pods", "-l", selector, "-o", "jsonpath="+path)
		names, theirErr := l.there(ctx, selector)
		switch {
		case errors.Join(err, theirErr) != nil:
			return errors.Join(err, theirErr)
		case len(names) != want, out != strings.TrimSuffix(strings.Repeat(value+" ", want), " "):
			return fmt.Errorf("there are %v with %q: %s", names, out, l.events(ctx))
		}
		return nil
	})
}

// running makes pods ready, as a kubelet would.
func (l *legacy) running(t *testing.T, selector string, n int) {
	t.Helper()
	for i, pod := range l.pods(t, selector, n) {
		l.kubectl(t, "", "patch", "pod", pod, "--subresource=status", "--type=merge", "-p", fmt.Sprintf(
			`{"status":{"phase":"Running","podIP":"10.1.0.%[1]d","podIPs":[{"ip":"10.1.0.%[1]d"}],"conditions":[{"type":"Ready","status":"True"}]}}`, i+10))
	}
}

// phase ends a pod, as a kubelet would.
func (l *legacy) phase(t *testing.T, pod, phase string) {
	t.Helper()
	l.kubectl(t, "", "patch", "pod", pod, "--subresource=status", "--type=merge", "-p", `{"status":{"phase":"`+phase+`"}}`)
}

// denied runs a command, as somebody unless user is empty, that a guardrail must refuse.
func (c cluster) denied(t *testing.T, user, stdin string, args ...string) {
	t.Helper()
	if user != "" {
		args = append([]string{"--as", user}, args...)
	}
	stdout, stderr, err := c.Kubectl(t.Context(), stdin, args...)
	switch {
	case err == nil:
		t.Errorf("kubectl %s passed, and should be refused: %s%s\n%s", strings.Join(args, " "), stdout, stderr, stdin)
	case !strings.Contains(stderr, webhookName) || !strings.Contains(stderr, "["):
		t.Errorf("kubectl %s was not refused by a guardrail: %s", strings.Join(args, " "), stderr)
	}
}
