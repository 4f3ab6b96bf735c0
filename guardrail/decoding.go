package guardrail

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// decodeStrict reads JSON; a field that there is not is an error, as a misspelt selector would
// select everything.
func decodeStrict(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	var mistyped *json.UnmarshalTypeError
	var field string
	switch {
	case err == nil:
		return nil
	case errors.As(err, &mistyped):
		at := ""
		if mistyped.Field != "" {
			at = mistyped.Field + ": "
		}
		return fmt.Errorf("%sgot %s, want %s", at, mistyped.Value, jsonKind(mistyped.Type))
	}
	text := strings.TrimPrefix(err.Error(), "json: ")
	if n, _ := fmt.Sscanf(text, "unknown field %q", &field); n == 1 {
		names := map[string]bool{}
		fieldNames(reflect.TypeOf(into), names, 0)
		var all []string
		for name := range names {
			all = append(all, name)
		}
		return errors.New(text + orMeant(field, all))
	}
	return errors.New(text)
}

// jsonKind is a Go type as JSON calls it.
func jsonKind(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Slice, reflect.Array:
		return "array"
	case reflect.Map, reflect.Struct:
		return "object"
	}
	return "number"
}

// fieldNames are the fields of a type, and of what it holds.
func fieldNames(t reflect.Type, names map[string]bool, depth int) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || depth > 4 {
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" && !f.Anonymous && f.IsExported() {
			name = strings.ToLower(f.Name)
		}
		if name != "" && name != "-" {
			names[name] = true
		}
		fieldNames(f.Type, names, depth+1)
	}
}
