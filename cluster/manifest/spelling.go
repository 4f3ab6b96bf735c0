package manifest

import (
	"reflect"
	"slices"
	"strings"
)

// near tells whether two names that differ are likely meant to be the same: in
// another case, or a letter or two apart.
func near(got, want string) bool {
	if got == want {
		return false
	}
	if strings.EqualFold(got, want) {
		return true
	}
	return min(len(got), len(want)) >= 6 && distance(got, want) <= 2
}

// didYouMean is a hint with the candidate that a misspelt name is nearest to.
func didYouMean(name string, candidates []string) string {
	if len(name) > 64 {
		return ""
	}
	best, least := "", 1+max(len(name)/3, min(2, len(name)-2))
	for _, c := range candidates {
		d := distance(strings.ToLower(name), strings.ToLower(c))
		if d < least {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance is Levenshtein's: how many letters to add, drop or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}

// fieldNames lists the JSON names of the fields beside the one that a path ends
// in, by the Go type of the whole object.
func fieldNames(t reflect.Type, path string) []string {
	segments := strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune(".[]", r) })
	for _, s := range segments[:max(len(segments)-1, 0)] {
		t = element(t)
		switch t.Kind() {
		case reflect.Slice, reflect.Map:
			t = t.Elem()
		case reflect.Struct:
			var ok bool
			if t, ok = jsonFields(t)[s]; !ok {
				return nil
			}
		default:
			return nil
		}
	}
	t = element(t)
	if t.Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for name := range jsonFields(t) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func element(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// jsonFields are the fields of a struct by JSON name, with those of structs
// that it takes in.
func jsonFields(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case name == "" && f.Anonymous && element(f.Type).Kind() == reflect.Struct:
			for n, inner := range jsonFields(element(f.Type)) {
				fields[n] = inner
			}
		case name != "":
			fields[name] = f.Type
		}
	}
	return fields
}
