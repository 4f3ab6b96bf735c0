package cluster

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Document is an object as it was written, for rules that read more of it than the model. The
// model keeps it only where somebody asks for it. A nil one is not known.
type Document struct {
	once   sync.Once
	raw    []byte
	fields map[string]any

	deriving sync.Once
	derived  any
	err      error
}

// NewDocument makes one of the values of JSON, which nobody changes any more.
func NewDocument(fields map[string]any) *Document { return &Document{fields: bare(fields)} }

// NewDocumentJSON makes one of JSON, which is read when somebody asks.
func NewDocumentJSON(raw []byte) *Document { return &Document{raw: raw} }

// Fields are the values of the object, without what each write changes. They are shared: do not
// change them.
func (d *Document) Fields() map[string]any {
	if d == nil {
		return nil
	}
	d.once.Do(func() {
		if d.raw == nil {
			return
		}
		decoder := json.NewDecoder(bytes.NewReader(d.raw))
		decoder.UseNumber()
		if decoder.Decode(&d.fields) == nil {
			d.fields = bare(d.fields)
		}
	})
	return d.fields
}

// Derive is what is made of the fields, once: whoever asks has to make the same each time.
func (d *Document) Derive(make func(map[string]any) (any, error)) (any, error) {
	d.deriving.Do(func() { d.derived, d.err = make(d.Fields()) })
	return d.derived, d.err
}

// bare is an object without what says who wrote it when.
func bare(fields map[string]any) map[string]any {
	if meta, ok := fields["metadata"].(map[string]any); ok {
		delete(meta, "managedFields")
		delete(meta, "resourceVersion")
	}
	return fields
}

