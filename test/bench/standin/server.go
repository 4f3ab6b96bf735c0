package standin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Server holds the objects. Its methods may be used concurrently.
type Server struct {
	mu        sync.Mutex
	version   int
	resources []*resource
	ledger    *coordinationv1.Lease // nil until somebody makes it
}

// resource is one kind: its objects, and who watches them.
type resource struct {
	schema.GroupVersionKind
	plural     string
	namespaced bool

	objects  map[string]stored // by namespace/name
	watchers map[chan event]bool
}

type stored struct {
	version int
	text    json.RawMessage
}

type event struct {
	Type   string          `json:"type"`
	Object json.RawMessage `json:"object"`
}

// backlog is how many events a watcher may be behind before it has to list again.
const backlog = 1 << 14

// New makes a server without objects.
func New() *Server {
	s := &Server{version: 1}
	add := func(gv schema.GroupVersion, kind, plural string, namespaced bool) {
		s.resources = append(s.resources, &resource{
			GroupVersionKind: gv.WithKind(kind), plural: plural, namespaced: namespaced,
			objects: map[string]stored{}, watchers: map[chan event]bool{},
		})
	}
	add(corev1.SchemeGroupVersion, "Namespace", "namespaces", false)
	add(corev1.SchemeGroupVersion, "Pod", "pods", true)
	add(networkingv1.SchemeGroupVersion, "NetworkPolicy", "networkpolicies", true)
	add(appsv1.SchemeGroupVersion, "Deployment", "deployments", true)
	add(appsv1.SchemeGroupVersion, "StatefulSet", "statefulsets", true)
	add(appsv1.SchemeGroupVersion, "DaemonSet", "daemonsets", true)
	add(appsv1.SchemeGroupVersion, "ReplicaSet", "replicasets", true)
	add(corev1.SchemeGroupVersion, "ReplicationController", "replicationcontrollers", true)
	add(batchv1.SchemeGroupVersion, "Job", "jobs", true)
	add(batchv1.SchemeGroupVersion, "CronJob", "cronjobs", true)
	return s
}

// Put creates or replaces an object, whose kind must be set, and tells the
// watchers. It sets the object's resource version.
func (s *Server) Put(o client.Object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	gvk := o.GetObjectKind().GroupVersionKind()
	r := s.find(func(r *resource) bool { return r.GroupVersionKind == gvk })
	if r == nil {
		return fmt.Errorf("no resource for %s", gvk)
	}
	s.version++
	o.SetResourceVersion(strconv.Itoa(s.version))
	text, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encode %s %s/%s: %w", gvk.Kind, o.GetNamespace(), o.GetName(), err)
	}
	key := o.GetNamespace() + "/" + o.GetName()
	e := event{Type: "ADDED", Object: text}
	if _, known := r.objects[key]; known {
		e.Type = "MODIFIED"
	}
	r.objects[key] = stored{s.version, text}
	for w := range r.watchers {
		select {
		case w <- e:
		default: // too far behind: it has to list again, as with a real API server
			delete(r.watchers, w)
			close(w)
		}
	}
	return nil
}

func (s *Server) find(is func(*resource) bool) *resource {
	if i := slices.IndexFunc(s.resources, is); i >= 0 {
		return s.resources[i]
	}
	return nil
}

// ServeHTTP implements http.Handler: discovery, lists, watches and single objects.
func (s *Server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	path := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	switch {
	case strings.HasPrefix(req.URL.Path, leasePath):
		s.lease(w, req)
	case req.Method != http.MethodGet:
		fail(w, apierrors.NewMethodNotSupported(schema.GroupResource{}, req.Method))
	case len(path) == 1 && path[0] == "api":
		answer(w, metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}})
	case len(path) == 1 && path[0] == "apis":
		answer(w, s.groups())
	case len(path) == 2 && path[0] == "api":
		s.discover(w, schema.GroupVersion{Version: path[1]})
	case len(path) == 3 && path[0] == "apis":
		s.discover(w, schema.GroupVersion{Group: path[1], Version: path[2]})
	case len(path) == 3 && path[0] == "api":
		s.collection(w, req, schema.GroupVersion{Version: path[1]}, path[2])
	case len(path) == 4 && path[0] == "apis":
		s.collection(w, req, schema.GroupVersion{Group: path[1], Version: path[2]}, path[3])
	case len(path) == 4 && path[0] == "api":
		s.object(w, path[2], path[3])
	default:
		fail(w, apierrors.NewNotFound(schema.GroupResource{}, req.URL.Path))
	}
}

