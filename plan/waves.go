package plan

import "slices"

// maxWave is how many steps that matter are shown to be free of each other: that takes
// a look at every state between.
const maxWave = 6

// waves takes an order apart into steps that may go in any order.
func (s *search) waves(order []int) ([][]int, error) {
	var out [][]int
	var wave []int
	done := newSet(len(s.steps))
	for _, i := range order {
		together := len(wave) > 0 && len(wave) < maxWave && s.sameKind(wave[0], i)
		if together {
			var err error
			if together, err = s.free(done, append(slices.Clone(wave), i)); err != nil {
				return nil, err
			}
		}
		if !together && len(wave) > 0 {
			done = done.with(wave...)
			out = append(out, wave)
			wave = nil
		}
		wave = append(wave, i)
	}
	if len(wave) > 0 {
		out = append(out, wave)
	}
	return out, nil
}

// sameKind keeps deletions apart, as tools make them at another time than the rest, and
// what is waited for.
func (s *search) sameKind(a, b int) bool {
	gone := func(i int) bool { return !s.steps[i].Wait && s.steps[i].Change.After == nil }
	return gone(a) == gone(b) && s.steps[a].Wait == s.steps[b].Wait
}

// free tells whether steps may go in any order: the last of them in every state that
// the others can leave. That the others are free of each other is known, but not with
// the last one done.
func (s *search) free(done set, wave []int) (bool, error) {
	for some := range 1 << len(wave) {
		state := done
		for k, i := range wave {
			if some&(1<<k) != 0 {
				state = state.with(i)
			}
		}
		now, err := s.state(state)
		if err != nil {
			return false, err
		}
		for k, i := range wave {
			if some&(1<<k) != 0 {
				continue
			}
			a, _, err := s.ask(state, now, i)
			if err != nil || !a.allowed {
				return false, err
			}
		}
	}
	return true, nil
}
