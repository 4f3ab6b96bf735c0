package guardrail

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/cluster"
)

// inventoryUse is what a template reads of data.inventory.
type inventoryUse struct {
	// kinds are those that it names, each with where.
	kinds []inventoryKind
	// any is set where the kind is only known in an evaluation.
	any bool
	// namespaces is set where it reads the Namespace that the object is in.
	namespaces bool
}

type inventoryKind struct {
	apiVersion, kind string // apiVersion is empty where it is not known
	place            string
}

// needsEntries tells whether it reads Services or Ingresses, which are followed only if asked for.
func (u *inventoryUse) needsEntries() bool {
	return u.any || slices.ContainsFunc(u.kinds, func(k inventoryKind) bool { return k.kind == "Service" || k.kind == "Ingress" })
}

// kindAt is which element of data.inventory.… is the kind: after namespace a namespace and the
// apiVersion, after cluster the apiVersion.
func kindAt(scope string) int {
	if scope == "namespace" {
		return 5
	}
	return 4
}

// inventoryOf finds what compiled modules read of data.inventory. What it reads as a whole, to
// look into it by other names, is refused: nobody would notice that what it looks for is not held.
func inventoryOf(c *ast.Compiler) (inventoryUse, error) {
	var use inventoryUse
	var errs []error
	for _, m := range c.Modules {
		ast.WalkRefs(m, func(r ast.Ref) bool {
			if r[0].Equal(ast.InputRootDocument) && len(r) > 2 && (r[2].Equal(ast.StringTerm("namespaceObject")) || r[2].Equal(ast.StringTerm("_unstable"))) {
				use.namespaces = true
			}
			if len(r) < 2 || !r[0].Equal(ast.DefaultRootDocument) || !r[1].Equal(ast.StringTerm("inventory")) {
				return false
			}
			place := fmt.Sprintf("%s:%d", m.Package.Location.File, line(r, m))
			at, scope := 0, ""
			if len(r) > 2 {
				s, _ := r[2].Value.(ast.String)
				scope = string(s)
				at = kindAt(scope)
			}
			switch {
			case scope != "namespace" && scope != "cluster":
				errs = append(errs, fmt.Errorf("%s: %s: want data.inventory.namespace[namespace][apiVersion].Kind[name] or data.inventory.cluster[apiVersion].Kind[name]: "+
					"what is read of it must be seen", place, plainRef(r)))
				return false
			case len(r) <= at:
				errs = append(errs, fmt.Errorf("%s: %s is read as a whole: name the kind, as in %s", place, plainRef(r), "data.inventory."+wholeRef[scope]))
				return false
			}
			kind, isText := r[at].Value.(ast.String)
			version, _ := r[at-1].Value.(ast.String)
			if !isText {
				use.any = true
			} else {
				use.kinds = append(use.kinds, inventoryKind{string(version), string(kind), place})
			}
			return false
		})
	}
	return use, errors.Join(errs...)
}

var wholeRef = map[string]string{
	"namespace": `namespace[namespace][apiVersion].Kind[name]`,
	"cluster":   `cluster[apiVersion].Kind[name]`,
}

// plainRef is a reference without the names that the compiler gives to variables.
func plainRef(r ast.Ref) string {
	out := slices.Clone(r)
	for i, t := range out {
		if v, ok := t.Value.(ast.Var); ok && i > 0 {
			name := strings.TrimPrefix(string(v), "__local")
			if name != string(v) || strings.HasPrefix(string(v), "$") {
				out[i] = ast.VarTerm("_")
			}
		}
	}
	return out.String()
}

// refused tells of the kinds that a template reads and the model does not hold.
func (u *inventoryUse) refused(template string) error {
	var errs []error
	for _, k := range u.kinds {
		if err := held(k.apiVersion, k.kind); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s reads data.inventory: %w", k.place, template, err))
		}
	}
	return errors.Join(errs...)
}

// held is the error for a kind that is not in the model. The apiVersion may be empty.
func held(apiVersion, kind string) error {
	if cluster.Documentable(apiVersion, kind) {
		return nil
	}
	var all []string
	for _, k := range cluster.DocumentKinds() {
		if k.Kind == kind {
			return fmt.Errorf("the model holds %s as %s, not as %s", kind, k.GroupVersion(), apiVersion)
		}
		all = append(all, k.Kind)
	}
	slices.Sort(all)
	return fmt.Errorf("the model holds no %s, but: %s", strings.TrimSpace(apiVersion+" "+kind), strings.Join(slices.Compact(all), ", "))
}

