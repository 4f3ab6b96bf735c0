package connectivity_test

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// question is what a guardrail asks: nothing of from reaches anything of to.
type question struct {
	from, to refSelection
	probes   []probe
}

// readDelta is one change, read naively.
type readDelta struct {
	before, after *moment
	question      question
	// believed: whoever makes the change may act for owners that the model does not hold.
	believed bool
	// past are the moments within the memory, the oldest first; the last is before.
	past []*moment
}

func newReadDelta(before, after []runtime.Object, q question) *readDelta {
	return &readDelta{before: readMoment(before), after: readMoment(after), question: q}
}

// violation is a path that a change opens.
type violation struct {
	from, to string
	on       probe
}

func (v violation) String() string {
	return fmt.Sprintf("%s -> %s %s %d", v.from, v.to, v.on.protocol, v.on.port)
}

// violations are the paths that are there after the change, or are not proved
// shut, and were not there before.
func (d *readDelta) violations() map[violation]bool {
	out := map[violation]bool{}
	judged := slices.DeleteFunc(slices.Clone(d.after.everyone), d.isCopy)
	for _, from := range judged {
		for _, to := range judged {
			if !d.chosen(from, d.question.from) || !d.chosen(to, d.question.to) || d.inside(from, to) {
				continue
			}
			for _, p := range d.question.probes {
				now := d.after.level(from, to, p)
				if now > 0 && !d.wasThere(from, to, p, now) {
					out[violation{d.after.peer(from), d.after.peer(to), p}] = true
				}
			}
		}
	}
	return out
}

// isCopy: a ReplicaSet or Job that says the same as its owner in the model speaks
// through the owner. One label more, another port or hostNetwork is another meaning.
func (d *readDelta) isCopy(x *someone) bool {
	o := d.after.ownerOf(x).modelled
	return !x.isPod() && o != nil && maps.Equal(x.labels, o.labels) && slices.Equal(x.end.ports, o.end.ports) && x.end.hostNetwork == o.end.hostNetwork
}

func (m *moment) level(from, to *someone, p probe) int {
	return m.connection(refEnd{pod: from.end}, refEnd{pod: to.end}, p.protocol, p.port).level
}

// chosen: by what someone is now, or by what the same object was before.
func (d *readDelta) chosen(x *someone, side refSelection) bool {
	if d.after.chosen(x, side) {
		return true
	}
	was := d.before.same(x)
	return was != nil && d.before.chosen(was, side)
}

// inside: both are of one workload, and the question tells them apart neither by
// what they are nor by what they were.
func (d *readDelta) inside(from, to *someone) bool {
	a, _ := d.after.top(from)
	b, _ := d.after.top(to)
	if a != b || d.after.peer(from) != d.after.peer(to) {
		return false
	}
	for _, side := range []refSelection{d.question.from, d.question.to} {
		now := d.after.chosen(from, side) == d.after.chosen(to, side)
		if d.chosen(from, side) != d.chosen(to, side) || !now {
			return false
		}
	}
	return true
}

// wasThere: some pair that the two were before had the path, and was chosen by
// the same sides. What was unknown gives what is unknown, and what the same rule
// makes open now.
func (d *readDelta) wasThere(from, to *someone, p probe, now int) bool {
	for _, f := range d.was(from) {
		for _, t := range d.was(to) {
			if d.before.chosen(f, d.question.from) && d.before.chosen(t, d.question.to) && d.had(d.before, [2]*someone{f, t}, [2]*someone{from, to}, p, now) {
				return true
			}
		}
	}
	return d.isRemembered(from, to, p, now)
}

// had: at a moment a pair had what another has now.
func (d *readDelta) had(m *moment, then, is [2]*someone, p probe, now int) bool {
	level := m.level(then[0], then[1], p)
	return level >= now || (level > 0 && d.sameRuleBehind(m, then, is, p))
}

// was are those of the moment before that someone was then, or stands for.
func (d *readDelta) was(x *someone) []*someone {
	var out []*someone
	if self := d.before.same(x); self != nil && (d.meanTheSame(self, x) || sameClaim(self.object, x.object)) {
		out = append(out, self)
	}
	if x.isPod() {
		out = append(out, d.podWas(x)...)
	} else {
		out = append(out, d.templateWas(x)...)
	}
	return out
}

// podWas: pods of the same class of its workload, the template that made it and
// the topmost.
func (d *readDelta) podWas(x *someone) []*someone {
	var out []*someone
	mine := d.after.ownerOf(x)
	if mine.foreign != "" && !d.believed || mine == (owner{}) {
		return nil
	}
	top, _ := d.after.top(x)
	for _, y := range d.before.everyone {
		switch {
		case !y.isPod():
			if y.identity() == top || (mine.modelled != nil && y.identity() == mine.modelled.identity()) {
				out = append(out, y)
			}
		case !d.meanTheSame(x, y):
		case d.topIsForeign(x) && !d.believed:
			// In its own ReplicaSet's name, not in that of who owns the ReplicaSet.
			if theirs := d.before.ownerOf(y); theirs.modelled != nil && theirs.modelled.identity() == mine.modelled.identity() {
				out = append(out, y)
			}
		default:
			if its, _ := d.before.top(y); its == top {
				out = append(out, y)
			}
		}
	}
	return out
}

