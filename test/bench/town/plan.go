package town

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"reflect"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podcullis/podcullis/cluster"
)

// What questions about a town can name.
const (
	// TierLabel is on every pod of an application: one of Tiers.
	TierLabel = "tier"
	Frontend  = "frontend"
	API       = "api"
	Worker    = "worker"
	Cache     = "cache"
	Database  = "db"

	// PurposeLabel is on the cluster's own namespaces. The netpols of all others
	// go by it, so it is the label whose change touches most.
	PurposeLabel = "purpose"
	Ingress      = "ingress"
	Monitoring   = "monitoring"

	// TeamLabel is on every namespace of an application.
	TeamLabel = "team"
)

// Tiers are the tiers of an application, in the order in which requests pass.
func Tiers() []string { return []string{Frontend, API, Worker, Cache, Database} }

// infrastructure is how many namespaces are the cluster's own.
const infrastructure = 3

// Plan says which town to make up.
type Plan struct {
	Seed                      uint64
	Pods, Namespaces, Netpols int
	// Solitary makes every pod stand alone, with labels of its own.
	Solitary bool
}

// Validate says what cannot be built.
func (p Plan) Validate() error {
	switch {
	case p.Namespaces <= infrastructure:
		return fmt.Errorf("a town needs more than %d namespaces, got %d", infrastructure, p.Namespaces)
	case p.Pods < 10*p.Namespaces:
		return fmt.Errorf("a town needs 10 pods a namespace, got %d for %d namespaces", p.Pods, p.Namespaces)
	case p.Netpols < 2*p.Namespaces:
		return fmt.Errorf("a town needs 2 netpols a namespace, got %d for %d namespaces", p.Netpols, p.Namespaces)
	}
	return nil
}

// String is "10,000 pods, 100 namespaces, 1,000 netpols", and says so when the
// pods stand alone.
func (p Plan) String() string {
	s := fmt.Sprintf("%s pods, %s namespaces, %s netpols", thousands(p.Pods), thousands(p.Namespaces), thousands(p.Netpols))
	if p.Solitary {
		s += ", every pod its own labels"
	}
	return s
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// Objects yields the town as a client would send it, namespace by namespace, and
// in each the Namespace, its netpols, its controllers and its pods. Nothing is
// kept: a town of 100,000 pods costs no memory until somebody holds on to it.
func (p Plan) Objects() iter.Seq[client.Object] {
	return func(yield func(client.Object) bool) {
		for i := range p.Namespaces {
			for _, o := range p.Namespace(i) {
				if !yield(o) {
					return
				}
			}
		}
	}
}

// Model is the town as the model's objects, in the order of Objects. Each object
// is encoded and decoded on the way, as it is between an API server and a client:
// no two of them share the text of a label, which is what a model that weighs
// little has to see to by itself.
func (p Plan) Model() ([]cluster.Object, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	var out []cluster.Object
	for o := range p.Objects() {
		m, err := modelled(o)
		if err != nil {
			return nil, fmt.Errorf("town: %s %s/%s: %w", o.GetObjectKind().GroupVersionKind().Kind, o.GetNamespace(), o.GetName(), err)
		}
		out = append(out, m)
	}
	return out, nil
}

// Snapshot is the town as a model.
func (p Plan) Snapshot() (*cluster.Snapshot, error) {
	objects, err := p.Model()
	if err != nil {
		return nil, err
	}
	return cluster.New(objects...)
}

func modelled(o client.Object) (cluster.Object, error) {
	wire, ok := o.(interface {
		Marshal() ([]byte, error)
		Unmarshal(text []byte) error
	})
	if !ok {
		return nil, fmt.Errorf("%T has no protobuf encoding", o)
	}
	text, err := wire.Marshal()
	if err != nil {
		return nil, err
	}
	fresh := reflect.New(reflect.TypeOf(o).Elem()).Interface()
	if err := fresh.(interface{ Unmarshal(text []byte) error }).Unmarshal(text); err != nil {
		return nil, err
	}
	return cluster.FromAPI(fresh.(client.Object))
}

// Namespace makes the objects of one namespace, counted from 0.
func (p Plan) Namespace(i int) []client.Object {
	q := &quarter{
		plan:   p,
		index:  i,
		random: rand.New(rand.NewPCG(p.Seed, uint64(i))), //nolint:gosec // the same seed has to give the same town
		pods:   share(p.Pods, p.Namespaces, i),
		host:   before(p.Pods, p.Namespaces, i),
	}
	q.name, q.labels = q.identity()
	q.add(q.namespace())
	quota := share(p.Netpols, p.Namespaces, i)
	for _, np := range q.netpols(quota) {
		q.add(np)
	}
	q.settle()
	return q.objects
}

// share is the part of total that falls to the i-th of n, and before what falls
// to those in front of it.
func share(total, n, i int) int {
	if i < total%n {
		return total/n + 1
	}
	return total / n
}

func before(total, n, i int) int { return i*(total/n) + min(i, total%n) }
