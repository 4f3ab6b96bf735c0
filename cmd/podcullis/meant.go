package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/podcullis/podcullis/cluster"
)

// nearest are those of some words that somebody may have meant: that hold the text, or are
// a few letters off.
func nearest(text string, all []string) []string {
	type guess struct {
		word string
		off  int
	}
	var guesses []guess
	text = strings.ToLower(text)
	for _, word := range all {
		off := levenshtein.ComputeDistance(text, strings.ToLower(word))
		if len(text) > 2 && strings.Contains(strings.ToLower(word), text) {
			off = 0
		}
		if off <= max(1, len(text)/4) {
			guesses = append(guesses, guess{word, off})
		}
	}
	slices.SortStableFunc(guesses, func(a, b guess) int { return cmp.Compare(a.off, b.off) })
	var out []string
	for _, g := range guesses[:min(len(guesses), 3)] {
		out = append(out, g.word)
	}
	return out
}

// meant says which workloads a name may have been meant for, or else which there are. A
// name may lack its namespace or its kind, have that of the wrong kind, or be misspelt.
func meant(text string, there []*cluster.Workload) string {
	parts := strings.Split(text, "/")
	name := parts[len(parts)-1]
	var full, short []string
	byShort := map[string]string{}
	for _, w := range there {
		full = append(full, w.Ref.String())
		for _, s := range []string{w.Name, w.Namespace + "/" + w.Name} {
			if byShort[s] == "" {
				short = append(short, s)
			}
			byShort[s] += ", " + w.Ref.String()
		}
	}
	for _, try := range []string{text, name} {
		if found := nearest(try, full); len(found) > 0 && strings.Contains(try, "/") {
			return "did you mean " + strings.Join(found, ", ") + "?"
		}
		var names []string
		for _, s := range nearest(try, short) {
			for n := range strings.SplitSeq(strings.TrimPrefix(byShort[s], ", "), ", ") {
				if !slices.Contains(names, n) {
					names = append(names, n)
				}
			}
		}
		if len(names) > 0 {
			return "did you mean " + strings.Join(names[:min(len(names), 3)], ", ") + "?"
		}
	}
	return "there are: " + listed(there)
}