// templateWas: its owner's template, and the templates of the same class of its
// workload. Never a pod.
func (d *readDelta) templateWas(x *someone) []*someone {
	var out []*someone
	mine := d.after.ownerOf(x)
	top, _ := d.after.top(x)
	for _, y := range d.before.everyone {
		if y.isPod() {
			continue
		}
		its, _ := d.before.top(y)
		owned := mine.modelled != nil && y.identity() == mine.modelled.identity()
		if owned || (its == top && d.meanTheSame(x, y) && (mine.foreign == "" || d.believed)) {
			out = append(out, y)
		}
	}
	return out
}

func (d *readDelta) topIsForeign(x *someone) bool {
	o := d.after.ownerOf(x)
	return o.foreign != "" || (o.modelled != nil && d.topIsForeign(o.modelled))
}

// sameClaim: the owner that an object names is the one that it named.
func sameClaim(a, b metav1.Object) bool { return slices.Equal(claims(a), claims(b)) }

func claims(o metav1.Object) []string {
	refs := o.GetOwnerReferences()
	if c := metav1.GetControllerOf(o); c != nil {
		refs = []metav1.OwnerReference{*c}
	}
	var out []string
	for _, ref := range refs {
		out = append(out, fmt.Sprintf("%s/%s/%s/%s/%v", groupOf(&ref), ref.Kind, ref.Name, ref.UID, metav1.GetControllerOf(o) != nil))
	}
	slices.Sort(out)
	return out
}

// What labels mean.

// meanTheSame: every selector in force that can see their namespace, before and
// after, gives both the same answer; they resolve the port names in force alike.
func (d *readDelta) meanTheSame(x, y *someone) bool {
	if x.end.namespace != y.end.namespace || x.end.hostNetwork != y.end.hostNetwork {
		return false
	}
	for _, s := range d.inForce(x.end.namespace) {
		if selectorMatches(&s, x.labels).level != selectorMatches(&s, y.labels).level {
			return false
		}
	}
	for _, p := range append(d.before.portNames(), d.after.portNames()...) {
		if !slices.Equal(numbersOf(p, x.end), numbersOf(p, y.end)) {
			return false
		}
	}
	return true
}

// inForce are the selectors of pods that can see a namespace.
func (d *readDelta) inForce(namespace string) []metav1.LabelSelector {
	var out []metav1.LabelSelector
	for _, m := range []*moment{d.before, d.after} {
		for _, np := range m.netpols {
			if namespaceOf(np) == namespace {
				out = append(out, np.Spec.PodSelector)
			}
			for _, r := range m.rules(np) {
				for _, p := range r.peers {
					if p.PodSelector != nil && p.IPBlock == nil && m.sees(np, p, namespace) {
						out = append(out, *p.PodSelector)
					}
				}
			}
		}
		for _, side := range []refSelection{d.question.from, d.question.to} {
			if selectorMatches(&side.namespaces, m.namespaces[namespace]) != blocked {
				out = append(out, side.pods)
			}
		}
	}
	return out
}

func (m *moment) sees(np *networkingv1.NetworkPolicy, p networkingv1.NetworkPolicyPeer, namespace string) bool {
	if p.NamespaceSelector == nil {
		return namespaceOf(np) == namespace
	}
	return selectorMatches(p.NamespaceSelector, m.namespaces[namespace]) != blocked
}

// rules are those of both directions that are in force.
func (m *moment) rules(np *networkingv1.NetworkPolicy) []refRule {
	var out []refRule
	for _, direction := range typesOf(np) {
		out = append(out, rulesOf(np, direction)...)
	}
	return out
}

// portName is a port that a rule gives by name.
type portName struct {
	name     string
	protocol corev1.Protocol
}

func (m *moment) portNames() []portName {
	var out []portName
	for _, np := range m.netpols {
		for _, r := range m.rules(np) {
			for _, p := range r.ports {
				if p.Port == nil || p.Port.Type != intstr.String {
					continue
				}
				n := portName{p.Port.StrVal, corev1.ProtocolTCP}
				if p.Protocol != nil {
					n.protocol = *p.Protocol
				}
				out = append(out, n)
			}
		}
	}
	return out
}

func numbersOf(n portName, p *refPod) []int32 {
	var out []int32
	for _, c := range p.ports {
		protocol := c.Protocol
		if protocol == "" {
			protocol = corev1.ProtocolTCP
		}
		if c.Name == n.name && protocol == n.protocol {
			out = append(out, c.ContainerPort)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
