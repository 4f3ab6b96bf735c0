package webhook

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/cluster/wire"
	"github.com/podcullis/podcullis/ledger"
)

// overlay is what the ledger keeps of a Binding.
type overlay struct {
	Labels map[string]string `json:"labels"`
}

// entryOf is a change as the ledger keeps it.
func (j *Judge) entryOf(r *admission.Request, change cluster.Change) (ledger.Entry, error) {
	e := ledger.Entry{
		Ref:       change.Ref(),
		Resource:  schema.GroupResource{Group: r.Resource.Group, Resource: r.Resource.Resource}.String(),
		Operation: operationOf(r, change),
	}
	if e.Operation == ledger.Bind {
		return bindEntry(e, r, change)
	}
	identity, raw := r.OldObject, r.Object.Raw
	if e.Operation == ledger.Create {
		identity = r.Object
	}
	meta, ok := metadataOf(identity)
	if !ok {
		return e, errors.New("request: which object it is about, and which version of it, cannot be read")
	}
	e.UID = meta.GetUID()
	if e.Operation != ledger.Create {
		e.Base = meta.GetResourceVersion()
	}
	if change.After != nil {
		e.Content = j.kept(r, raw)
	}
	// Before is left empty, which keeps nothing for the pods that may yet come of a
	// template that is gone or has other labels now: such a peer stands alone, so that every
	// old hole of its namespace would count anew, and a failover or the end of a release be
	// refused for 100 s (docs/adr/0023-consistency.md).
	return sealed(e)
}

// sealed is an entry with its digest, and without a content that is too large. What a
// netpol may do at most and at least is known without it; who a pod is, is not.
func sealed(e ledger.Entry) (ledger.Entry, error) {
	h := sha256.New()
	h.Write(e.Content)
	e.Digest = hex.EncodeToString(h.Sum(nil)[:12])
	size := max(len(e.Content), len(e.Before))
	switch {
	case size <= ledger.MaxContent:
	case e.Ref.Kind == "NetworkPolicy":
		e.Content, e.Opaque = nil, true
	default:
		return e, fmt.Errorf("%s: its labels, selector and named ports take %d bytes, and at most %d can be kept until it is known whether it comes to be", subjectOf(e.Ref), size, ledger.MaxContent)
	}
	return e, nil
}

func bindEntry(e ledger.Entry, r *admission.Request, change cluster.Change) (ledger.Entry, error) {
	b, err := bindingOf(&r.AdmissionRequest)
	if err != nil {
		return e, err
	}
	e.Resource = "pods"
	if p, ok := change.Before.(*cluster.Pod); ok {
		e.UID = types.UID(p.UID)
	}
	if e.Content, err = json.Marshal(overlay{b.Labels}); err != nil {
		return e, fmt.Errorf("request.object.metadata.labels: %w", err)
	}
	return sealed(e)
}

func operationOf(r *admission.Request, change cluster.Change) ledger.Operation {
	switch {
	case isBinding(&r.AdmissionRequest):
		return ledger.Bind
	case r.Operation == admissionv1.Delete && r.Name == "":
		return ledger.DeleteCollection // of which each object comes by itself, without the name
	case change.After == nil:
		return ledger.Delete
	case r.Operation == admissionv1.Create:
		return ledger.Create
	}
	return ledger.Update
}

// kept is what the model reads of an object, in compact JSON.
func (j *Judge) kept(r *admission.Request, raw []byte) json.RawMessage {
	var out bytes.Buffer
	if json.Compact(&out, j.keptFields(r.Kind).prune(raw)) != nil {
		return nil // it was decoded before, so this does not happen; without content it is no less in the way
	}
	if out.Len() > ledger.MaxContent {
		return withoutUnnamedPorts(out.Bytes())
	}
	return out.Bytes()
}

// withoutUnnamedPorts leaves out the ports of containers that no netpol can mean by name.
func withoutUnnamedPorts(raw []byte) []byte {
	var o any
	if json.Unmarshal(raw, &o) != nil {
		return raw
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			for _, list := range []string{"containers", "initContainers"} {
				containers, _ := v[list].([]any)
				for _, c := range containers {
					container, _ := c.(map[string]any)
					ports, _ := container["ports"].([]any)
					if len(ports) > 0 {
						container["ports"] = slices.DeleteFunc(ports, func(p any) bool {
							port, isPort := p.(map[string]any)
							return isPort && port["name"] == nil
						})
					}
				}
			}
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(o)
	if short, err := json.Marshal(o); err == nil {
		return short
	}
	return raw
}

func (j *Judge) keptFields(kind metav1.GroupVersionKind) fields {
	if c := j.customOf(kind); c != nil {
		return customFields(c)
	}
	if cluster.IsEntry(kind.Group, kind.Kind) {
		return fields{"metadata": metaFields, "spec": nil}
	}
	switch kind.Kind {
	case "Namespace":
		return fields{"metadata": metaFields}
	case "NetworkPolicy":
		return fields{"metadata": metaFields, "spec": nil}
	}
	return fieldsOf(kind.Kind)
}

// contents are the objects that entries hold, decoded once: each review looks at all
// that are in flight.
type contents struct {
	mu      sync.Mutex
	objects map[uint64]cluster.Object // by the entry's ID
}

// objectOf is what an entry's content says. Entries that are not written yet have no ID
// to be remembered by.
func (j *Judge) objectOf(e ledger.Entry) (cluster.Object, error) {
	j.contents.mu.Lock()
	o, ok := j.contents.objects[e.ID]
	j.contents.mu.Unlock()
	if ok && e.ID != 0 {
		return o, nil
	}
	o, err := j.decodeEntry(e)
	if err != nil {
		return nil, fmt.Errorf("ledger entry %d, %s: %w", e.ID, e.Ref, err)
	}
	j.contents.mu.Lock()
	defer j.contents.mu.Unlock()
	if j.contents.objects == nil || len(j.contents.objects) > maxContents {
		j.contents.objects = map[uint64]cluster.Object{}
	}
	j.contents.objects[e.ID] = o
	return o, nil
}

// maxContents is several times as many entries as fit into the ledger.
const maxContents = 4096

func (j *Judge) decodeEntry(e ledger.Entry) (cluster.Object, error) {
	kind, ok := j.kindOf(e.Ref.Kind)
	if !ok {
		return nil, errUnknownKind
	}
	r := &admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{Kind: kind, Namespace: e.Ref.Namespace, Operation: admissionv1.Create}}
	var o cluster.Object
	var err error
	if c := j.customOf(kind); c != nil {
		var t *cluster.Template
		if t, err = customTemplate(c, &r.AdmissionRequest, e.Content, "content"); t != nil {
			o = t
		}
	} else if cluster.IsEntry(kind.Group, kind.Kind) {
		o, err = entryOf(&r.AdmissionRequest, e.Content, "content", j.Bounds)
	} else {
		o, err = modelObject(&r.AdmissionRequest, runtime.RawExtension{Raw: e.Content}, "content", j.Bounds)
	}
	switch {
	case err != nil:
		return nil, err
	case o == nil || o.Ref() != e.Ref:
		return nil, fmt.Errorf("its content is another object")
	}
	return o, nil
}

