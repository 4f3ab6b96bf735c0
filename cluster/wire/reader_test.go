package wire

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "sigs.k8s.io/json"
)

func TestWhatCannotBeReadIsNamed(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"Nothing":             {``, "unexpected end of JSON input"},
		"CutOff":              {`{"metadata":{"name":"a"`, "unexpected end of JSON input"},
		"CutOffInAString":     {`{"metadata":{"name":"a`, "unexpected end of JSON input"},
		"NoJSON":              {`hello`, "invalid character 'h' at start of value"},
		"More":                {`{} {}`, "invalid character '{' after top-level value"},
		"AComma":              {`{"spec":{"hostNetwork":true,}}`, "invalid character ','"},
		"TwiceWhereItIsRead":  {`{"metadata":{"name":"a","name":"b"}}`, `the key "name" twice in one object, metadata`},
		"TwiceWhereItIsNot":   {`{"spec":{"volumes":[{},{"x":1,"x":2}]}}`, `the key "x" twice in one object, spec.volumes[1]`},
		"TwiceByEscapes":      {`{"metadata":{"name":"a","n\u0061me":"b"}}`, `the key "name" twice`},
		"TwiceAtTheTop":       {`{"spec":{},"spec":{}}`, `the key "spec" twice in one object, the whole`},
		"InvalidUTF8":         {"{\"metadata\":{\"name\":\"\xff\"}}", "invalid UTF-8"},
		"InvalidUTF8Skipped":  {"{\"status\":{\"x\":\"\xff\"}}", "invalid UTF-8"},
		"HalfASurrogate":      {`{"metadata":{"name":"\ud800"}}`, "surrogate"},
		"TooDeepWhereSkipped": {`{"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "nested deeper than 20 levels"},
		"OneTooDeep":          {`{"x":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`, "nested deeper than 20 levels"},
		"FarTooDeep":          {`{"x":` + strings.Repeat(`{"a":`, 1<<20), "nested deeper than 20 levels"},
		"DeepInALabel":        {`{"metadata":{"labels":` + strings.Repeat(`{"a":`, 40), "nested deeper than 20 levels"},
		"AnArray":             {`[]`, "the whole: want an object, got an array"},
		"NumberForAName":      {`{"metadata":{"name":1}}`, "metadata.name: want a string, got a number"},
		"TextForTrue":         {`{"spec":{"hostNetwork":"true"}}`, "spec.hostNetwork: want true or false, got a string"},
		"TheFirstOfTwo":       {`{"spec":{"hostNetwork":1},"metadata":7}`, "spec.hostNetwork"},
		"PortOutOfRange":      {`{"spec":{"containers":[{},{"ports":[{"containerPort":4294967296}]}]}}`, "spec.containers[1].ports[0].containerPort: want a whole number of 32 bits, got 4294967296"},
		"PortWithExponent":    {`{"spec":{"containers":[{"ports":[{"containerPort":8e1}]}]}}`, "want a whole number of 32 bits, got 8e1"},
		"LabelIsAList":        {`{"metadata":{"labels":{"a":[]}}}`, "metadata.labels.a: want a string, got an array"},
		"NoTime":              {`{"metadata":{"deletionTimestamp":"now"}}`, "metadata.deletionTimestamp: want a time as in RFC 3339"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var r Reader
			r.Reset([]byte(test.text), 20)
			_, err := r.Into(&corev1.Pod{})
			r.End()
			if r.Err() != nil {
				err = r.Err()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
			if err != nil && len(err.Error()) > 500 {
				t.Errorf("it takes %d bytes to say so", len(err.Error()))
			}
		})
	}
}

func TestErrorsHoldLittleOfTheText(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for name, text := range map[string]string{
		"Twice":      `{"` + long + `":{"a":1,"a":2}}`,
		"LongTwice":  `{"` + long + `":1,"` + long + `":2}`,
		"WrongType":  `{"metadata":{"labels":{"` + long + `":1}}}`,
		"WrongPort":  `{"spec":{"containers":[{"ports":[{"containerPort":1` + strings.Repeat("0", 1<<20) + `}]}]}}`,
		"WrongTime":  `{"metadata":{"deletionTimestamp":"` + long + `"}}`,
		"BrokenText": `{"` + long + `":"` + long + `\x"}`,
	} {
		if err := Unmarshal([]byte(text), &corev1.Pod{}); err == nil || len(err.Error()) > 1000 {
			t.Errorf("%s: %.1000v", name, err)
		}
	}
}

// Exactly as many levels as are allowed are read, wherever they are.
func TestTheDeepestThatIsRead(t *testing.T) {
	for levels := 5; levels < 300; levels += 7 {
		nested := func(n int) []byte {
			return []byte(`{"spec":{"x":` + strings.Repeat(`{"a":[`, (n-2)/2) + strings.Repeat(`[`, n%2) + strings.Repeat(`]`, n%2) + strings.Repeat(`]}`, (n-2)/2) + `}}`)
		}
		for n, want := range map[int]bool{levels: true, levels + 1: false} {
			var r Reader
			r.Reset(nested(n), levels)
			_, _ = r.Into(&corev1.Pod{})
			if got := r.Err() == nil; got != want {
				t.Errorf("%d levels of %d: read %t: %v", n, levels, got, r.Err())
			}
		}
	}
}

// What stands around an object is read on, whatever is wrong with it.
func TestAWrongObjectBreaksNothingAroundIt(t *testing.T) {
	var r Reader
	r.Reset([]byte(`[ {"metadata":{"name":3,"uid":"u"},"spec":[]} , {"metadata":{"name":"b"}} ]`), 20)
	var raws []string
	var wrongs []string
	for opened := r.Array(); opened && r.Element(); {
		raw, wrong := r.Into(&corev1.Pod{})
		raws = append(raws, string(raw))
		if wrong != nil {
			wrongs = append(wrongs, wrong.Error())
		}
	}
	r.End()
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	if diff := cmp.Diff([]string{`{"metadata":{"name":3,"uid":"u"},"spec":[]}`, `{"metadata":{"name":"b"}}`}, raws); diff != "" {
		t.Errorf("as they stand there (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"[0].metadata.name: want a string, got a number"}, wrongs); diff != "" {
		t.Errorf("what is wrong (-want +got):\n%s", diff)
	}
}

// Null, empty and missing are told apart as encoding/json does.
func TestNullAndEmptyAreReadAsEverywhere(t *testing.T) {
	for _, text := range []string{
		`null`, `{}`, `{"metadata":null,"spec":null}`,
		`{"metadata":{"name":null,"labels":null,"finalizers":null,"ownerReferences":null,"deletionTimestamp":null,"creationTimestamp":null}}`,
		`{"metadata":{"labels":{},"finalizers":[],"ownerReferences":[]}}`,
		`{"metadata":{"labels":{"a":null,"b":""},"finalizers":[null,"x"],"ownerReferences":[null,{"kind":null,"controller":null},{"controller":false}]}}`,
		`{"spec":{"podSelector":null,"policyTypes":null,"ingress":null,"egress":null}}`,
		`{"spec":{"podSelector":{},"policyTypes":[],"ingress":[],"egress":[]}}`,
		`{"spec":{"podSelector":{"matchLabels":{},"matchExpressions":[]},"ingress":[null,{},{"from":null,"ports":null},{"from":[],"ports":[]},{"to":[{}]}],"egress":[{"to":[null,{}],"from":[{}]}]}}`,
		`{"spec":{"podSelector":{"matchLabels":null,"matchExpressions":[null,{"key":"a","operator":"In","values":null},{"values":[]},{"values":[null]}]}}}`,
		`{"spec":{"ingress":[{"from":[{"podSelector":null,"namespaceSelector":{},"ipBlock":null},{"podSelector":{}},{"ipBlock":{}},{"ipBlock":{"cidr":null,"except":[]}}]}]}}`,
		`{"spec":{"ingress":[{"ports":[null,{},{"port":null,"protocol":null,"endPort":null},{"port":0,"protocol":"","endPort":0},{"port":""},{"port":-0},{"port":"http","protocol":"TCP","endPort":9}]}]}}`,
	} {
		var want, got networkingv1.NetworkPolicy
		if err := kjson.UnmarshalCaseSensitivePreserveInts([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		if err := Unmarshal([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-everywhere +here):\n%s", text, diff)
		}
	}
}

// A reader keeps nothing of the text before.
func TestAReaderIsUsedAgain(t *testing.T) {
	var r Reader
	texts := []string{`{"metadata":{"name":"a","x":{"y":[1`, `{"metadata":{"name":"b","labels":{"é":"1"}}}`, `{"a":1,"a":2}`, `{"metadata":{"name":3}}`, `{"metadata":{"name":"c"}}`}
	for range 3 {
		for _, text := range texts {
			var once, again corev1.Namespace
			r.Reset([]byte(text), 20)
			_, wrong := r.Into(&again)
			if r.End(); r.Err() != nil {
				wrong = r.Err()
			}
			if err := Unmarshal([]byte(text), &once); (err == nil) != (wrong == nil) || (err != nil && err.Error() != wrong.Error()) {
				t.Errorf("%s: %v, and again %v", text, err, wrong)
			}
			if diff := cmp.Diff(once, again); diff != "" {
				t.Errorf("%s (-once +again):\n%s", text, diff)
			}
		}
	}
}

// What is returned as it stands is a part of the text, and nobody writes into it.
func TestTheTextIsNotTouched(t *testing.T) {
	text := []byte(` {"metadata" : {"n\u0061me":"a\"b","labels":{"a":"b"}}, "spec":{"x":[1,2]} } `)
	before := bytes.Clone(text)
	var r Reader
	r.Reset(text, 20)
	raw, _ := r.Into(&appsv1.Deployment{})
	if !bytes.Equal(before, text) || &raw[0] != &text[1] || len(raw) != len(text)-2 {
		t.Errorf("%s became %s, of which %s was returned", before, text, raw)
	}
}

func TestKindsThatTheModelDoesNotKnow(t *testing.T) {
	if err := Unmarshal([]byte(`{}`), &corev1.Secret{}); err == nil {
		t.Error("a Secret was read as if it were empty")
	}
	for _, o := range []runtime.Object{&metav1.PartialObjectMetadata{}, &corev1.Binding{}} {
		if err := Unmarshal([]byte(`{"metadata":{"name":"a"},"spec":7}`), o); err != nil || o.(metav1.Object).GetName() != "a" {
			t.Errorf("%T: %v %v", o, err, o)
		}
	}
}
