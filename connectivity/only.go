package connectivity

import (
	"slices"

	"github.com/podcullis/podcullis/cluster"
)

// asks tells whether a namespace is asked about.
func (o Options) asks(namespace string) bool { return o.Only == nil || o.Only[namespace] }

// since is what differs between two snapshots, as far as it is asked about.
func (o Options) since(after, before *cluster.Snapshot) cluster.Delta {
	d := after.Since(before)
	if o.Only != nil {
		d.Namespaces = slices.DeleteFunc(d.Namespaces, func(n cluster.NamespaceDelta) bool { return !o.Only[n.Name] })
	}
	return d
}
