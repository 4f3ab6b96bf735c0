package cluster

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/podcullis/podcullis/cluster/selector"
)

// Bounds are how much one object may hold to be read: far more than anybody needs, and
// far less than an object of the API can hold, so that one object costs nobody else
// anything. What is over a bound is unknown: a netpol may let anybody through, and isolates
// nobody for certain, a pod or a namespace may have any label. Zero is the default.
type Bounds struct {
	// Netpol bounds the peers of a NetworkPolicy, its excepted blocks, its label
	// requirements and their values, each counted by itself. Of rules and of ports it may
	// have a tenth, and one selector a hundredth of the requirements.
	Netpol int
	// Object bounds the labels of a pod, template or namespace, and its named ports,
	// each counted by itself. Of owners it may have a tenth.
	Object int
}

// The defaults of Bounds.
const (
	DefaultNetpolBound = 10_000
	DefaultObjectBound = 1_000
)

func (b Bounds) netpol() int { return cmp.Or(b.Netpol, DefaultNetpolBound) }

func (b Bounds) object() int { return cmp.Or(b.Object, DefaultObjectBound) }

// tenth is the bound of what is joined with each other, and not only looked up.
func tenth(bound int) int { return max(bound/10, 1) }

// ErrOverBound is what the errors about an object that holds too much wrap.
var ErrOverBound = errors.New("too much to be read")

// overBound is one thing of which an object holds too much.
type overBound struct{ at *field.Error }

func (e overBound) Error() string { return e.at.Error() }

func (e overBound) Unwrap() []error { return []error{e.at, ErrOverBound} }

func tooMany(path *field.Path, n int, what string, bound int, instead string) overBound {
	return overBound{field.Forbidden(path, fmt.Sprintf("%d %s, and at most %d are read: %s", n, what, bound, instead))}
}

// size is how much a netpol holds, or one section of it.
type size struct{ rules, peers, ports, excepts, requirements, values, deepest int }

func (s size) and(o size) size {
	return size{s.rules + o.rules, s.peers + o.peers, s.ports + o.ports, s.excepts + o.excepts, s.requirements + o.requirements, s.values + o.values, max(s.deepest, o.deepest)}
}

// over lists of what there is more than the bound.
func (s size) over(bound int, path *field.Path) []error {
	var out []error
	for _, x := range []struct {
		n       int
		what    string
		bound   int
		instead string
	}{
		{s.rules, "rules", tenth(bound), "join those that say the same, or split the netpol"},
		{s.peers, "peers", bound, "choose them by a label that they have in common, by wider blocks, or split the netpol"},
		{s.ports, "ports", tenth(bound), "use ranges (endPort), or split the netpol"},
		{s.excepts, "excepted blocks", bound, "use wider blocks, or split the netpol"},
		{s.requirements, "label requirements", bound, "choose by a label that the pods have in common, or split the netpol"},
		{s.deepest, "label requirements of one selector", tenth(tenth(bound)), "choose by fewer labels"},
		{s.values, "label values", bound, "choose by a label that the pods have in common, or split the netpol"},
	} {
		if x.n > x.bound {
			out = append(out, tooMany(path, x.n, x.what, x.bound, x.instead))
		}
	}
	return out
}

func sizeOfSelector(s *metav1.LabelSelector) size {
	if s == nil {
		return size{}
	}
	out := size{requirements: len(s.MatchLabels) + len(s.MatchExpressions), values: len(s.MatchLabels)}
	out.deepest = out.requirements
	for i := range s.MatchExpressions {
		out.values += len(s.MatchExpressions[i].Values)
	}
	return out
}

func sizeOfRule(peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) size {
	out := size{rules: 1, peers: len(peers), ports: len(ports)}
	for i := range peers {
		p := &peers[i]
		out = out.and(sizeOfSelector(p.PodSelector)).and(sizeOfSelector(p.NamespaceSelector))
		if p.IPBlock != nil {
			out.excepts += len(p.IPBlock.Except)
		}
	}
	return out
}

// sizeOf is the size of a netpol's rules, without its podSelector.
func sizeOf(s *networkingv1.NetworkPolicySpec) size {
	var out size
	for i := range s.Ingress {
		out = out.and(sizeOfRule(s.Ingress[i].From, s.Ingress[i].Ports))
	}
	for i := range s.Egress {
		out = out.and(sizeOfRule(s.Egress[i].To, s.Egress[i].Ports))
	}
	return out
}