// documentKinds are those of DocumentKinds; nobody changes them.
var documentKinds = []schema.GroupVersionKind{
	{Version: "v1", Kind: "Namespace"},
	{Version: "v1", Kind: "Pod"},
	{Version: "v1", Kind: "ReplicationController"},
	{Version: "v1", Kind: "Service"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"},
	{Group: "batch", Version: "v1", Kind: "Job"},
	{Group: "batch", Version: "v1", Kind: "CronJob"},
	{Group: "apps", Version: "v1", Kind: "Deployment"},
	{Group: "apps", Version: "v1", Kind: "StatefulSet"},
	{Group: "apps", Version: "v1", Kind: "DaemonSet"},
	{Group: "apps", Version: "v1", Kind: "ReplicaSet"},
}

// DocumentKinds are the kinds of which the model can keep documents: those that it follows by
// itself, and entries, in the versions in which it follows them.
func DocumentKinds() []schema.GroupVersionKind { return slices.Clone(documentKinds) }

// Documentable tells whether a kind is one of DocumentKinds. The apiVersion may be empty.
func Documentable(apiVersion, kind string) bool {
	return slices.ContainsFunc(documentKinds, func(k schema.GroupVersionKind) bool {
		return k.Kind == kind && (apiVersion == "" || isGroupVersion(apiVersion, k))
	})
}

// isGroupVersion is apiVersion == k.GroupVersion().String(), which would make a string each time.
func isGroupVersion(apiVersion string, k schema.GroupVersionKind) bool {
	if k.Group == "" {
		return apiVersion == k.Version
	}
	rest, ok := strings.CutPrefix(apiVersion, k.Group+"/")
	return ok && rest == k.Version
}

// Keep puts a document beside what the model has of an object. It is for whoever has made the
// object, before others see it.
func Keep(o Object, d *Document) {
	if at := documentOf(o); at != nil {
		*at = d
	}
}

func documentOf(o Object) **Document {
	switch o := o.(type) {
	case *Namespace:
		return &o.Document
	case *Pod:
		return &o.Document
	case *Template:
		return &o.Document
	case *Netpol:
		return &o.Document
	case *Service:
		return &o.Document
	case *IngressEntry:
		return &o.Document
	}
	return nil
}

// Same reports whether two objects are the same, and so are their documents, whatever was made of
// these meanwhile.
func Same(a, b Object) bool {
	if !reflect.DeepEqual(sameButDocument(a), sameButDocument(b)) {
		return false
	}
	x, y := documentIn(a), documentIn(b)
	if x == nil || y == nil {
		return x == y
	}
	return x == y || reflect.DeepEqual(x.Fields(), y.Fields())
}

// documentIn is the document of an object, or nil.
func documentIn(o Object) *Document {
	if at := documentOf(o); at != nil {
		return *at
	}
	return nil
}

// sameButDocument is for comparing: the object itself if it has no document, else a copy without.
func sameButDocument(o Object) Object {
	if documentIn(o) == nil {
		return o
	}
	switch o := o.(type) {
	case *Namespace:
		c := *o
		c.Document = nil
		return &c
	case *Pod:
		c := *o
		c.Document = nil
		return &c
	case *Template:
		c := *o
		c.Document = nil
		return &c
	case *Netpol:
		c := *o
		c.Document = nil
		return &c
	case *Service:
		c := *o
		c.Document = nil
		return &c
	case *IngressEntry:
		c := *o
		c.Document = nil
		return &c
	}
	return o
}

// documenting is what a shard holds of documents, by apiVersion, kind and name; made when
// somebody first asks, and the same for as long as the shard is.
type documenting struct {
	once sync.Once
	by   map[string]any
	each map[documentKey]*Document
}

type documentKey struct{ apiVersion, kind, name string }

func (s *shard) documents() *documenting {
	d := s.documenting
	d.once.Do(func() {
		d.by, d.each = map[string]any{}, map[documentKey]*Document{}
		for _, p := range s.pods {
			d.add(p.Document, p.Name)
		}
		for _, t := range s.templates {
			d.add(t.Document, t.Name)
		}
		for _, n := range s.netpols {
			d.add(n.Document, n.Name)
		}
		for key, e := range s.entries {
			d.add(documentIn(e), key.name)
		}
	})
	return d
}

// add puts a document where its apiVersion and kind say.
func (d *documenting) add(of *Document, name string) {
	if into(d.by, of, name) {
		version, kind := of.kind()
		d.each[documentKey{version, kind, name}] = of
	}
}

func (d *Document) kind() (apiVersion, kind string) {
	fields := d.Fields()
	apiVersion, _ = fields["apiVersion"].(string)
	kind, _ = fields["kind"].(string)
	return apiVersion, kind
}

func into(by map[string]any, d *Document, name string) bool {
	version, kind := d.kind()
	if version == "" || kind == "" {
		return false
	}
	put(put(by, version), kind)[name] = d.Fields()
	return true
}

func put(m map[string]any, key string) map[string]any {
	if inner, ok := m[key].(map[string]any); ok {
		return inner
	}
	inner := map[string]any{}
	m[key] = inner
	return inner
}

// all is what a snapshot holds of documents.
type all struct {
	once sync.Once
	by   map[string]any
}

// Documents are the objects of which documents are kept: namespace -> its name -> apiVersion ->
// kind -> name, and cluster -> apiVersion -> kind -> name. Everything is shared: do not change it.
func (s *Snapshot) Documents() map[string]any {
	if s.documents == nil {
		return s.document() // the zero value, which is empty
	}
	s.documents.once.Do(func() { s.documents.by = s.document() })
	return s.documents.by
}

func (s *Snapshot) document() map[string]any {
	namespaces, cluster := map[string]any{}, map[string]any{}
	for _, sh := range s.shards {
		if of := sh.documents().by; len(of) > 0 {
			namespaces[sh.namespace.Name] = of
		}
		if !sh.namespace.Implied {
			into(cluster, sh.namespace.Document, sh.namespace.Name)
		}
	}
	return map[string]any{"namespace": namespaces, "cluster": cluster}
}

// Document is the document of one object, or nil. The namespace of one of the cluster is empty.
func (s *Snapshot) Document(namespace, apiVersion, kind, name string) *Document {
	if namespace != "" {
		if sh := s.shard(namespace); sh != nil {
			return sh.documents().each[documentKey{apiVersion, kind, name}]
		}
		return nil
	}
	if ns, ok := s.Namespace(name); ok && !ns.Implied && apiVersion == "v1" && kind == "Namespace" {
		return ns.Document
	}
	return nil
}
