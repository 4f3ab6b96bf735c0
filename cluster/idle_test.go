package cluster

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// TestEveryFieldCounts: a change of any field of a pod or a template is none that leaves
// everything as it was, but for the addresses of a pod. Whoever adds a field says here what
// another value of it is.
func TestEveryFieldCounts(t *testing.T) {
	values := func() map[string]any {
		return map[string]any{
			"Namespace": "x", "Group": "x", "Kind": "x", "Name": "x", "UID": "x",
			"Labels": labels.Set{"x": "y"}, "ObjectLabels": labels.Set{"x": "y"},
			"Owners": []Owner{{Kind: "x"}}, "Ports": []NamedPort{{Name: "x"}}, "Declared": []DeclaredPort{{Port: 1}}, "IPs": []netip.Addr{netip.IPv6Loopback()},
			"HostNetwork": true, "Bound": true, "Gone": true, "Orphans": true, "Indexed": true, "OwnSelector": true,
			"FirstOrdinal": int32(3), "Document": NewDocument(map[string]any{"kind": "x"}), "DeletedAt": time.Unix(7, 0), "Unread": UnreadLabels,
			"Selector": newOwnSelector(&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Exists"}}}, nil),
		}
	}
	for _, before := range []Object{&Pod{}, &Template{}} {
		kind := reflect.TypeOf(before).Elem()
		for i := range kind.NumField() {
			field := kind.Field(i)
			after := []Object{reflect.New(kind).Interface().(Object), reflect.New(kind).Interface().(Object)}
			for _, o := range after {
				if field.Name == "digest" {
					switch o := o.(type) {
					case *Pod:
						o.digest[31] = 1
					case *Template:
						o.digest[31] = 1
					}
					continue
				}
				value, ok := values()[field.Name]
				if !ok {
					t.Fatalf("%s.%s: no value is known for it", kind.Name(), field.Name)
				}
				reflect.ValueOf(o).Elem().Field(i).Set(reflect.ValueOf(value))
			}
			if got, want := (Change{Before: before, After: after[0]}).Idle(), field.Name == "IPs" || field.Name == "Document"; got != want {
				t.Errorf("%s.%s alone: idle %t", kind.Name(), field.Name, got)
			}
			if !(Change{Before: after[0], After: after[1]}).Idle() {
				t.Errorf("%s.%s, the same twice: not idle", kind.Name(), field.Name)
			}
		}
	}
}

// A selector that is there and asks for nothing is another one than none.
func TestNoSelectorIsNotAnEmptyOne(t *testing.T) {
	none, empty := &Template{}, &Template{Selector: newOwnSelector(&metav1.LabelSelector{}, nil)}
	if (Change{Before: none, After: empty}).Idle() {
		t.Error("it counts as the same")
	}
}

// Netpols that are written in another way, and those that differ somewhere.
func TestNetpolsThatMeanTheSame(t *testing.T) {
	texts := []string{
		`{}`, `{podSelector: {matchLabels: {a: b}}}`, `{policyTypes: [Egress]}`, `{ingress: [{}]}`, `{ingress: [{}, {}]}`, `{egress: [{}]}`,
		`{ingress: [{ports: [{port: 1}]}]}`, `{ingress: [{ports: [{port: 2}]}]}`, `{ingress: [{ports: [{port: 1, protocol: UDP}]}]}`, `{ingress: [{ports: [{port: 1, endPort: 2}]}]}`, `{ingress: [{ports: [{port: x}]}]}`,
		`{ingress: [{from: [{podSelector: {}}]}]}`, `{ingress: [{from: [{podSelector: {matchLabels: {a: b}}}]}]}`, `{ingress: [{from: [{namespaceSelector: {}}]}]}`,
		`{ingress: [{from: [{podSelector: {}}, {podSelector: {}}]}]}`, `{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}`, `{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}]}`,
	}
	compiled := func(text string) *Netpol {
		var o networkingv1.NetworkPolicy
		if err := yaml.Unmarshal([]byte(text), &o.Spec); err != nil {
			t.Fatal(err)
		}
		n, err := NewNetpol(&o)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for i, a := range texts {
		for j, b := range texts {
			before, after := compiled(a), compiled(b)
			if got, want := (Change{Before: before, After: after}).Idle(), reflect.DeepEqual(before, after); got != want || got != (i == j) {
				t.Errorf("from %s to %s: idle %t", a, b, got)
			}
		}
	}
}