// newOverNetpol stands for a netpol that holds more than the bounds: it isolates whom it
// says it does, as far as that can be read, and each section that has rules may let anybody through on any port.
func (b Bounds) newOverNetpol(np *networkingv1.NetworkPolicy, errs []error) *Netpol {
	n := &Netpol{Namespace: namespaceOf(np.Namespace), Name: nameOf(&np.ObjectMeta), Over: errs[0].Error()}
	n.digest = digestOf(&np.Spec)
	var typeErrs field.ErrorList
	n.Isolates, typeErrs = directionsOf(np.Spec, nil)
	switch taken := sizeOfSelector(&np.Spec.PodSelector); {
	case len(taken.over(b.netpol(), nil)) > 0:
		n.Selector = selector.Unknown()
	default:
		n.Selector, _ = selector.New(np.Spec.PodSelector)
	}
	if len(typeErrs) > 0 {
		n.Isolates, n.Selector = [2]bool{true, true}, n.Selector.Doubted()
	}
	for d, rules := range [2]int{Egress: len(np.Spec.Egress), Ingress: len(np.Spec.Ingress)} {
		if rules > 0 && n.Isolates[d] {
			n.Rules[d] = []NetpolRule{{Peers: []NetpolPeer{{Broken: true}}, Ports: []NetpolPort{{Broken: true}}}}
		}
	}
	n.own = mentionedBy(n.Selector)
	return n
}

// digestOf tells what was said from something else that is not read either.
func digestOf(s *networkingv1.NetworkPolicySpec) (out [sha256.Size]byte) {
	text, err := s.Marshal()
	if err != nil {
		return out
	}
	return sha256.Sum256(text)
}

// NewNetpol compiles np, within the bounds: see the function of this name.
func (b Bounds) NewNetpol(np *networkingv1.NetworkPolicy) (*Netpol, error) {
	if n, err := b.OverNetpol(np); n != nil {
		return n, err
	}
	return NewNetpol(np)
}

// OverNetpol is what the model keeps of a netpol that holds more than the bounds, with the
// error that says so; nil for one that does not.
func (b Bounds) OverNetpol(np *networkingv1.NetworkPolicy) (*Netpol, error) {
	spec := field.NewPath("spec")
	errs := sizeOfSelector(&np.Spec.PodSelector).over(b.netpol(), spec.Child("podSelector"))
	if errs = append(errs, sizeOf(&np.Spec).over(b.netpol(), spec)...); len(errs) > 0 {
		return b.newOverNetpol(np, errs), utilerrors.NewAggregate(errs)
	}
	return nil, nil
}

// TakesAway reports whether a netpol is another one without some elements of its lists,
// and without an element more: then it lets through what the other did, or less. An
// emptied list would let everybody through.
func TakesAway(was, now runtime.Object) bool {
	a, ok := was.(*networkingv1.NetworkPolicy)
	b, also := now.(*networkingv1.NetworkPolicy)
	if !ok || !also {
		return false
	}
	return reflect.DeepEqual(a.Spec.PodSelector, b.Spec.PodSelector) && slices.Equal(a.Spec.PolicyTypes, b.Spec.PolicyTypes) &&
		(len(a.Spec.PolicyTypes) > 0 || (len(a.Spec.Egress) == 0) == (len(b.Spec.Egress) == 0)) &&
		among(a.Spec.Ingress, b.Spec.Ingress, func(x, y networkingv1.NetworkPolicyIngressRule) bool {
			return fewer(x.From, y.From) && fewer(x.Ports, y.Ports)
		}) &&
		among(a.Spec.Egress, b.Spec.Egress, func(x, y networkingv1.NetworkPolicyEgressRule) bool {
			return fewer(x.To, y.To) && fewer(x.Ports, y.Ports)
		})
}

// among reports whether each of now stands in was, in the same order, or as less than there.
func among[T any](was, now []T, atMost func(was, now T) bool) bool {
	for _, n := range now {
		for len(was) > 0 && !atMost(was[0], n) {
			was = was[1:]
		}
		if len(was) == 0 {
			return false
		}
		was = was[1:]
	}
	return true
}

