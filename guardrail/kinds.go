package guardrail

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/cluster"
)

// home is the API group of a kind that the model knows, whose bare name means
// that kind and no other: Pod is not the Pod of another API.
func home(kind string) (group string, modelled bool) {
	switch kind {
	case "Namespace", "Pod", "Binding", "ReplicationController":
		return "", true
	case "NetworkPolicy":
		return "networking.k8s.io", true
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet":
		return "apps", true
	case "Job", "CronJob":
		return "batch", true
	}
	return "", false
}

// kindList is a list of kinds as METADATA and configuration write it: Kind, or
// Kind.group for one of several APIs that have such a kind.
type kindList []string

// names reports whether the list has a kind.
func (l kindList) names(k schema.GroupKind) bool {
	return slices.ContainsFunc(l, func(entry string) bool {
		if kind, group, dotted := strings.Cut(entry, "."); dotted {
			return kind == k.Kind && group == k.Group
		}
		if entry != k.Kind {
			return false
		}
		group, modelled := home(entry)
		return !modelled || group == k.Group
	})
}

// covers reports whether all that an entry of a list can name is in this one.
func (l kindList) covers(entry string) bool {
	if slices.Contains(l, entry) {
		return true
	}
	kind, group, dotted := strings.Cut(entry, ".")
	return dotted && l.names(schema.GroupKind{Group: group, Kind: kind})
}

// groupKindOf reads the kind of a cluster.Ref, which carries the group where the
// model does not understand the kind.
func groupKindOf(kind string) schema.GroupKind {
	if bare, group, dotted := strings.Cut(kind, "."); dotted && group == "core" { // see cluster.KindIn
		return schema.GroupKind{Kind: bare}
	} else if dotted {
		return schema.GroupKind{Group: group, Kind: bare}
	}
	group, modelled := home(kind)
	if !modelled {
		group = cluster.EntryGroup(kind)
	}
	return schema.GroupKind{Group: group, Kind: kind}
}

// groupKind is the kind of the object that is judged, with its API group.
func (r *Review) groupKind() schema.GroupKind {
	requested := schema.GroupKind{Group: r.Request.Kind.Group, Kind: r.Request.Kind.Kind}
	if c := r.Change; c.Before == nil && c.After == nil {
		return requested
	}
	kind := groupKindOf(r.kind())
	if _, modelled := home(kind.Kind); !modelled && kind.Kind == requested.Kind && (kind.Group == "" || kind.Group == cluster.EntryGroup(kind.Kind)) {
		return requested
	}
	return kind
}
