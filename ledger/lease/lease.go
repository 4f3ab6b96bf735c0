package lease

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"

	"github.com/podcullis/podcullis/ledger"
)

// Annotation holds the document.
const Annotation = "podcullis.io/ledger"

// callTimeout is for one call. An API server that takes longer is as good as away.
const callTimeout = time.Second

// Store is a ledger.Store in a Lease. It is safe for concurrent use.
type Store struct {
	client coordinationv1client.LeaseInterface
	name   types.NamespacedName

	mu sync.Mutex
	// last is the Lease as it was last heard of: what else is in it stays.
	last *coordinationv1.Lease
}

var _ ledger.Store = (*Store)(nil)

// New makes the store of one Lease, which need not be there yet, and neither need the
// API server.
func New(config *rest.Config, name types.NamespacedName) (*Store, error) {
	c := rest.CopyConfig(config)
	c.Timeout = callTimeout
	c.QPS = -1 // the ledger paces itself
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: callTimeout, KeepAlive: 15 * time.Second}).DialContext // and so a connection that no watch fills
	}
	client, err := coordinationv1client.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("ledger: API server: %w", err)
	}
	return newStore(client.Leases(name.Namespace), name), nil
}

func newStore(client coordinationv1client.LeaseInterface, name types.NamespacedName) *Store {
	return &Store{client: client, name: name}
}

// Load implements ledger.Store.
func (s *Store) Load(ctx context.Context) (ledger.Object, error) {
	l, err := s.client.Get(ctx, s.name.Name, metav1.GetOptions{}) // no resourceVersion: a quorum read
	return s.heard(l, err)
}

// Save implements ledger.Store.
func (s *Store) Save(ctx context.Context, o ledger.Object) (ledger.Object, error) {
	l := s.draft(o)
	l, err := s.client.Update(ctx, l, metav1.UpdateOptions{})
	return s.heard(l, err)
}

// Create implements ledger.Store.
func (s *Store) Create(ctx context.Context, o ledger.Object) (ledger.Object, error) {
	l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
		Namespace: s.name.Namespace, Name: s.name.Name, Annotations: map[string]string{Annotation: string(o.Data)},
	}}
	created, err := s.client.Create(ctx, l, metav1.CreateOptions{})
	switch {
	case apierrors.IsNotFound(err): // the namespace is
		return ledger.Object{}, fmt.Errorf("lease %s: %w", s.name, err)
	case apierrors.IsAlreadyExists(err):
		return s.fill(ctx, o)
	}
	return s.heard(created, err)
}

// fill writes the first document into a Lease that has none, as somebody else may have
// made it.
func (s *Store) fill(ctx context.Context, o ledger.Object) (ledger.Object, error) {
	l, err := s.client.Get(ctx, s.name.Name, metav1.GetOptions{})
	if err != nil {
		return s.heard(l, err)
	}
	if _, filled := l.Annotations[Annotation]; filled {
		return ledger.Object{}, ledger.ErrConflict
	}
	s.keep(l)
	return s.Save(ctx, ledger.Object{UID: string(l.UID), Version: l.ResourceVersion, Data: o.Data})
}

// draft is the Lease with another document. It replaces the version that the object
// names, of the Lease that has its uid.
func (s *Store) draft(o ledger.Object) *coordinationv1.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &coordinationv1.Lease{}
	if s.last != nil && string(s.last.UID) == o.UID {
		l = s.last.DeepCopy()
	}
	l.Namespace, l.Name, l.UID, l.ResourceVersion = s.name.Namespace, s.name.Name, types.UID(o.UID), o.Version
	l.ManagedFields = nil // the API server keeps them
	if l.Annotations == nil {
		l.Annotations = map[string]string{}
	}
	l.Annotations[Annotation] = string(o.Data)
	return l
}

// heard is the object of an answer. A Lease without the annotation holds no ledger.
func (s *Store) heard(l *coordinationv1.Lease, err error) (ledger.Object, error) {
	switch {
	case apierrors.IsNotFound(err):
		return ledger.Object{}, ledger.ErrMissing
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return ledger.Object{}, ledger.ErrConflict
	case err != nil:
		return ledger.Object{}, fmt.Errorf("lease %s: %w", s.name, err)
	case l.ResourceVersion == "":
		return ledger.Object{}, fmt.Errorf("lease %s: %w", s.name, errors.New("the answer has no resourceVersion"))
	}
	s.keep(l)
	data, filled := l.Annotations[Annotation]
	if !filled {
		return ledger.Object{}, ledger.ErrMissing
	}
	return ledger.Object{UID: string(l.UID), Version: l.ResourceVersion, Data: []byte(data)}, nil
}

func (s *Store) keep(l *coordinationv1.Lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = l
}
