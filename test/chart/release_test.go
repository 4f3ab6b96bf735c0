package chart

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster/manifest"
)

// release is what the chart renders to.
type release struct {
	texts   []manifest.Text
	objects []object
}

// object is one rendered object, as its API has it.
type object struct {
	file string
	text []byte
	kind string
	typed
}

// typed is what all of them have.
type typed interface{ metav1.Object }

// decode takes the documents apart, strictly: an unknown or a doubled field, or an
// unknown kind, fails the test.
func (r *release) decode(t *testing.T) {
	t.Helper()
	strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	for _, file := range r.texts {
		reader := utilyaml.NewYAMLReader(bufioReader(file.Data))
		for {
			text, err := reader.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", file.Name, err)
			}
			var head metav1.TypeMeta
			if err := yaml.Unmarshal(text, &head); err != nil {
				t.Fatalf("%s: %v\n%s", file.Name, err, text)
			}
			if head.Kind == "" {
				continue // comments
			}
			var into typed
			if make := foreign[head.APIVersion+"/"+head.Kind]; make != nil {
				into = make()
				err = yaml.UnmarshalStrict(text, into)
			} else {
				decoded, _, decodeErr := strict.Decode(text, nil, nil)
				into, _ = decoded.(typed)
				err = decodeErr
			}
			if err != nil {
				t.Fatalf("%s: %v\n%s", file.Name, err, text)
			}
			r.objects = append(r.objects, object{file: file.Name, text: text, kind: head.Kind, typed: into})
		}
	}
}

// all are the objects of one type.
func all[T any](r release) []T {
	var out []T
	for _, o := range r.objects {
		if typed, ok := o.typed.(T); ok {
			out = append(out, typed)
		}
	}
	return out
}

// one is the only object of its type that no hook makes.
func one[T typed](t *testing.T, r release) T {
	t.Helper()
	var found []T
	for _, o := range all[T](r) {
		if o.GetAnnotations()["helm.sh/hook"] == "" && !strings.HasSuffix(o.GetName(), "-dashboard") {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		var zero T
		t.Fatalf("%d objects of type %T, want 1", len(found), zero)
	}
	return found[0]
}

// The types of other projects, as far as the chart uses them: a field that is not
// here fails the test, until somebody has looked it up.
var foreign = map[string]func() typed{
	"cert-manager.io/v1/Certificate":          func() typed { return &certificate{} },
	"cert-manager.io/v1/Issuer":               func() typed { return &issuerObject{} },
	"monitoring.coreos.com/v1/ServiceMonitor": func() typed { return &serviceMonitor{} },
	"monitoring.coreos.com/v1/PrometheusRule": func() typed { return &prometheusRule{} },
}

type certificate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		IsCA                 bool     `json:"isCA"`
		CommonName           string   `json:"commonName"`
		SecretName           string   `json:"secretName"`
		Duration             string   `json:"duration"`
		RenewBefore          string   `json:"renewBefore"`
		RevisionHistoryLimit int      `json:"revisionHistoryLimit"`
		Usages               []string `json:"usages"`
		DNSNames             []string `json:"dnsNames"`
		PrivateKey           struct {
			Algorithm      string `json:"algorithm"`
			Size           int    `json:"size"`
			RotationPolicy string `json:"rotationPolicy"`
		} `json:"privateKey"`
		IssuerRef struct {
			Group string `json:"group"`
			Kind  string `json:"kind"`
			Name  string `json:"name"`
		} `json:"issuerRef"`
	} `json:"spec"`
}

type issuerObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		SelfSigned *struct{} `json:"selfSigned"`
		CA         *struct {
			SecretName string `json:"secretName"`
		} `json:"ca"`
	} `json:"spec"`
}

type serviceMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector          metav1.LabelSelector `json:"selector"`
		NamespaceSelector struct {
			MatchNames []string `json:"matchNames"`
		} `json:"namespaceSelector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Interval string `json:"interval"`

			ScrapeTimeout     string           `json:"scrapeTimeout"`
			Relabelings       []map[string]any `json:"relabelings"`
			MetricRelabelings []map[string]any `json:"metricRelabelings"`
		} `json:"endpoints"`
	} `json:"spec"`
}

type prometheusRule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Groups []struct {
			Name  string  `json:"name"`
			Rules []alert `json:"rules"`
		} `json:"groups"`
	} `json:"spec"`
}

type alert struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func bufioReader(text []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(text)) }

// podSpecs are those of everything that makes pods, by the name of its maker.
func (r release) podSpecs() map[string]*corev1.PodTemplateSpec {
	out := map[string]*corev1.PodTemplateSpec{}
	for _, o := range r.objects {
		switch p := o.typed.(type) {
		case *appsv1.Deployment:
			out["Deployment "+p.Name] = &p.Spec.Template
		case *batchv1.Job:
			out["Job "+p.Name] = &p.Spec.Template
		case *corev1.Pod:
			out["Pod "+p.Name] = &corev1.PodTemplateSpec{ObjectMeta: p.ObjectMeta, Spec: p.Spec}
		}
	}
	return out
}
