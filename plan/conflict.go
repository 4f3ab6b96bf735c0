package plan

import "github.com/podcullis/podcullis/guardrail"

// conflict says why there is no order, from the largest state that can be reached.
// Nothing is allowed in it; what would be allowed if another step had gone shows which
// of them wait for each other.
func (s *search) conflict() (*Conflict, error) {
	c := &Conflict{}
	var left []int
	for _, i := range s.matter {
		if s.furthest.has(i) {
			c.Done = append(c.Done, i)
		} else {
			left = append(left, i)
		}
	}
	ring, err := s.ring(left)
	if err != nil {
		return nil, err
	}
	if len(ring) == 0 {
		ring = left[:1]
	}
	now, err := s.state(s.furthest)
	if err != nil {
		return nil, err
	}
	for _, i := range ring {
		a, _, err := s.ask(s.furthest, now, i)
		if err != nil {
			return nil, err
		}
		c.Steps, c.Denials = append(c.Steps, i), append(c.Denials, a.denial)
	}
	return c, nil
}

// ring finds steps of which each would be allowed once the one before it had gone, the
// shortest such ring: mostly a pair.
func (s *search) ring(left []int) ([]int, error) {
	after := map[int][]int{} // by which steps a step would be allowed
	for _, forced := range left {
		state := s.furthest.with(forced)
		now, err := s.state(state)
		if err != nil {
			return nil, err
		}
		for _, i := range left {
			if i == forced {
				continue
			}
			a, _, err := s.ask(state, now, i)
			if err != nil {
				return nil, err
			}
			if a.allowed {
				after[i] = append(after[i], forced)
			}
		}
	}
	var best []int
	for _, start := range left {
		if ring := shortest(after, start); len(ring) > 0 && (best == nil || len(ring) < len(best)) {
			best = ring
		}
	}
	return best, nil
}

// shortest is the shortest way from a step back to itself.
func shortest(next map[int][]int, start int) []int {
	ways := [][]int{{start}}
	seen := map[int]bool{}
	for len(ways) > 0 {
		way := ways[0]
		ways = ways[1:]
		for _, n := range next[way[len(way)-1]] {
			if n == start {
				return way
			}
			if !seen[n] {
				seen[n] = true
				ways = append(ways, append(way[:len(way):len(way)], n))
			}
		}
	}
	return nil
}

// Said is what one of the steps of a conflict is denied for, in a line each.
func Said(d guardrail.Decision) []string {
	var out []string
	for _, v := range d.With(guardrail.Deny) {
		out = append(out, "["+v.Guardrail+"] "+v.Summary())
	}
	return out
}
