package review

import (
	"errors"
	"fmt"
	"io"
	"sync"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster/wire"
)

const (
	reviewKind       = "AdmissionReview"
	reviewAPIVersion = "admission.k8s.io/v1"
	reviewGroup      = "admission.k8s.io/"
)

// readers read reviews. Each keeps its buffers for the next one.
type readers struct{ pool sync.Pool }

// read reads an admission.k8s.io/v1 AdmissionReview the way the API server reads JSON
// (see package wire), in one pass: with what the model needs of its objects, which then is
// in the Object beside the Raw. Unknown fields are a newer API server's and are let be.
func (p *readers) read(body []byte, maxDepth int) (*admissionv1.AdmissionRequest, error) {
	r, _ := p.pool.Get().(*wire.Reader)
	if r == nil {
		r = new(wire.Reader)
	}
	r.Reset(body, maxDepth)
	request, err := decodeReview(r)
	r.Reset(nil, 0) // the body may go
	p.pool.Put(r)
	return request, err
}

func decodeReview(r *wire.Reader) (*admissionv1.AdmissionRequest, error) {
	var review admissionv1.AdmissionReview
	if r.Object() {
		readReview(r, &review)
	}
	r.End()
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("it is not an AdmissionReview: %w", err)
	}
	switch {
	case review.Kind != reviewKind || review.APIVersion != reviewAPIVersion:
		return nil, fmt.Errorf("want apiVersion %s and kind %s, got %.64q and %.64q",
			reviewAPIVersion, reviewKind, review.APIVersion, review.Kind)
	case review.Request == nil:
		return nil, errors.New("it has no request")
	case review.Request.UID == "":
		return nil, errors.New("its request has no uid")
	case len(review.Request.UID) > maxUIDBytes:
		return nil, fmt.Errorf("its request's uid is longer than %d bytes", maxUIDBytes)
	}
	return review.Request, nil
}

func readReview(r *wire.Reader, review *admissionv1.AdmissionReview) {
	for r.Member() {
		switch string(r.Name()) {
		case "kind":
			wire.Text(r, &review.Kind)
		case "apiVersion":
			wire.Text(r, &review.APIVersion)
		case "request":
			if r.Object() {
				review.Request = &admissionv1.AdmissionRequest{}
				readRequest(r, review.Request)
			}
		default:
			r.Skip()
		}
	}
}

func readRequest(r *wire.Reader, q *admissionv1.AdmissionRequest) {
	for r.Member() {
		switch string(r.Name()) {
		case "uid":
			wire.Text(r, &q.UID)
		case "kind":
			readKind(r, &q.Kind)
		case "resource":
			readResource(r, &q.Resource)
		case "subResource":
			wire.Text(r, &q.SubResource)
		case "requestKind":
			if r.Peek() != 'n' {
				q.RequestKind = &metav1.GroupVersionKind{}
			}
			readKind(r, q.RequestKind)
		case "requestResource":
			if r.Peek() != 'n' {
				q.RequestResource = &metav1.GroupVersionResource{}
			}
			readResource(r, q.RequestResource)
		case "requestSubResource":
			wire.Text(r, &q.RequestSubResource)
		case "name":
			wire.Text(r, &q.Name)
		case "namespace":
			wire.Text(r, &q.Namespace)
		case "operation":
			wire.Text(r, &q.Operation)
		case "userInfo":
			readUser(r, &q.UserInfo)
		case "object":
			q.Object = readObject(r, q.Kind)
		case "oldObject":
			q.OldObject = readObject(r, q.Kind)
		case "dryRun":
			r.BoolPointer(&q.DryRun)
		case "options":
			q.Options.Raw = present(r.Raw())
		default:
			r.Skip()
		}
	}
}

// readObject reads one of the objects of a review. What is wrong with it, as far as it is
// JSON, is not the review's fault: whoever judges it reads it once more, and says so.
func readObject(r *wire.Reader, kind metav1.GroupVersionKind) runtime.RawExtension {
	o := emptyOf(kind)
	if o == nil || r.Peek() != '{' { // or the kind stands behind it
		return runtime.RawExtension{Raw: present(r.Raw())}
	}
	raw, wrong := r.Into(o)
	if wrong != nil {
		o = nil
	}
	return runtime.RawExtension{Raw: raw, Object: o}
}

// emptyOf is an object to be read into; nil for a kind of which nothing is read here.
func emptyOf(kind metav1.GroupVersionKind) runtime.Object {
	if kind == (metav1.GroupVersionKind{Version: "v1", Kind: "Binding"}) {
		return &corev1.Binding{}
	}
	return wire.New(kind)
}

// present is nil for null, as it is for runtime.RawExtension.
func present(value []byte) []byte {
	if string(value) == "null" {
		return nil
	}
	return value
}

func readKind(r *wire.Reader, k *metav1.GroupVersionKind) {
	readNamed(r, &k.Group, &k.Version, "kind", &k.Kind)
}

func readResource(r *wire.Reader, k *metav1.GroupVersionResource) {
	readNamed(r, &k.Group, &k.Version, "resource", &k.Resource)
}

// readNamed reads what is told by group, version, and one name more.
func readNamed(r *wire.Reader, group, version *string, field string, name *string) {
	if !r.Object() {
		return
	}
	for r.Member() {
		switch string(r.Name()) {
		case "group":
			wire.Text(r, group)
		case "version":
			wire.Text(r, version)
		case field:
			wire.Text(r, name)
		default:
			r.Skip()
		}
	}
}

func readUser(r *wire.Reader, u *authenticationv1.UserInfo) {
	if !r.Object() {
		return
	}
	for r.Member() {
		switch string(r.Name()) {
		case "username":
			wire.Text(r, &u.Username)
		case "uid":
			wire.Text(r, &u.UID)
		case "groups":
			wire.Texts(r, &u.Groups)
		case "extra":
			wire.TextLists(r, &u.Extra)
		default:
			r.Skip()
		}
	}
}

// discard reads up to limit bytes more, so that a caller that is still sending gets
// the answer instead of a reset connection.
func discard(body io.Reader, limit int64) {
	_, _ = io.CopyN(io.Discard, body, limit)
}
