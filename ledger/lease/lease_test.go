package lease

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/podcullis/podcullis/ledger"
	"github.com/podcullis/podcullis/test/controlplane"
)

var name = types.NamespacedName{Namespace: "podcullis", Name: "podcullis-ledger"}

func TestALedgerInALease(t *testing.T) {
	plane := controlplane.Start(t, controlplane.Options{})
	if err := plane.CreateNamespace(t.Context(), name.Namespace, nil); err != nil {
		t.Fatal(err)
	}
	s, err := New(plane.REST(), name)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	wants := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", what, err, want)
		}
	}
	_, err = s.Load(ctx)
	wants("load of none", err, ledger.ErrMissing)
	first, err := s.Create(ctx, ledger.Object{Data: []byte("one")})
	wants("create", err, nil)
	_, err = s.Create(ctx, ledger.Object{Data: []byte("other")})
	wants("create again", err, ledger.ErrConflict)

	lease, err := s.client.Get(ctx, name.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	lease.Labels = map[string]string{"kept": "yes"} // somebody else labels it
	if _, err := s.client.Update(ctx, lease, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Save(ctx, ledger.Object{UID: first.UID, Version: first.Version, Data: []byte("two")})
	wants("save over an older version", err, ledger.ErrConflict)
	now, err := s.Load(ctx)
	wants("load", err, nil)
	if string(now.Data) != "one" || now.UID != first.UID || now.Version == first.Version {
		t.Errorf("loaded %+v after %+v", now, first)
	}
	second, err := s.Save(ctx, ledger.Object{UID: now.UID, Version: now.Version, Data: []byte("two")})
	wants("save", err, nil)
	if lease, err = s.client.Get(ctx, name.Name, metav1.GetOptions{}); err != nil || lease.Labels["kept"] != "yes" || lease.Annotations[Annotation] != "two" {
		t.Errorf("stored %v, %v", lease, err)
	}

	if err := s.client.Delete(ctx, name.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Save(ctx, ledger.Object{UID: second.UID, Version: second.Version, Data: []byte("three")})
	if !errors.Is(err, ledger.ErrMissing) && !errors.Is(err, ledger.ErrConflict) {
		t.Errorf("save over what is gone: %v", err)
	}
	if _, err := s.client.Create(ctx, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name.Name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Load(ctx)
	wants("load of a Lease without a ledger", err, ledger.ErrMissing)
	filled, err := s.Create(ctx, ledger.Object{Data: []byte("new")})
	wants("create in a Lease without a ledger", err, nil)
	if filled.UID == first.UID || string(filled.Data) != "new" {
		t.Errorf("filled %+v", filled)
	}
	nowhere, err := New(plane.REST(), types.NamespacedName{Namespace: "nowhere", Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = nowhere.Create(ctx, ledger.Object{Data: []byte("x")}); err == nil || errors.Is(err, ledger.ErrMissing) {
		t.Errorf("create in a namespace that is not there: %v", err)
	}
}

// An API server that does not answer must not hold anybody's change for long.
func TestACallHasLittleTime(t *testing.T) {
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer silent.Close()
	defer close(release)
	s, err := New(&rest.Config{Host: silent.URL}, name)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := s.Load(context.Background()); err == nil || errors.Is(err, ledger.ErrMissing) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 5*callTimeout {
		t.Errorf("took %s", took)
	}
}
