package cluster

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// TestEveryFieldCounts: a change of any field of a pod or a template is none that leaves
// everything as it was, but for the addresses of a pod. Whoever adds a field says here what
// another value of it is.
func TestEveryFieldCounts(t *testing.T) {
	values := func() map[string]any {
		return map[string]any{
			"Namespace": "x", "Group": "x", "Kind": "x", "Name": "x", "UID": "x",
			"Labels": labels.Set{"x": "y"}, "ObjectLabels": labels.Set{"x": "y"},
			"Owners": []Owner{{Kind: "x"}}, "Ports": []NamedPort{{Name: "x"}}, "IPs": []netip.Addr{netip.IPv6Loopback()},
			"HostNetwork": true, "Bound": true, "Gone": true, "Orphans": true, "Indexed": true, "OwnSelector": true,
			"FirstOrdinal": int32(3), "DeletedAt": time.Unix(7, 0), "Unread": UnreadLabels,
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
			if got, want := (Change{Before: before, After: after[0]}).Idle(), field.Name == "IPs"; got != want {
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
