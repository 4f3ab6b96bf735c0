package ledger

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/podcullis/podcullis/cluster"
)

func netpolEntry(namespace, name, uid string) Entry {
	return Entry{
		Ref: cluster.Ref{Namespace: namespace, Kind: "NetworkPolicy", Name: name}, Resource: "networkpolicies.networking.k8s.io",
		Operation: Create, UID: types.UID(uid), Digest: uid, Content: []byte(`{"spec":{"podSelector":{}}}`),
	}
}

// created is the event that settles it.
func created(e Entry, version uint64) Observation {
	return Observation{Resource: e.Resource, Ref: e.Ref, UID: e.UID, ResourceVersion: formatVersion(version)}
}

func bookOptions(store Store) Options {
	return Options{Store: store, Now: time.Now, Fresh: true, Replica: "a", Replicas: 1, Set: func() string { return "set" }}
}

// failing is a store whose answers can be made up.
type failing struct {
	Store
	save func(context.Context, Object) (Object, error)
	load func(context.Context) (Object, error)
}

func (f *failing) Save(ctx context.Context, o Object) (Object, error) {
	if f.save != nil {
		return f.save(ctx, o)
	}
	return f.Store.Save(ctx, o)
}

func (f *failing) Load(ctx context.Context) (Object, error) {
	if f.load != nil {
		return f.load(ctx)
	}
	return f.Store.Load(ctx)
}

func names(world []Entry) string {
	out := ""
	for _, e := range world {
		out += fmt.Sprintf(" %s:%s/%s/%s", e.Operation, e.Place(), e.Ref.Name, e.UID)
	}
	if out == "" {
		return "nothing"
	}
	return out[1:]
}
