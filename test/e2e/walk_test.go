package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/webhook"
)

// walked is the namespace in which the walk writes.
const walked = "walked"

// writtenWith is every verb that writes, each with all the ways there are to do it.
var writtenWith = map[string][]way{
	"create": {{"create", http.MethodPost, "application/json"}},
	"update": {{"update", http.MethodPut, "application/json"}},
	"patch": {
		{"patch json", http.MethodPatch, "application/json-patch+json"},
		{"patch merge", http.MethodPatch, "application/merge-patch+json"},
		{"patch strategic", http.MethodPatch, "application/strategic-merge-patch+json"},
		{"apply", http.MethodPatch, "application/apply-patch+yaml"},
	},
	"delete":           {{"delete", http.MethodDelete, "application/json"}},
	"deletecollection": {{"deletecollection", http.MethodDelete, "application/json"}},
}

type way struct{ name, method, contentType string }

// walk writes by every resource, subresource and verb of an API server.
type walk struct {
	*recorder
	client *http.Client
	number int
	done   map[string]string // what came of a write, by its name
}

func (r *recorder) walk(t *testing.T) *walk {
	t.Helper()
	config := r.c.REST()
	config.Timeout = 20 * time.Second
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return &walk{recorder: r, client: client, done: map[string]string{}}
}

// The model changes only by what was judged: whatever is written to the API server, by any
// resource, subresource and verb of any group, becomes part of the model as a review said,
// or leaves the model as it was.
func TestTheModelChangesOnlyByWhatWasJudged(t *testing.T) {
	c := start(t)
	c.namespace(t, walked)
	w := c.record(t).walk(t)
	_, lists, err := c.client.Discovery().ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		for _, resource := range list.APIResources {
			for _, problem := range w.resource(t, list.GroupVersion, resource) {
				t.Error(problem)
			}
		}
	}
	w.report(t)
	for _, door := range webhook.Resources() {
		if w.seen[door] == 0 {
			t.Errorf("nothing was written by %s, so nothing is shown about it", door)
		}
	}
}

// Each door is needed: without it something in the model changes that no review told of.
func TestEachDoorIsNeeded(t *testing.T) {
	c := start(t)
	c.namespace(t, walked)
	w := c.record(t).walk(t)
	_, lists, err := c.client.Discovery().ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	for _, door := range webhook.Resources() {
		group, name, _ := strings.Cut(door, "/")
		version := strings.TrimPrefix(group+"/v1", "/")
		at := slices.IndexFunc(lists, func(l *metav1.APIResourceList) bool { return l.GroupVersion == version })
		resource := slices.IndexFunc(lists[at].APIResources, func(r metav1.APIResource) bool { return r.Name == name })
		if resource < 0 {
			t.Errorf("%s is not served", door)
			continue
		}
		w.mu.Lock()
		w.shut = door
		w.mu.Unlock()
		if found := w.resource(t, version, lists[at].APIResources[resource]); len(found) == 0 {
			t.Errorf("%s: the model is as judged without it", door)
		}
		w.mu.Lock()
		w.shut = ""
		w.mu.Unlock()
	}
}

// report says what became of the writes, in numbers, and by which resources none went in.
func (w *walk) report(t *testing.T) {
	t.Helper()
	in := 0
	written, why := map[string]bool{}, map[string]string{}
	for name, came := range w.done {
		version, rest, _ := strings.Cut(name, " ")
		resource, _, _ := strings.Cut(rest, " ")
		if why[version+" "+resource] = came; came == "written" {
			in, written[version+" "+resource] = in+1, true
		}
	}
	var out []string
	for resource := range why {
		if !written[resource] {
			out = append(out, resource+": "+why[resource])
		}
	}
	slices.Sort(out)
	t.Logf("%d ways to write, %d written, by %d of %d resources; by these nothing:\n%s", len(w.done), in, len(written), len(why), strings.Join(out, "\n"))
	if in < 500 {
		t.Errorf("only %d ways were written: has the walk lost its way?", in)
	}
}

