package guardrail

import (
	"cmp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// nearest are those of some words that somebody may have meant who wrote another one: a few
// letters off, the nearest first, at most three. Two letters that changed places are near.
func nearest(text string, all []string) []string {
	type guess struct {
		word string
		off  int
	}
	var guesses []guess
	seen := map[string]bool{}
	for _, word := range all {
		if seen[word] || word == text {
			continue
		}
		seen[word] = true
		off := levenshtein.ComputeDistance(strings.ToLower(text), strings.ToLower(word))
		if swapped(text, word) {
			off = 1
		}
		if short := min(len(text), len(word)); off > 2 && short >= 4 && strings.EqualFold(text[:short], word[:short]) {
			off = 2 // one of them goes on
		}
		if off <= min(max(1, len(text)/3, 2*(len(text)/4)), 4) && off < max(len(text), len(word)) {
			guesses = append(guesses, guess{word, off})
		}
	}
	slices.SortStableFunc(guesses, func(a, b guess) int {
		return cmp.Or(cmp.Compare(a.off, b.off), cmp.Compare(a.word, b.word))
	})
	var out []string
	for _, g := range guesses {
		if g.off > guesses[0].off+1 || len(out) == 3 {
			break
		}
		out = append(out, g.word)
	}
	return out
}

// swapped tells whether two words hold the same letters, in another order near one place.
func swapped(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	first, last := -1, -1
	for i := range len(a) {
		if a[i] != b[i] {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	return first >= 0 && last == first+1 && a[first] == b[last] && a[last] == b[first]
}

// maxKnown is how many words a message lists, at most.
const maxKnown = 12

// meant says what somebody may have meant, or else what there is: "; did you mean a or b?",
// "; known here: a, b".
func meant(text string, all []string) string {
	if near := nearest(text, all); len(near) > 0 {
		return "; did you mean " + strings.Join(near, " or ") + "?"
	}
	if len(all) == 0 {
		return ""
	}
	all = slices.Compact(slices.Sorted(slices.Values(all)))
	if len(all) > maxKnown {
		all = append(all[:maxKnown:maxKnown], "...")
	}
	return "; known here: " + strings.Join(all, ", ")
}
