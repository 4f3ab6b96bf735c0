package ledger

import "time"

// passing has an object come and go while one replica sees nothing of its kind, and then
// learns of both a moment apart: what is harmless beside the object is not without it.
func (s *sim) passing(from time.Duration, gone, other change) bool {
	x := *s.truth.at(gone.key)
	if !gone.delete || gone.key.kind == toyNS || other.key == gone.key || len(s.replicas) < 2 {
		return false
	}
	deleted := x
	deleted.there = false
	s.persist(gone.key, deleted) // it is to come
	blind := s.replicas[0]
	begin, end := from+2*time.Second, from+8*time.Second
	s.at(begin, func() { blind.stalled[gone.key.kind] = end })
	s.at(begin+s.some(0, time.Second), func() { s.submit(change{key: gone.key, object: x}) })
	gone.collection = false
	s.at(begin+s.some(2*time.Second, 3*time.Second), func() { s.submit(gone) })
	for range 3 {
		s.at(end+s.some(0, s.theme.lag), func() { s.submit(other) })
	}
	return true
}