// Documents are the kinds of which the templates of the constraints read whole objects: the model
// holds these only where somebody has asked for them.
func (l *Library) Documents() []schema.GroupKind {
	var out []schema.GroupKind
	add := func(k schema.GroupKind) {
		if !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	for _, c := range l.constraints {
		use := l.templates[c.Kind].inventory
		if use.namespaces {
			add(schema.GroupKind{Kind: "Namespace"})
		}
		for _, k := range cluster.DocumentKinds() {
			named := slices.ContainsFunc(use.kinds, func(n inventoryKind) bool {
				return n.kind == k.Kind && (n.apiVersion == "" || n.apiVersion == k.GroupVersion().String())
			})
			if use.any || named {
				add(k.GroupKind())
			}
		}
	}
	return out
}

// inventoryStore is what data is in a template: the objects of the snapshot that the review is
// about. Nothing is made for a review; the values are those of the snapshot.
type inventoryStore struct {
	storage.PolicyNotSupported
	storage.TriggersNotSupported
	storage.WritesNotSupported
}

type noTransaction struct{}

func (noTransaction) ID() uint64 { return 0 }

// NewTransaction implements storage.Store.
func (inventoryStore) NewTransaction(context.Context, ...storage.TransactionParams) (storage.Transaction, error) {
	return noTransaction{}, nil
}

// Commit implements storage.Store.
func (inventoryStore) Commit(context.Context, storage.Transaction) error { return nil }

// Abort implements storage.Store.
func (inventoryStore) Abort(context.Context, storage.Transaction) {}

// Truncate implements storage.Store.
func (inventoryStore) Truncate(context.Context, storage.Transaction, storage.TransactionParams, storage.Iterator) error {
	return errors.New("read only")
}

// Read implements storage.Store.
func (inventoryStore) Read(ctx context.Context, _ storage.Transaction, path storage.Path) (any, error) {
	e, ok := ctx.Value(evaluationKey{}).(*evaluation)
	if !ok || len(path) == 0 || path[0] != "inventory" {
		return nil, notFound
	}
	n := kindAt(at(path, 1)) - 1
	if e.Objects == nil && len(path) > n {
		if err := held(path[n-1], path[n]); err != nil {
			return nil, fmt.Errorf("data.inventory: %w", err)
		}
	}
	if e.Objects == nil && len(path) > n+1 {
		return e.documentAt(path, n)
	}
	var v any = e.inventory()
	for _, step := range path[1:] {
		if v, ok = inside(v, step); !ok {
			return nil, notFound
		}
	}
	return v, nil
}

var notFound = &storage.Error{Code: storage.NotFoundErr}

// inside is what a value of JSON has at a key or an index.
func inside(v any, step string) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		inner, ok := v[step]
		return inner, ok
	case []any:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(v) {
			return v[i], true
		}
	}
	return nil, false
}

// documentAt is an object of the snapshot, or what is in it: as Rego has it, made once for as
// long as the object is as it is. The kind is at n of the path.
func (e *evaluation) documentAt(path storage.Path, n int) (any, error) {
	namespace := ""
	if path[1] == "namespace" {
		namespace = path[2]
	}
	d := e.inventoryOf().Document(namespace, path[n-1], path[n], path[n+1])
	if d == nil {
		return nil, notFound
	}
	made, err := d.Derive(func(fields map[string]any) (any, error) { return ast.InterfaceToValue(fields) })
	if err != nil {
		return nil, err
	}
	v, _ := made.(ast.Value)
	for _, step := range path[n+2:] {
		var t *ast.Term
		switch at := v.(type) {
		case ast.Object:
			t = at.Get(ast.StringTerm(step))
		case *ast.Array:
			if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < at.Len() {
				t = at.Elem(i)
			}
		}
		if t == nil {
			return nil, notFound
		}
		v = t.Value
	}
	return v, nil
}

func at(path storage.Path, n int) string {
	if n < len(path) {
		return path[n]
	}
	return ""
}

// inventory is data.inventory, as values of JSON.
func (e *evaluation) inventory() map[string]any {
	if e.Objects != nil {
		return e.Objects
	}
	return e.inventoryOf().Documents()
}

// inventoryOf is whose objects data.inventory has: the cluster as it is without the change, or,
// where all that is there is judged as if it were new, with it.
func (e *evaluation) inventoryOf() *cluster.Snapshot {
	if e.Origin == Admission {
		return e.Review.Before
	}
	return e.Review.After
}
