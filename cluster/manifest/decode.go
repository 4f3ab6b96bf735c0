package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	strictjson "sigs.k8s.io/json"
)

// problem is a field that does not hold.
type problem struct {
	field  string
	reason string
}

// unknownField is how the reason begins that a field is not one of its type's.
const unknownField = "unknown field"

// decode reads JSON into a typed object as the API server does with
// fieldValidation=Strict (apimachinery's serializer/json, KEP-2885): names are
// case-sensitive, unknown and duplicate fields are errors.
func decode(data []byte, into any) []problem {
	strict, err := strictjson.UnmarshalStrict(data, into)
	if err != nil {
		return locateTypeErrors(data, reflect.TypeOf(into).Elem(), err)
	}
	problems := make([]problem, 0, len(strict))
	for _, err := range strict {
		var at strictjson.FieldError
		if !errors.As(err, &at) {
			problems = append(problems, problem{reason: err.Error()})
			continue
		}
		path := at.FieldPath()
		reason, _, _ := strings.Cut(err.Error(), " \"")
		if reason == unknownField {
			if strings.ContainsRune(path, '\u00a0') {
				reason += " (it holds a no-break space, which looks like one that indents)"
			}
			reason += didYouMean(path[strings.LastIndexAny(path, ".]")+1:], fieldNames(reflect.TypeOf(into), path))
		}
		problems = append(problems, problem{path, reason})
	}
	return problems
}

const (
	maxProbes   = 20_000 // decodes that locateTypeErrors may spend on one document
	maxProblems = 20     // that it looks for
	maxDepth    = 32     // how deep; no API type goes half as far
)

// locateTypeErrors finds the fields of the wrong type. The decoder stops at the
// first one and names it without list indices, or, when the type reads itself
// (ports, quantities, times), not at all. So each value is decoded again, alone
// in its place.
func locateTypeErrors(data []byte, t reflect.Type, first error) []problem {
	var value any
	if err := strictjson.UnmarshalCaseSensitivePreserveInts(data, &value); err != nil {
		return []problem{{reason: err.Error()}}
	}
	p := prober{as: t, budget: maxProbes}
	p.probe(nil, value)
	if len(p.problems) == 0 {
		return []problem{{reason: explain(first)}}
	}
	return p.problems
}

type prober struct {
	as       reflect.Type
	budget   int
	problems []problem
}

// probe decodes one value without what is in it, then what is in it. A path's
// element is a string for a key, an int for an index.
func (p *prober) probe(path []any, value any) {
	if p.budget == 0 || len(p.problems) == maxProblems || len(path) > maxDepth {
		return
	}
	p.budget--
	if err := p.decodeAlone(path, value); err != nil {
		p.problems = append(p.problems, problem{pathString(path), explain(err)})
		return
	}
	switch v := value.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			p.probe(append(path, k), v[k])
		}
	case []any:
		for i := range v {
			p.probe(append(path, i), v[i])
		}
	}
}

func (p *prober) decodeAlone(path []any, value any) error {
	switch value.(type) {
	case map[string]any:
		value = map[string]any{}
	case []any:
		value = []any{}
	}
	for i := len(path) - 1; i >= 0; i-- {
		if key, ok := path[i].(string); ok {
			value = map[string]any{key: value}
		} else {
			value = []any{value}
		}
	}
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return strictjson.UnmarshalCaseSensitivePreserveInts(data, reflect.New(p.as).Interface())
}

func pathString(path []any) string {
	var b strings.Builder
	for _, step := range path {
		switch step := step.(type) {
		case int:
			b.WriteString("[" + strconv.Itoa(step) + "]")
		case string:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(step)
		}
	}
	return b.String()
}

// explain says which type a value has and which it should have, in the words of
// YAML rather than of Go.
func explain(err error) string {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return err.Error()
	}
	got, number := strings.CutPrefix(wrong.Value, "number ")
	switch {
	case number:
	case wrong.Value == "bool":
		got = "a boolean"
	case wrong.Value == "array" || wrong.Value == "object" || wrong.Value == "string" || wrong.Value == "number":
		got = map[string]string{"array": "a list", "object": "an object", "string": "a string", "number": "a number"}[wrong.Value]
	}
	want := "of another type"
	switch wrong.Type.Kind() {
	case reflect.String:
		want = "a string"
	case reflect.Bool:
		want = "true or false"
	case reflect.Struct, reflect.Map:
		want = "an object"
	case reflect.Slice:
		want = "a list"
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		want = "a whole number"
		if number {
			want = fmt.Sprintf("a whole number that fits %s", wrong.Type.Kind())
		}
	case reflect.Float64:
		want = "a number"
	}
	return fmt.Sprintf("must be %s, got %s", want, got)
}
