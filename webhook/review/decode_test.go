package review

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"reflect"
	"regexp"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "sigs.k8s.io/json"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/wire"
	"github.com/podcullis/podcullis/webhook/review/reviewtest"
	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

func TestReviewsOfAnAPIServerAreReadAsByItsOwnDecoder(t *testing.T) {
	for name, body := range reviewtest.Reviews(t) {
		t.Run(name, func(t *testing.T) {
			got := readAlike(t, body)
			if got == nil {
				t.Fatal("refused")
			}
			if wire.New(got.Kind) == nil {
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
	f.Add([]byte(servingtest.PodReview))
	f.Add([]byte(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"a","object":null,"oldObject":{"a":[1]},"object":2}}`))
	f.Add([]byte(` {"request" : {"uid":"a" , "\u006fbject":{"}":"{"} , "Object":{}},"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","object":{}} `))
	for _, body := range reviewtest.Reviews(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) { readAlike(t, body) })
}

// FuzzReadMutatedReview is the same for real reviews in which something was changed that
// leaves them JSON, most of the time.
func FuzzReadMutatedReview(f *testing.F) {
	all := reviewtest.Reviews(f)
	for name := range all {
		f.Add(name, uint64(1), uint8(1))
	}
	f.Fuzz(func(t *testing.T, name string, seed uint64, changes uint8) {
		body, ok := all[name]
		if !ok {
			return
		}
		m := reviewtest.NewMutator(t, body, rand.New(rand.NewPCG(seed, 1)))
		for range changes%8 + 1 {
			m.Change()
		}
		readAlike(t, m.Text())
	})
}

// TestMutatedReviewsAreReadAlike is some of what the fuzz tests do, each time.
func TestMutatedReviewsAreReadAlike(t *testing.T) {
	read := 0
	for name, body := range reviewtest.Reviews(t) {
		for seed := range uint64(100) {
			m := reviewtest.NewMutator(t, body, rand.New(rand.NewPCG(seed, 2)))
			for range seed%5 + 1 {
				m.Change()
			}
			if readAlike(t, m.Text()) != nil {
				read++
			}
			if t.Failed() {
				t.Fatalf("%s, seed %d: %s", name, seed, m.Text())
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
	got, err := pool.read(body, reviewtest.Depth)
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
		if usable && !disputed(body, reviewtest.Depth) {
			t.Fatalf("refused, though nothing is wrong with it: %v", err)
		}
		return nil
	}
	if wholeErr != nil {
		t.Fatalf("taken for a review, and the decoder says: %v", wholeErr)
	}
	if disputed(body, reviewtest.Depth) {
		t.Fatal("read, though parsers disagree about it")
	}
	if diff := cmp.Diff(whole.Request, got, cmp.Comparer(func(a, b runtime.RawExtension) bool {
		return string(a.Raw) == string(b.Raw)
	})); diff != "" {
		t.Fatalf("-whole +here:\n%s", diff)
	}
	if wire.New(got.Kind) != nil {
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
	got, gotErr := readNow(x, wire.New(q.Kind))
	afresh, afreshErr := readNow(runtime.RawExtension{Raw: x.Raw}, wire.New(q.Kind))
	if (gotErr == nil) != (afreshErr == nil) || (gotErr == nil && !reflect.DeepEqual(got, afresh)) {
		t.Fatalf("within the review %+v, %v\nby itself %+v, %v", got, gotErr, afresh, afreshErr)
	}
	whole := wire.New(q.Kind)
	wholeErr := kjson.UnmarshalCaseSensitivePreserveInts(x.Raw, whole)
	if wholeErr != nil { // perhaps because of something that the model does not look at
		whole = wire.New(q.Kind)
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

// readFields are the members of an object that are read; nil is all of it.
type readFields map[string]readFields

// readNow is an object of a review, as it was read with it or else read now.
func readNow(x runtime.RawExtension, empty runtime.Object) (runtime.Object, error) {
	if x.Object != nil {
		return x.Object, nil
	}
	return empty, wire.Unmarshal(x.Raw, empty)
}

// What is read of each kind, exactly.
var (
	readMeta = readFields{
		"name": nil, "generateName": nil, "namespace": nil, "uid": nil, "resourceVersion": nil, "creationTimestamp": nil, "deletionTimestamp": nil,
		"labels": nil, "finalizers": nil, "ownerReferences": {"apiVersion": nil, "kind": nil, "name": nil, "uid": nil, "controller": nil},
	}
	readContainer = readFields{"restartPolicy": nil, "ports": {"name": nil, "protocol": nil, "containerPort": nil}}
	readPodSpec   = readFields{"hostNetwork": nil, "nodeName": nil, "containers": readContainer, "initContainers": readContainer}
	readSelector  = readFields{"matchLabels": nil, "matchExpressions": {"key": nil, "operator": nil, "values": nil}}
	readTemplate  = readFields{"metadata": readMeta, "spec": readPodSpec}
	readPeer      = readFields{"podSelector": readSelector, "namespaceSelector": readSelector, "ipBlock": {"cidr": nil, "except": nil}}
	readPort      = readFields{"port": nil, "protocol": nil, "endPort": nil}
	readJob       = readFields{"selector": readSelector, "template": readTemplate, "completionMode": nil, "manualSelector": nil}
)

func readOf(kind string) readFields {
	spec := map[string]readFields{
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
	out := readFields{"metadata": readMeta, "spec": spec}
	switch kind {
	case "Pod":
		out["status"] = readFields{"phase": nil, "podIP": nil, "podIPs": {"ip": nil}}
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

func pick(tree any, f readFields) any {
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