func (s *Server) groups() metav1.APIGroupList {
	list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	seen := map[string]bool{"": true}
	for _, r := range s.resources {
		if seen[r.Group] {
			continue
		}
		seen[r.Group] = true
		version := metav1.GroupVersionForDiscovery{GroupVersion: r.GroupVersion().String(), Version: r.Version}
		list.Groups = append(list.Groups, metav1.APIGroup{Name: r.Group, Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version})
	}
	return list
}

func (s *Server) discover(w http.ResponseWriter, gv schema.GroupVersion) {
	list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: gv.String()}
	for _, r := range s.resources {
		if r.GroupVersion() == gv {
			list.APIResources = append(list.APIResources, metav1.APIResource{
				Name: r.plural, SingularName: strings.ToLower(r.Kind), Namespaced: r.namespaced, Kind: r.Kind,
				Verbs: metav1.Verbs{"get", "list", "watch"},
			})
		}
	}
	if len(list.APIResources) == 0 {
		fail(w, apierrors.NewNotFound(schema.GroupResource{}, gv.String()))
		return
	}
	answer(w, list)
}

// object answers for one Namespace: nobody asks for any other kind by name.
func (s *Server) object(w http.ResponseWriter, plural, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.find(func(r *resource) bool { return !r.namespaced && r.plural == plural })
	if r != nil {
		if o, known := r.objects["/"+name]; known {
			answer(w, o.text)
			return
		}
	}
	fail(w, apierrors.NewNotFound(schema.GroupResource{Resource: plural}, name))
}

func (s *Server) collection(w http.ResponseWriter, req *http.Request, gv schema.GroupVersion, plural string) {
	r := s.find(func(r *resource) bool { return r.GroupVersion() == gv && r.plural == plural })
	query := req.URL.Query()
	switch {
	case r == nil:
		fail(w, apierrors.NewNotFound(schema.GroupResource{Group: gv.Group, Resource: plural}, ""))
	case query.Get("sendInitialEvents") != "": // clients then list first
		fail(w, apierrors.NewInvalid(schema.GroupKind{Group: gv.Group, Kind: r.Kind}, "", nil))
	case query.Get("watch") == "" || query.Get("watch") == "false":
		s.list(w, r, query.Get("limit") == "1")
	default:
		s.watch(w, req, r)
	}
}

// list answers with all objects, whatever the limit, but for one who asks for one.
func (s *Server) list(w http.ResponseWriter, r *resource, one bool) {
	s.mu.Lock()
	list := struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        metav1.ListMeta   `json:"metadata"`
		Items           []json.RawMessage `json:"items"`
	}{
		TypeMeta: metav1.TypeMeta{APIVersion: r.GroupVersion().String(), Kind: r.Kind + "List"},
		Metadata: metav1.ListMeta{ResourceVersion: strconv.Itoa(s.version)},
		Items:    make([]json.RawMessage, 0, len(r.objects)),
	}
	for _, o := range r.objects {
		list.Items = append(list.Items, o.text)
		if one {
			break
		}
	}
	s.mu.Unlock()
	answer(w, list)
}

// watch sends what changes until the client goes or the time that it gave is
// over. What changed since the version that it names is sent first.
func (s *Server) watch(w http.ResponseWriter, req *http.Request, r *resource) {
	query := req.URL.Query()
	since, err := strconv.Atoi(query.Get("resourceVersion"))
	if err != nil {
		fail(w, apierrors.NewBadRequest("resourceVersion: "+err.Error()))
		return
	}
	ctx := req.Context()
	if seconds, err := strconv.Atoi(query.Get("timeoutSeconds")); err == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
		defer cancel()
	}
	events := make(chan event, backlog)
	missed := s.follow(r, events, since)
	defer s.unfollow(r, events)

	w.Header().Set("Content-Type", "application/json")
	flush := http.NewResponseController(w)
	out := json.NewEncoder(w)
	for _, o := range missed {
		if out.Encode(event{Type: "MODIFIED", Object: o.text}) != nil {
			return
		}
	}
	if flush.Flush() != nil {
		return
	}
	for {
		select {
		case e, open := <-events:
			if !open || out.Encode(e) != nil || (len(events) == 0 && flush.Flush() != nil) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// follow subscribes to what changes from now on, and returns what changed since
// a version, oldest first.
func (s *Server) follow(r *resource, events chan event, since int) []stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.watchers[events] = true
	var missed []stored
	for _, o := range r.objects {
		if o.version > since {
			missed = append(missed, o)
		}
	}
	slices.SortFunc(missed, func(a, b stored) int { return a.version - b.version })
	return missed
}

func (s *Server) unfollow(r *resource, events chan event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(r.watchers, events)
}

func answer(w http.ResponseWriter, o any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(o) // a client that is gone needs no answer
}

func fail(w http.ResponseWriter, err *apierrors.StatusError) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(err.ErrStatus.Code))
	_ = json.NewEncoder(w).Encode(err.ErrStatus)
}
