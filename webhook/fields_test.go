package webhook

import (
	"encoding/json"
	"math/rand"
	"reflect"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/randfill"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/wire"
)

// TestReadingLosesNothing: whatever an object holds, the model's object is the
// same whether all of it was decoded, or only what the reader takes out of it, or out of
// what the ledger keeps of it.
func TestReadingLosesNothing(t *testing.T) {
	fill := randfill.NewWithSeed(1).NilChance(.3).NumElements(0, 3).MaxDepth(12).Funcs(
		func(o *metav1.FieldsV1, c randfill.Continue) { o.SetRawString(`{"f:metadata":{}}`) },
		func(o *intstr.IntOrString, c randfill.Continue) { *o = intstr.FromInt32(c.Int31n(70000)) },
		func(o *corev1.RestartPolicy, c randfill.Continue) { *o = corev1.RestartPolicyAlways },
		func(o *corev1.ContainerRestartPolicy, c randfill.Continue) {
			*o = corev1.ContainerRestartPolicyAlways
		},
		func(o *corev1.Protocol, c randfill.Continue) {
			*o = []corev1.Protocol{"", "TCP", "UDP", "odd"}[c.Intn(4)]
		},
		func(o *corev1.PodIP, c randfill.Continue) { o.IP = []string{"10.0.0.1", "fd00::1", "?"}[c.Intn(3)] },
		func(o *networkingv1.IPBlock, c randfill.Continue) { o.CIDR = "10.0.0.0/8" },
	)
	random := rand.New(rand.NewSource(1))
	for _, gvk := range wire.Kinds() {
		t.Run(gvk.Kind, func(t *testing.T) {
			for range 300 {
				o := wire.New(gvk)
				fill.Fill(o)
				if random.Intn(2) == 0 {
					yes := true
					o.(metav1.Object).SetOwnerReferences([]metav1.OwnerReference{{Kind: "ReplicaSet", Name: "x", Controller: &yes}})
				}
				raw, err := json.Marshal(o)
				if err != nil {
					t.Fatal(err)
				}
				whole := wire.New(gvk)
				if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, whole); err != nil {
					t.Fatal(err)
				}
				want, wantErr := cluster.FromAPI(whole)
				for how, text := range map[string][]byte{"read": raw, "kept": (&Judge{}).kept(&admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{Kind: gvk}}, raw)} {
					part := wire.New(gvk)
					if err := wire.Unmarshal(text, part); err != nil {
						t.Fatalf("%v\n%s", err, text)
					}
					got, gotErr := cluster.FromAPI(part)
					if !reflect.DeepEqual(want, got) || (wantErr == nil) != (gotErr == nil) {
						t.Fatalf("of %s:\nwhole  %+v %v\n%s %+v %v", raw, want, wantErr, how, got, gotErr)
					}
				}
			}
		})
	}
}

func TestPrune(t *testing.T) {
	f := fields{"a": nil, "b": {"c": nil}}
	for in, want := range map[string]string{
		`{"a":1,"x":2,"b":{"c":3,"d":4}}`:                          `{"a":1,"b":{"c":3}}`,
		"{ \"a\" :\t[ 1 , {\"x\":\"}\"} ] ,\n\"x\" : \"\\\"},\" }": `{"a":[ 1 , {"x":"}"} ]}`,
		`{"x":{},"b":[{"c":1,"d":2},{"d":[[]]},null]}`:             `{"b":[{"c":1},{},null]}`,
		`{"b":7}`:               `{"b":7}`,
		`{}`:                    `{}`,
		`{"\u0061":1}`:          `{"\u0061":1}`,
		`{"A":1,"b":{"C":1}}`:   `{"b":{}}`,
		`null`:                  `null`,
		`{"x":-1.5e3,"a":true}`: `{"a":true}`,
	} {
		if got := string(f.prune([]byte(in))); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}
