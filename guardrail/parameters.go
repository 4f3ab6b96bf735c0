package guardrail

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// parameterSchema is the JSON schema (draft 2020-12) of a guardrail's parameters.
// Four formats are known beside the standard ones: label-selector, for an object
// that must be a metav1.LabelSelector, cidr, path-question, for parameters
// that are passed on to netpol.opened or netpol.open, and entrance-question, for those
// that are passed on to netpol.entrances.
type parameterSchema struct {
	document map[string]any
	compiled *jsonschema.Schema
	// asksPaths is set by the format path-question of the whole: it is checked
	// last, because the schema names the field that is wrong.
	asksPaths bool
	// asksEntrances is that of the format entrance-question.
	asksEntrances bool
}

func newParameterSchema(document any) (*parameterSchema, error) {
	if document == nil {
		document = map[string]any{"type": "object", "additionalProperties": false}
	}
	raw, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	plain, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	root, ok := plain.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("want a JSON schema of type object")
	}
	if _, said := root["additionalProperties"]; !said {
		root["additionalProperties"] = false // a misspelt parameter is an error
	}
	asksPaths, asksEntrances := root["format"] == "path-question", root["format"] == "entrance-question"
	if asksPaths || asksEntrances {
		delete(root, "format")
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.RegisterFormat(&jsonschema.Format{Name: "label-selector", Validate: validateSelector})
	c.RegisterFormat(&jsonschema.Format{Name: "cidr", Validate: validateCIDR})
	if err := c.AddResource("podcullis:///parameters", root); err != nil {
		return nil, err
	}
	compiled, err := c.Compile("podcullis:///parameters")
	if err != nil {
		return nil, schemaError(err)
	}
	return &parameterSchema{document: root, compiled: compiled, asksPaths: asksPaths, asksEntrances: asksEntrances}, nil
}

// schemaError says what is wrong in a schema, by the path within it.
func schemaError(err error) error {
	var invalid *jsonschema.SchemaValidationError
	var wrong *jsonschema.ValidationError
	if !errors.As(err, &invalid) || !errors.As(invalid.Err, &wrong) {
		return errors.New(inWords(strings.ReplaceAll(err.Error(), "podcullis:///parameters#", "")))
	}
	var parts []string
	for _, l := range leaves(wrong) {
		part := strings.Join(append(slices.Clone(l.path), l.message), ": ")
		if !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return fmt.Errorf("is not a JSON schema: %s", strings.Join(parts, ", or "))
}

func validateSelector(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = parseSelector("", raw)
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), ": "))
	}
	return nil
}

func validateCIDR(v any) error {
	s, ok := v.(string)
	if !ok {
		return nil
	}
	if _, err := (place{CIDR: s}).block(); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "cidr: "))
	}
	return nil
}

// validatePathQuestion asks of parameters what netpol.opened would ask when it
// is too late. What single fields must be is the schema's business.
func validatePathQuestion(given map[string]any) error {
	_, err := pathQuestionOf(given)
	return err
}

// fieldError is a parameter that does not hold, by its path below parameters.
type fieldError struct {
	path    []string
	message string
}

// complete fills in the schema's top-level defaults and validates.
func (s *parameterSchema) complete(given map[string]any) (map[string]any, []fieldError) {
	out := map[string]any{}
	properties, _ := s.document["properties"].(map[string]any)
	for name, p := range properties {
		if p, ok := p.(map[string]any); ok {
			if d, ok := p["default"]; ok {
				out[name] = d
			}
		}
	}
	maps.Copy(out, given)
	raw, err := json.Marshal(out)
	if err != nil {
		return nil, []fieldError{{message: err.Error()}}
	}
	plain, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, []fieldError{{message: err.Error()}}
	}
	var invalid *jsonschema.ValidationError
	if err := s.compiled.Validate(plain); errors.As(err, &invalid) {
		return nil, leaves(invalid)
	}
	complete := plain.(map[string]any)
	if s.asksPaths {
		if err := validatePathQuestion(complete); err != nil {
			return nil, []fieldError{{message: err.Error()}}
		}
	}
	if s.asksEntrances {
		if _, err := entranceQuestionOf(complete); err != nil {
			return nil, []fieldError{{message: err.Error()}}
		}
	}
	return complete, nil
}

// leaves are the innermost causes, which name the field that is wrong.
func leaves(e *jsonschema.ValidationError) []fieldError {
	if len(e.Causes) == 0 {
		path := e.InstanceLocation
		printer := message.NewPrinter(language.English)
		text := e.ErrorKind.LocalizedString(printer)
		switch k := e.ErrorKind.(type) {
		case *kind.AdditionalProperties:
			path = append(append([]string{}, path...), k.Properties[0])
			text = "unknown field"
		case *kind.Required:
			text = "missing " + strings.Join(k.Missing, ", ")
		case *kind.Format:
			text = k.Err.Error()
		}
		return []fieldError{{path: path, message: text}}
	}
	var out []fieldError
	for _, c := range e.Causes {
		out = append(out, leaves(c)...)
	}
	return out
}
