package standin

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

const leasePath = "/apis/coordination.k8s.io/v1/namespaces/"

var leases = coordinationv1.Resource("leases")

// lease gets, creates and updates one Lease, the ledger: with its resourceVersion, so
// that of two who write at once one has a conflict.
func (s *Server) lease(w http.ResponseWriter, req *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if req.Method == http.MethodGet {
		path := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
		if name := path[len(path)-1]; s.ledger == nil || s.ledger.Name != name {
			fail(w, apierrors.NewNotFound(leases, name))
			return
		}
		answer(w, s.ledger)
		return
	}
	var o coordinationv1.Lease
	if err := json.NewDecoder(req.Body).Decode(&o); err != nil {
		fail(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	switch {
	case req.Method == http.MethodPost && s.ledger != nil:
		fail(w, apierrors.NewAlreadyExists(leases, o.Name))
		return
	case req.Method == http.MethodPut && (s.ledger == nil || o.ResourceVersion != s.ledger.ResourceVersion):
		fail(w, apierrors.NewConflict(leases, o.Name, nil))
		return
	}
	s.version++
	o.Kind, o.APIVersion = "Lease", coordinationv1.SchemeGroupVersion.String()
	o.ResourceVersion = strconv.Itoa(s.version)
	if o.UID == "" {
		o.UID = types.UID("lease-" + o.ResourceVersion)
	}
	s.ledger = &o
	answer(w, s.ledger)
}
