package guardrail

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// inputSchema makes a misspelt path such as input.request.operatoin a compile
// error; without it the path would be undefined and the rule silently never
// report. Objects under review are not described: every kind has its own form.
func inputSchema() *ast.SchemaSet {
	set := ast.NewSchemaSet()
	set.Put(ast.SchemaRootRef, util.MustUnmarshalJSON([]byte(inputSchemaText)))
	return set
}

const inputSchemaText = `{
  "$schema": "http://json-schema.org/draft-07/schema",
  "type": "object", "additionalProperties": false,
  "properties": {
    "parameters": {},
    "origin": {"type": "string"},
    "time": {"type": "string"},
    "request": {"$ref": "#/$defs/request"},
    "review": {"$ref": "#/$defs/request"}
  },
  "$defs": {
    "request": {
      "type": "object", "additionalProperties": false,
      "properties": {
        "uid": {"type": "string"},
        "kind": {"$ref": "#/$defs/gvk"},
        "resource": {"$ref": "#/$defs/gvr"},
        "subResource": {"type": "string"},
        "requestKind": {"$ref": "#/$defs/gvk"},
        "requestResource": {"$ref": "#/$defs/gvr"},
        "requestSubResource": {"type": "string"},
        "name": {"type": "string"},
        "namespace": {"type": "string"},
        "operation": {"type": "string"},
        "userInfo": {
          "type": "object", "additionalProperties": false,
          "properties": {
            "username": {"type": "string"}, "uid": {"type": "string"},
            "groups": {"type": "array", "items": {"type": "string"}},
            "extra": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}}
          }
        },
        "object": {}, "oldObject": {}, "options": {},
        "dryRun": {"type": "boolean"}
      }
    },
    "gvk": {
      "type": "object", "additionalProperties": false,
      "properties": {"group": {"type": "string"}, "version": {"type": "string"}, "kind": {"type": "string"}}
    },
    "gvr": {
      "type": "object", "additionalProperties": false,
      "properties": {"group": {"type": "string"}, "version": {"type": "string"}, "resource": {"type": "string"}}
    }
  }
}`

// InputSchemaJSON is what is known of the input of every guardrail, as a file for opa check
// and editors.
func InputSchemaJSON() []byte { return []byte(inputSchemaText + "\n") }
