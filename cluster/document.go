package cluster

import (
	"bytes"
	"encoding/json"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Document is an object as it was written, for rules that read more of it than the model. The
// model keeps it only where somebody asks for it. A nil one is not known.
type Document struct {
	once   sync.Once
	raw    []byte
	fields map[string]any
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

// bare is an object without what says who wrote it when.
func bare(fields map[string]any) map[string]any {
	if meta, ok := fields["metadata"].(map[string]any); ok {
		delete(meta, "managedFields")
		delete(meta, "resourceVersion")
	}
	return fields
}

// DocumentKinds are the kinds of which the model can keep documents: those that it follows by
// itself, and entries, in the versions in which it follows them.
func DocumentKinds() []schema.GroupVersionKind {
	out := []schema.GroupVersionKind{
		{Version: "v1", Kind: "Namespace"}, {Version: "v1", Kind: "Pod"}, {Version: "v1", Kind: "ReplicationController"}, {Version: "v1", Kind: "Service"},
		{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"}, {Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"},
		{Group: "batch", Version: "v1", Kind: "Job"}, {Group: "batch", Version: "v1", Kind: "CronJob"},
	}
	for _, kind := range []string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"} {
		out = append(out, schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: kind})
	}
	return out
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

// sameButDocument is for comparing: a copy without the document.
func sameButDocument(o Object) Object {
	switch o := o.(type) {
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
}

func (s *shard) documents() map[string]any {
	d := s.documenting
	d.once.Do(func() {
		d.by = map[string]any{}
		for _, p := range s.pods {
			into(d.by, p.Document, p.Name)
		}
		for _, t := range s.templates {
			into(d.by, t.Document, t.Name)
		}
		for _, n := range s.netpols {
			into(d.by, n.Document, n.Name)
		}
		for key, e := range s.entries {
			if at := documentOf(e); at != nil {
				into(d.by, *at, key.name)
			}
		}
	})
	return d.by
}

// into puts a document where its apiVersion and kind say.
func into(by map[string]any, d *Document, name string) {
	fields := d.Fields()
	version, _ := fields["apiVersion"].(string)
	kind, _ := fields["kind"].(string)
	if version == "" || kind == "" {
		return
	}
	put(put(by, version), kind)[name] = fields
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
		if of := sh.documents(); len(of) > 0 {
			namespaces[sh.namespace.Name] = of
		}
		if !sh.namespace.Implied {
			into(cluster, sh.namespace.Document, sh.namespace.Name)
		}
	}
	return map[string]any{"namespace": namespaces, "cluster": cluster}
}
