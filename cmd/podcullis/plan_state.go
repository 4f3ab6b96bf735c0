package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/audit"
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
)

// title is "create NetworkPolicy shop/db".
func (s step) title() string {
	if s.waitsFor != nil {
		verb := "replaced"
		if s.waitsFor.is == nil {
			verb = "gone"
		}
		return fmt.Sprintf("wait until the pods of %s are %s", s.waitsFor.name(), verb)
	}
	return strings.ToLower(string(s.operation())) + " " + s.name()
}

// name is "NetworkPolicy shop/db".
func (s step) name() string {
	o := s.object()
	if o.Namespace == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Namespace + "/" + o.Name
}

// pruned are deletions of what is there and not applied. What a controller made goes
// with its owner.
func pruned(there []manifest.Object, steps []step) []step {
	var out []step
	for i := range there {
		o := &there[i]
		applied := slices.ContainsFunc(steps, func(s step) bool { return s.object().Ref() == o.Ref() })
		if _, owned := controllerOf(o.Model); !applied && !owned {
			out = append(out, step{was: o})
		}
	}
	return out
}

// following are what comes of the steps by itself: the pods and inner controllers of a
// workload that goes, or whose template changes, go too.
func following(there []manifest.Object, steps []step) map[int][]*manifest.Object {
	out := map[int][]*manifest.Object{}
	for i, s := range steps {
		if s.was == nil || s.change().Idle() {
			continue
		}
		if _, ok := s.was.Model.(*cluster.Template); !ok {
			continue
		}
		gone := map[cluster.Ref]bool{s.was.Ref(): true}
		for range 2 { // a CronJob is two controllers away from its pods
			for k := range there {
				o := &there[k]
				changed := slices.ContainsFunc(steps, func(s step) bool { return s.object().Ref() == o.Ref() })
				if owner, ok := controllerOf(o.Model); ok && gone[owner] && !gone[o.Ref()] && !changed {
					gone[o.Ref()] = true
					out[i] = append(out[i], o)
				}
			}
		}
	}
	return out
}

func controllerOf(o cluster.Object) (cluster.Ref, bool) {
	var owners []cluster.Owner
	switch o := o.(type) {
	case *cluster.Pod:
		owners = o.Owners
	case *cluster.Template:
		owners = o.Owners
	}
	owner := cluster.ControllerOf(owners)
	if owner == nil {
		return cluster.Ref{}, false
	}
	return cluster.Ref{Namespace: o.Ref().Namespace, Kind: cluster.KindIn(owner.Group, owner.Kind), Name: owner.Name}, true
}

// state is a cluster with its objects.
type state struct {
	items    []audit.Item
	snapshot *cluster.Snapshot
}

// applied is what is there once all steps are done, and what follows of them.
func applied(in input, steps []step) (state, error) {
	changed := map[cluster.Ref]bool{}
	var changes []cluster.Change
	var objects []manifest.Object
	for _, s := range steps {
		changed[s.object().Ref()] = true
		changes = append(changes, s.change())
		if s.is != nil {
			objects = append(objects, *s.is)
		}
	}
	for _, list := range following(in.set.Objects, steps) {
		for _, o := range list {
			changed[o.Ref()] = true
			changes = append(changes, cluster.Change{Before: o.Model})
		}
	}
	for _, o := range in.set.Objects {
		if !changed[o.Ref()] {
			objects = append(objects, o)
		}
	}
	after, err := in.snapshot.Apply(changes...)
	return state{items(manifest.NewSet(objects...)), after}, err
}
