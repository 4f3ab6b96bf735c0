package cluster

import "slices"

// UnmodelledOwner is the owner that a pod, ReplicaSet or Job belongs to, itself or by
// its ReplicaSet or Job, and that the model does not hold: see Membership.Unmodelled.
func (s *Snapshot) UnmodelledOwner(object Ref) (Owner, bool) {
	sh := s.shard(object.Namespace)
	if sh == nil {
		return Owner{}, false
	}
	var t *Template
	var o *Owner
	if object.Kind == "Pod" {
		if p, ok := sh.pods[object.Name]; ok {
			t, o = sh.ownerOfPod(p)
		}
	} else {
		t = sh.templates[templateKey{object.Kind, object.Name}]
	}
	if o == nil && t != nil {
		_, o = sh.ownerOfTemplate(t)
	}
	if o == nil {
		return Owner{}, false
	}
	return *o, true
}

// MissingOwner is the controller that a pod, ReplicaSet or Job names, of a kind of which
// the model holds every object, and that is not there under this uid: it is gone,
// made up, or was created a moment ago.
func (s *Snapshot) MissingOwner(object Ref) (Owner, bool) {
	sh := s.shard(object.Namespace)
	if sh == nil {
		return Owner{}, false
	}
	owners := sh.ownersNamedBy(object)
	i := slices.IndexFunc(owners, func(o Owner) bool { return o.Controller })
	if i < 0 || owners[i].UID == "" || !isBuiltin(owners[i].Group, owners[i].Kind) || sh.named(&owners[i]) != nil {
		return Owner{}, false
	}
	return owners[i], true
}

// Owns reports whether the model holds the owner that an object of a namespace names.
func (s *Snapshot) Owns(namespace string, o Owner) bool {
	sh := s.shard(namespace)
	return sh != nil && sh.named(&o) != nil
}

// ownersNamedBy are the owner references that count of an object: of a template only
// those of a kind that somebody else makes.
func (s *shard) ownersNamedBy(object Ref) []Owner {
	if object.Kind == "Pod" {
		if p, ok := s.pods[object.Name]; ok {
			return p.Owners
		}
		return nil
	}
	t, ok := s.templates[templateKey{object.Kind, object.Name}]
	if !ok || madeBy[t.Kind] == "" || !isBuiltin(t.Group, t.Kind) {
		return nil
	}
	return t.Owners
}