// fewer is among for a list that means everything when it is empty.
func fewer[T any](was, now []T) bool {
	if len(now) == 0 {
		return len(was) == 0
	}
	return among(was, now, func(a, b T) bool { return reflect.DeepEqual(a, b) })
}

// Unread is what of a pod, template or namespace is not read, because it is too much.
type Unread uint8

// What may be unread.
const (
	UnreadLabels Unread = 1 << iota // it may have any
	UnreadPorts                     // a name may stand for any port
)

// boundPods leaves out of pods, or of what makes some, what is over the bounds: labels and
// ports are unknown then, and of its owners only the controller counts.
func (b Bounds) boundPods(path *field.Path, l *labels.Set, ports *[]NamedPort, owners *[]Owner) (unread Unread, digest [sha256.Size]byte, err error) {
	var errs []error
	if n := len(*owners); n > tenth(b.object()) {
		*owners = slices.Clone(slices.DeleteFunc(*owners, func(o Owner) bool { return !o.Controller }))
		*owners = (*owners)[:min(1, len(*owners))]
		errs = append(errs, tooMany(field.NewPath("metadata", "ownerReferences"), n, "owners", tenth(b.object()), "name the controller alone"))
	}
	kept := sha256.New()
	if n := len(*l); n > b.object() {
		for _, k := range slices.Sorted(maps.Keys(*l)) {
			fmt.Fprintf(kept, "%q=%q,", k, (*l)[k])
		}
		unread, *l = unread|UnreadLabels, nil
		errs = append(errs, tooMany(path.Child("metadata", "labels"), n, "labels", b.object(), "put into annotations what nothing selects by"))
	}
	if n := len(*ports); n > b.object() {
		fmt.Fprintf(kept, "%v", *ports)
		unread, *ports = unread|UnreadPorts, nil
		errs = append(errs, tooMany(path.Child("spec", "containers"), n, "named ports", b.object(), "name those that something refers to"))
	}
	if unread != 0 {
		kept.Sum(digest[:0])
	}
	return unread, digest, utilerrors.NewAggregate(errs)
}

// pod is boundPods for a pod.
func (b Bounds) pod(p *Pod) (*Pod, error) {
	var err error
	p.Unread, p.digest, err = b.boundPods(nil, &p.Labels, &p.Ports, &p.Owners)
	return p, err
}

// template is boundPods for a template, whose own labels and selector are bounded, too: what
// is not read of them matches nobody.
func (b Bounds) template(t *Template, at ...string) (*Template, error) {
	var err error
	path := field.NewPath("spec")
	for _, name := range append(at, "template") {
		path = path.Child(name)
	}
	t.Unread, t.digest, err = b.boundPods(path, &t.Labels, &t.Ports, &t.Owners)
	errs := []error{err}
	if n := len(t.ObjectLabels); n > b.object() {
		t.ObjectLabels = nil
		if t.Unread&UnreadLabels == 0 {
			errs = append(errs, tooMany(field.NewPath("metadata", "labels"), n, "labels", b.object(), "put into annotations what nothing selects by"))
		}
	}
	if n := t.Selector.size; n > b.object() && t.Unread&UnreadLabels == 0 {
		errs = append(errs, tooMany(field.NewPath("spec", "selector"), n, "label requirements and values", b.object(), "select by fewer labels"))
	}
	if t.Selector.size > b.object() || t.Unread&UnreadLabels != 0 {
		t.Selector = OwnSelector{}
	}
	return t, utilerrors.NewAggregate(slices.DeleteFunc(errs, func(err error) bool { return err == nil }))
}

// namespace leaves out the labels of a namespace but its name when they are too many.
func (b Bounds) namespace(n *Namespace) (*Namespace, error) {
	if len(n.Labels) <= b.object() {
		return n, nil
	}
	kept := sha256.New()
	for _, k := range slices.Sorted(maps.Keys(n.Labels)) {
		fmt.Fprintf(kept, "%q=%q,", k, n.Labels[k])
	}
	err := tooMany(field.NewPath("metadata", "labels"), len(n.Labels), "labels", b.object(), "put into annotations what nothing selects by")
	n.Unread, n.Labels = UnreadLabels, labels.Set{nameLabel: n.Name}
	kept.Sum(n.digest[:0])
	return n, err
}