// kindOf is the kind in the API of one of the model's.
func (j *Judge) kindOf(model string) (metav1.GroupVersionKind, bool) {
	for i := range j.Custom {
		if c := &j.Custom[i]; cluster.CustomKind(c.GroupKind()) == model {
			return metav1.GroupVersionKind{Group: c.Group, Version: c.Version, Kind: c.Kind}, true
		}
	}
	if group, kind, ok := cluster.EntryKind(model); ok {
		return metav1.GroupVersionKind{Group: group, Version: "v1", Kind: kind}, true
	}
	for _, kind := range wire.Kinds() {
		if kind.Kind == model {
			return kind, true
		}
	}
	return metav1.GroupVersionKind{}, false
}

// happened is the cluster in which entries have happened, in their order.
func (j *Judge) happened(s *cluster.Snapshot, entries []ledger.Entry) (*cluster.Snapshot, error) {
	for _, e := range entries {
		change, err := j.changeOf(s, e)
		if err != nil {
			return nil, err
		}
		if change == (cluster.Change{}) {
			continue
		}
		if s, err = s.Apply(change); err != nil {
			return nil, fmt.Errorf("ledger entry %d, %s: %w", e.ID, e.Ref, err)
		}
	}
	return s, nil
}

// changeOf is what an entry does to a cluster; nothing where its object is not there.
func (j *Judge) changeOf(s *cluster.Snapshot, e ledger.Entry) (cluster.Change, error) {
	before := current(s, e.Ref)
	switch e.Operation {
	case ledger.Barrier: // nothing is written beside it
		return cluster.Change{}, nil
	case ledger.Delete, ledger.DeleteCollection:
		return cluster.Change{Before: before}, nil
	case ledger.Bind:
		pod, ok := before.(*cluster.Pod)
		if !ok {
			return cluster.Change{}, nil
		}
		bound, err := bound(pod, e)
		return cluster.Change{Before: pod, After: bound}, err
	case ledger.Appear: // see company
		return cluster.Change{}, nil
	case ledger.Create, ledger.Update:
		if e.Opaque { // only netpols are
			return cluster.Change{Before: before, After: anything(e.Ref)}, nil
		}
		o, err := j.objectOf(e)
		return cluster.Change{Before: before, After: o}, err
	}
	return cluster.Change{}, fmt.Errorf("ledger entry %d, %s: operation %q is none that is known", e.ID, e.Ref, e.Operation)
}

// bound is a pod with the labels of a Binding laid over its own.
func bound(p *cluster.Pod, e ledger.Entry) (*cluster.Pod, error) {
	var over overlay
	if err := json.Unmarshal(e.Content, &over); err != nil {
		return nil, fmt.Errorf("ledger entry %d, %s: %w", e.ID, e.Ref, err)
	}
	merged := labels.Set{}
	maps.Copy(merged, p.Labels)
	maps.Copy(merged, over.Labels)
	return p.BoundWith(merged), nil
}

// anything stands for a netpol of which only its name is known: it lets everybody through.
func anything(r cluster.Ref) *cluster.Netpol {
	n := &cluster.Netpol{Namespace: r.Namespace, Name: r.Name, Isolates: [2]bool{true, true}}
	n.Selector = selector.Everything()
	open := []cluster.NetpolRule{{AnyPeer: true, AnyPort: true}}
	n.Rules = [2][]cluster.NetpolRule{open, slices.Clone(open)}
	return n
}

// nothing stands for such a netpol, too: it isolates everybody.
func nothing(r cluster.Ref) *cluster.Netpol {
	n := anything(r)
	n.Rules = [2][]cluster.NetpolRule{}
	return n
}

// current is the model's object of that identity, nil if it has none.
func current(s *cluster.Snapshot, r cluster.Ref) cluster.Object {
	switch r.Kind {
	case "Namespace":
		if ns, ok := s.Namespace(r.Name); ok && !ns.Implied {
			return ns
		}
	case "Pod":
		if p, ok := s.Pod(r.Namespace, r.Name); ok {
			return p
		}
	case "NetworkPolicy":
		if n, ok := s.Netpol(r.Namespace, r.Name); ok {
			return n
		}
	default:
		if t, ok := s.Template(r); ok {
			return t
		}
		if e, ok := s.Entry(r); ok {
			return e
		}
	}
	return nil
}
