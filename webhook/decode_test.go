package webhook

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	kjson "sigs.k8s.io/json"

	"github.com/podcullis/podcullis/cluster"
)

// reviewFiles are reviews as a kube-apiserver of 1.37 sends them, one of each kind,
// subresource and operation.
//
//go:embed testdata/reviews/*.json
var reviewFiles embed.FS

func realReviews(t testing.TB) map[string][]byte {
	t.Helper()
	const dir = "testdata/reviews"
	entries, err := reviewFiles.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, e := range entries {
		text, err := reviewFiles.ReadFile(path.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(e.Name(), ".json")] = text
	}
	for kind, object := range fullObjects {
		group, version := "", "v1"
		if g, v, grouped := strings.Cut(regexp.MustCompile(`"apiVersion":"([^"]*)"`).FindStringSubmatch(object)[1], "/"); grouped {
			group, version = g, v
		}
		out["full-"+strings.ToLower(kind)] = fmt.Appendf(nil, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u","kind":{"group":%q,"version":%q,"kind":%q},`+
			`"resource":{"group":%[1]q,"version":%[2]q,"resource":"x"},"name":"a","namespace":"shop","operation":"UPDATE","userInfo":{"extra":{"a":["b"],"c":null}},"object":%[4]s,"oldObject":%[4]s,"dryRun":true,"options":{}}}`,
			group, version, kind, object)
	}
	return out
}

// fullObjects have each field that is read, where those of the files do not.
var fullObjects = map[string]string{
	"Pod": `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","generateName":"a-","namespace":"shop","uid":"1","resourceVersion":"7","creationTimestamp":"2026-11-27T19:11:40Z","deletionTimestamp":"2026-11-27T19:11:40Z","finalizers":["x/y"],` +
		`"labels":{"app":"a"},"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"r","uid":"2","controller":true}]},` +
		`"spec":{"hostNetwork":true,"nodeName":"n","containers":[{"name":"c","ports":[{"name":"http","protocol":"TCP","containerPort":80},{"containerPort":81}]}],` +
		`"initContainers":[{"restartPolicy":"Always","ports":[{"name":"side","protocol":"UDP","containerPort":53}]},{"ports":[{"name":"no","containerPort":1}]}]},` +
		`"status":{"phase":"Running","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"},{"ip":"fd00::1"}]}}`,
	"NetworkPolicy": `{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"a","namespace":"shop"},"spec":{"podSelector":{"matchLabels":{"app":"a"},"matchExpressions":[{"key":"t","operator":"In","values":["x","y"]}]},` +
		`"policyTypes":["Ingress","Egress"],"ingress":[{"from":[{"podSelector":{},"namespaceSelector":{"matchLabels":{"n":"m"}}},{"ipBlock":{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}}],"ports":[{"port":80,"protocol":"TCP","endPort":90},{"port":"http"}]}],` +
		`"egress":[{},{"to":[{"namespaceSelector":{}}],"ports":[{"protocol":"UDP","port":53}]}]}}`,
	"StatefulSet": `{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"a","namespace":"shop","labels":{"app":"a"}},"spec":{"ordinals":{"start":3},"selector":{"matchLabels":{"app":"a"}},` +
		`"template":{"metadata":{"labels":{"app":"a"}},"spec":{"hostNetwork":true,"containers":[{"name":"c","ports":[{"name":"http","containerPort":80}]}]}}}}`,
	"Job":                   `{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"a","namespace":"shop"},"spec":{"completionMode":"Indexed","manualSelector":true,"selector":{"matchLabels":{"app":"a"}},"template":{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{}]}}}}`,
	"ReplicationController": `{"apiVersion":"v1","kind":"ReplicationController","metadata":{"name":"a","namespace":"shop"},"spec":{"selector":{"app":"a"},"template":{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[]}}}}`,
}

const testDepth = 64

func TestReviewsOfAnAPIServerAreReadAsByItsOwnDecoder(t *testing.T) {
	for name, body := range realReviews(t) {
		t.Run(name, func(t *testing.T) {
			got := readAlike(t, body)
			if got == nil {
				t.Fatal("refused")
			}
			if _, known := modelled[got.Kind]; !known {
				return
			}
			for field, x := range map[string]runtime.RawExtension{"object": got.Object, "oldObject": got.OldObject} {
				if (x.Raw == nil) != (x.Object == nil) {
					t.Errorf("%s was not read in the one pass", field)
				}
			}
		})
	}
}