// resource writes by one resource or subresource, and returns what of it was not judged.
func (w *walk) resource(t *testing.T, groupVersion string, r metav1.APIResource) []string {
	t.Helper()
	var problems []string
	for _, verb := range r.Verbs {
		for _, how := range writtenWith[verb] {
			w.number++
			name := strings.Join([]string{groupVersion, r.Name, how.name}, " ")
			came, object := w.write(t, groupVersion, r, how)
			w.done[name] = came
			for _, u := range w.unjudged(t) {
				problems = append(problems, fmt.Sprintf("%s (%s): %s", name, came, u))
			}
			if object != "" { // so that the next has room
				w.do(t, w.client, http.MethodDelete, object, "application/json", []byte(`{"gracePeriodSeconds":0,"propagationPolicy":"Background"}`))
			}
		}
	}
	return problems
}

// write does one write, says what came of it ("written", or why not), and which object is
// there now.
func (w *walk) write(t *testing.T, groupVersion string, r metav1.APIResource, how way) (came, written string) {
	t.Helper()
	parent, subresource, _ := strings.Cut(r.Name, "/")
	group, version, grouped := strings.Cut(groupVersion, "/")
	if !grouped {
		group, version = "", groupVersion
	}
	collection := "/apis/" + groupVersion + "/"
	if group == "" {
		collection = "/api/" + version + "/"
	}
	if r.Namespaced {
		collection += "namespaces/" + walked + "/"
	}
	collection += parent
	name := fmt.Sprintf("w-%d", w.number)
	object := w.sample(t, groupVersion, group+"/"+parent, r.Kind, name)
	one := collection + "/" + name
	if resource := group + "/" + parent; resource == "/bindings" {
		object["kind"] = "Binding"
		code, answer := w.do(t, w.client, http.MethodPost, strings.Replace(collection, "/bindings", "/pods", 1), "application/json", marshal(t, w.sample(t, "v1", "/pods", "Pod", name)))
		if code >= 300 {
			return "no sample: " + short(code, answer), ""
		}
		return w.said(t, how.method, collection, how.contentType, object), strings.Replace(one, "/bindings", "/pods", 1)
	}
	if subresource == "" && how.name == "create" {
		return w.said(t, how.method, collection, how.contentType, object), one
	}
	if code, answer := w.do(t, w.client, http.MethodPost, collection, "application/json", marshal(t, object)); code >= 300 {
		return "no sample: " + short(code, answer), ""
	}
	if how.name == "deletecollection" {
		return w.said(t, how.method, collection+"?labelSelector=walked%3D"+name, how.contentType, nil), one
	}
	target := one
	if subresource != "" {
		target += "/" + subresource
	}
	return w.said(t, how.method, w.query(target, how), how.contentType, w.body(t, group, r, how, target, object)), one
}

// query is the path with what a server-side apply needs.
func (w *walk) query(path string, how way) string {
	if how.name == "apply" {
		return path + "?fieldManager=walk&force=true"
	}
	return path
}

func (w *walk) said(t *testing.T, method, path, contentType string, body any) string {
	t.Helper()
	var raw []byte
	if body != nil {
		raw = marshal(t, body)
	}
	if code, answer := w.do(t, w.client, method, path, contentType, raw); code >= 300 {
		return short(code, answer)
	}
	return "written"
}

// body is what tries to change as much as possible of what the model holds.
func (w *walk) body(t *testing.T, group string, r metav1.APIResource, how way, target string, object map[string]any) any {
	t.Helper()
	labels := map[string]any{"walked": fmt.Sprint(w.number), "evil": "yes", "app": "evil"}
	switch how.name {
	case "delete":
		return nil
	case "patch json":
		ops := []any{map[string]any{"op": "add", "path": "/metadata/labels", "value": labels}}
		if templated(object) {
			ops = append(ops, map[string]any{"op": "add", "path": "/spec/template/metadata/labels/evil", "value": "yes"})
		}
		return ops
	case "patch merge", "patch strategic":
		patch := map[string]any{"metadata": map[string]any{"labels": labels, "ownerReferences": stranger()}}
		if templated(object) {
			patch["spec"] = map[string]any{"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"evil": "yes"}}}}
		}
		return patch
	}
	// Everything else takes a whole object: of the subresource's own kind if it can be read.
	whole := object
	if code, answer := w.do(t, w.client, http.MethodGet, target, "application/json", nil); code < 300 {
		var got map[string]any
		if json.Unmarshal(answer, &got) == nil && got["metadata"] != nil {
			whole = got
		}
	} else if r.Kind != fmt.Sprint(object["kind"]) {
		version := strings.TrimPrefix(r.Group+"/"+r.Version, "/")
		if r.Version == "" {
			version = fmt.Sprint(object["apiVersion"])
		}
		whole = map[string]any{"apiVersion": version, "kind": r.Kind, "metadata": map[string]any{"name": metadata(object)["name"], "namespace": metadata(object)["namespace"]}}
	}
	if r.Kind == "Binding" {
		whole["target"] = map[string]any{"apiVersion": "v1", "kind": "Node", "name": "node-1"}
	}
	meta := metadata(whole)
	if how.name == "apply" {
		whole = map[string]any{"apiVersion": whole["apiVersion"], "kind": whole["kind"], "metadata": map[string]any{"name": meta["name"]}}
		if templated(object) && whole["kind"] == object["kind"] {
			whole["spec"] = map[string]any{"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"evil": "yes"}}}}
		}
		meta = metadata(whole)
	} else if templated(whole) {
		template := whole["spec"].(map[string]any)["template"].(map[string]any)
		metadata(template)["labels"].(map[string]any)["evil"] = "yes"
	}
	kept, _ := meta["labels"].(map[string]any)
	if kept == nil {
		kept = map[string]any{}
	}
	for k, v := range labels {
		kept[k] = v
	}
	meta["labels"], meta["ownerReferences"] = kept, stranger()
	delete(meta, "resourceVersion") // whatever a controller wrote meanwhile
	return whole
}

// stranger is an owner that is not there.
func stranger() []any {
	return []any{map[string]any{"apiVersion": "example.test/v1", "kind": "Owner", "name": "stranger", "uid": madeUpUID}}
}

func metadata(object map[string]any) map[string]any {
	meta, ok := object["metadata"].(map[string]any)
	if !ok {
		meta = map[string]any{}
		object["metadata"] = meta
	}
	return meta
}

func templated(object map[string]any) bool {
	spec, _ := object["spec"].(map[string]any)
	template, _ := spec["template"].(map[string]any)
	return template["spec"] != nil
}

// sample is an object of a resource that the API server takes.
func (w *walk) sample(t *testing.T, groupVersion, resource, kind, name string) map[string]any {
	t.Helper()
	if of, ok := kindsOf[resource]; ok {
		kind = of
	}
	object := map[string]any{"apiVersion": groupVersion, "kind": kind}
	if text, ok := samples[resource]; ok {
		if err := yaml.Unmarshal([]byte(strings.ReplaceAll(text, "NAME", name)), &object); err != nil {
			t.Fatalf("%s: %v", resource, err)
		}
	}
	meta := metadata(object)
	meta["name"] = name
	labels, _ := meta["labels"].(map[string]any)
	if labels == nil {
		labels = map[string]any{}
	}
	labels["walked"] = name
	meta["labels"] = labels
	return object
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// request is one request; the answer is a status and a body. That there is none is an
// answer, too: a stream that goes nowhere.
func request(t *testing.T, client *http.Client, method, url, contentType string, body []byte) (int, []byte) {
	t.Helper()
	q, err := http.NewRequestWithContext(context.Background(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", contentType)
	answer, err := client.Do(q)
	if err != nil {
		return http.StatusGatewayTimeout, []byte(err.Error())
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return http.StatusGatewayTimeout, []byte(err.Error())
	}
	return answer.StatusCode, text
}

// short is an answer in one line.
func short(code int, answer []byte) string {
	var status metav1.Status
	text := string(answer)
	if json.Unmarshal(answer, &status) == nil && status.Message != "" {
		text = status.Message
	}
	if text = strings.Join(strings.Fields(text), " "); len(text) > 160 {
		text = text[:160] + "..."
	}
	return fmt.Sprintf("%d %s", code, text)
}