// FuzzReadReview: any text is refused, or read as sigs.k8s.io/json reads it into the types of
// the API.
func FuzzReadReview(f *testing.F) {
	f.Add([]byte(podReview))
	f.Add([]byte(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"a","object":null,"oldObject":{"a":[1]},"object":2}}`))
	f.Add([]byte(` {"request" : {"uid":"a" , "\u006fbject":{"}":"{"} , "Object":{}},"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","object":{}} `))
	for _, body := range realReviews(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) { readAlike(t, body) })
}

// FuzzReadMutatedReview is the same for real reviews in which something was changed that
// leaves them JSON, most of the time.
func FuzzReadMutatedReview(f *testing.F) {
	all := realReviews(f)
	for name := range all {
		f.Add(name, uint64(1), uint8(1))
	}
	f.Fuzz(func(t *testing.T, name string, seed uint64, changes uint8) {
		body, ok := all[name]
		if !ok {
			return
		}
		m := newMutator(t, body, rand.New(rand.NewPCG(seed, 1)))
		for range changes%8 + 1 {
			m.change()
		}
		readAlike(t, m.text())
	})
}

// TestMutatedReviewsAreReadAlike is some of what the fuzz tests do, each time.
func TestMutatedReviewsAreReadAlike(t *testing.T) {
	read := 0
	for name, body := range realReviews(t) {
		for seed := range uint64(100) {
			m := newMutator(t, body, rand.New(rand.NewPCG(seed, 2)))
			for range seed%5 + 1 {
				m.change()
			}
			if readAlike(t, m.text()) != nil {
				read++
			}
			if t.Failed() {
				t.Fatalf("%s, seed %d: %s", name, seed, m.text())
			}
		}
	}
	if read < 1000 {
		t.Errorf("only %d reviews were read at all", read)
	}
}

// readAlike reads a review, compares what was read with what the API server's decoder reads
// of it, and returns it; nil if it was rightly refused.
func readAlike(t *testing.T, body []byte) *admissionv1.AdmissionRequest {
	t.Helper()
	var pool readers
	before := bytes.Clone(body)
	got, err := pool.read(body, testDepth)
	if !bytes.Equal(before, body) {
		t.Fatal("the body was written into")
	}
	var whole struct {
		metav1.TypeMeta `json:",inline"`
		Request         *admissionv1.AdmissionRequest `json:"request"`
	}
	wholeErr := kjson.UnmarshalCaseSensitivePreserveInts(body, &whole)
	if err != nil {
		usable := wholeErr == nil && whole.Kind == reviewKind && whole.APIVersion == reviewAPIVersion &&
			whole.Request != nil && whole.Request.UID != "" && len(whole.Request.UID) <= maxUIDBytes
		if usable && !disputed(body, testDepth) {
			t.Fatalf("refused, though nothing is wrong with it: %v", err)
		}
		return nil
	}
	if wholeErr != nil {
		t.Fatalf("taken for a review, and the decoder says: %v", wholeErr)
	}
	if disputed(body, testDepth) {
		t.Fatal("read, though parsers disagree about it")
	}
	if diff := cmp.Diff(whole.Request, got, cmp.Comparer(func(a, b runtime.RawExtension) bool {
		return string(a.Raw) == string(b.Raw)
	})); diff != "" {
		t.Fatalf("-whole +here:\n%s", diff)
	}
	if _, known := modelled[got.Kind]; known {
		sameObject(t, got, got.Object)
		sameObject(t, got, got.OldObject)
	}
	return got
}

// sameObject compares what the model makes of an object with what it makes of all of it.
func sameObject(t *testing.T, q *admissionv1.AdmissionRequest, x runtime.RawExtension) {
	t.Helper()
	if len(x.Raw) == 0 {
		return
	}
	got, gotErr := understood(x, modelled[q.Kind]())
	afresh, afreshErr := understood(runtime.RawExtension{Raw: x.Raw}, modelled[q.Kind]())
	if (gotErr == nil) != (afreshErr == nil) || (gotErr == nil && !reflect.DeepEqual(got, afresh)) {
		t.Fatalf("within the review %+v, %v\nby itself %+v, %v", got, gotErr, afresh, afreshErr)
	}
	whole := modelled[q.Kind]()
	wholeErr := kjson.UnmarshalCaseSensitivePreserveInts(x.Raw, whole)
	if wholeErr != nil { // perhaps because of something that the model does not look at
		whole = modelled[q.Kind]()
		wholeErr = kjson.UnmarshalCaseSensitivePreserveInts(only(t, x.Raw, q.Kind.Kind), whole)
	}
	if (gotErr == nil) != (wholeErr == nil) {
		t.Fatalf("%s: %v, and the decoder: %v", x.Raw, gotErr, wholeErr)
	}
	if gotErr != nil {
		return
	}
	model, modelErr := cluster.FromAPI(got)
	wholeModel, wholeModelErr := cluster.FromAPI(whole)
	if !reflect.DeepEqual(model, wholeModel) || (modelErr == nil) != (wholeModelErr == nil) || (modelErr != nil && modelErr.Error() != wholeModelErr.Error()) {
		t.Fatalf("of %s:\nhere  %+v %v\nwhole %+v %v", x.Raw, model, modelErr, wholeModel, wholeModelErr)
	}
	a, b := got.(metav1.Object), whole.(metav1.Object)
	if a.GetUID() != b.GetUID() || a.GetResourceVersion() != b.GetResourceVersion() || !reflect.DeepEqual(a.GetFinalizers(), b.GetFinalizers()) ||
		!reflect.DeepEqual(a.GetCreationTimestamp(), b.GetCreationTimestamp()) || !reflect.DeepEqual(a.GetDeletionTimestamp(), b.GetDeletionTimestamp()) {
		t.Fatalf("of %s:\nhere  %+v\nwhole %+v", x.Raw, a, b)
	}
}

// What is read of each kind, exactly.
var (
	readMeta = fields{
		"name": nil, "generateName": nil, "namespace": nil, "uid": nil, "resourceVersion": nil, "creationTimestamp": nil, "deletionTimestamp": nil,
		"labels": nil, "finalizers": nil, "ownerReferences": {"apiVersion": nil, "kind": nil, "name": nil, "uid": nil, "controller": nil},
	}
	readContainer = fields{"restartPolicy": nil, "ports": {"name": nil, "protocol": nil, "containerPort": nil}}
	readPodSpec   = fields{"hostNetwork": nil, "nodeName": nil, "containers": readContainer, "initContainers": readContainer}
	readSelector  = fields{"matchLabels": nil, "matchExpressions": {"key": nil, "operator": nil, "values": nil}}
	readTemplate  = fields{"metadata": readMeta, "spec": readPodSpec}
	readPeer      = fields{"podSelector": readSelector, "namespaceSelector": readSelector, "ipBlock": {"cidr": nil, "except": nil}}
	readPort      = fields{"port": nil, "protocol": nil, "endPort": nil}
	readJob       = fields{"selector": readSelector, "template": readTemplate, "completionMode": nil, "manualSelector": nil}
)

func readOf(kind string) fields {
	spec := map[string]fields{
		"Namespace":             {},
		"Pod":                   readPodSpec,
		"Deployment":            {"selector": readSelector, "template": readTemplate},
		"ReplicaSet":            {"selector": readSelector, "template": readTemplate},
		"DaemonSet":             {"selector": readSelector, "template": readTemplate},
		"StatefulSet":           {"selector": readSelector, "template": readTemplate, "ordinals": {"start": nil}},
		"ReplicationController": {"selector": nil, "template": readTemplate},
		"Job":                   readJob,
		"CronJob":               {"jobTemplate": {"spec": readJob}},
		"NetworkPolicy": {
			"podSelector": readSelector, "policyTypes": nil,
			"ingress": {"from": readPeer, "ports": readPort}, "egress": {"to": readPeer, "ports": readPort},
		},
	}[kind]
	out := fields{"metadata": readMeta, "spec": spec}
	switch kind {
	case "Pod":
		out["status"] = fields{"phase": nil, "podIP": nil, "podIPs": {"ip": nil}}
	case "Namespace":
		delete(out, "spec")
	}
	return out
}

// only is an object with only what is read of it, by a decoder that is not under test.
func only(t *testing.T, raw []byte, kind string) []byte {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(pick(tree, readOf(kind)))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func pick(tree any, f fields) any {
	if f == nil {
		return tree
	}
	switch tree := tree.(type) {
	case map[string]any:
		for name, value := range tree {
			inner, wanted := f[name]
			if !wanted {
				delete(tree, name)
				continue
			}
			tree[name] = pick(value, inner)
		}
	case []any:
		for i := range tree {
			tree[i] = pick(tree[i], f)
		}
	}
	return tree
}

var (
	surrogate     = regexp.MustCompile(`\\u[dD][89a-fA-F]`)
	surrogatePair = regexp.MustCompile(`\\u[dD][89abAB]..\\u[dD][c-fC-F]..`)
)

// disputed tells whether JSON holds what parsers disagree about: names that stand twice,
// text that is no UTF-8, too deep nesting. Of surrogates it takes each for a lone one,
// unless they stand in pairs.
func disputed(body []byte, levels int) bool {
	if !utf8.Valid(body) || surrogate.Match(surrogatePair.ReplaceAll(body, nil)) {
		return true
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var names []map[string]bool // nil for an array
	isName := false
	for {
		token, err := d.Token()
		if err == io.EOF {
			return false
		}
		if err != nil {
			return false // no JSON is not disputed
		}
		switch token := token.(type) {
		case json.Delim:
			switch token {
			case '{':
				names = append(names, map[string]bool{})
			case '[':
				names = append(names, nil)
			default:
				names = names[:len(names)-1]
			}
			if len(names) > levels {
				return true
			}
		case string:
			if isName {
				if names[len(names)-1][token] {
					return true
				}
				names[len(names)-1][token] = true
				isName = false
				continue
			}
		}
		isName = len(names) > 0 && names[len(names)-1] != nil
	}
}

// TestTheAnswerDoesNotHangOnThePass: whatever was read of a review in the one pass, the
// answer is that to a judge who reads each object by itself.
func TestTheAnswerDoesNotHangOnThePass(t *testing.T) {
	judge := NewJudge(JudgeOptions{Evaluator: engineOf(t, lawConfig), Model: &steadyModel{&cluster.Snapshot{}}, Mode: Enforce, Log: quiet, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
	handler := NewReviewHandler(judge, ReviewOptions{Logger: quiet, MaxDepth: testDepth})
	allowed, refused := 0, 0
	for name, body := range realReviews(t) {
		for seed := range uint64(25) {
			m := newMutator(t, body, rand.New(rand.NewPCG(seed, 3)))
			for range seed % 4 {
				m.change()
			}
			text := m.text()
			var pool readers
			read, err := pool.read(text, testDepth)
			if err != nil {
				continue
			}
			got, _ := reviewResponse(t, postReview(t, handler, "/validate", string(text)))
			read.Object.Object, read.OldObject.Object = nil, nil
			want := judge.Handle(t.Context(), admission.Request{AdmissionRequest: *read})
			if got.Allowed != want.Allowed || got.Result.Code != want.Result.Code || got.Result.Message != want.Result.Message {
				t.Fatalf("%s, seed %d: %t %+v\nread by themselves: %t %+v\n%s", name, seed, got.Allowed, got.Result, want.Allowed, want.Result, text)
			}
			if got.Allowed {
				allowed++
			} else {
				refused++
			}
		}
	}
	if allowed < 100 || refused < 20 {
		t.Errorf("%d allowed and %d refused: that shows little", allowed, refused)
	}
}

type steadyModel struct{ s *cluster.Snapshot }

func (m *steadyModel) Snapshot() *cluster.Snapshot { return m.s }

func (m *steadyModel) WaitFor(_ context.Context, condition func(*cluster.Snapshot) bool) bool {
	return condition(m.s)
}
