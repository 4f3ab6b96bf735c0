package guardrail

import (
	"fmt"
	"strings"
	"testing"
)

// doubled is Rego for rules x0 to xN, each twice the one before it, in some way.
func doubled(first, next string, steps int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "x0 := %s\n\n", first)
	for i := range steps {
		fmt.Fprintf(&b, "x%d := %s\n\n", i+1, strings.ReplaceAll(next, "x", fmt.Sprintf("x%d", i)))
	}
	return b.String()
}

// Without its bound each of these takes gigabytes or half a minute and more; what is
// longer than 4 MiB comes from a literal, so that the function itself is asked.
func TestOneCallCannotTakeTooMuch(t *testing.T) {
	texts := doubled(`"aaaaaaaa"`, `concat("", [x, x])`, 19) // 4 MiB
	arrays := doubled(`[1]`, `[x, x]`, 40)
	objects := doubled(`{"a": 1}`, `{"a": x, "b": x}`, 40)
	large := "large := \"" + strings.Repeat("1,", 3<<20) + "\"\n\n"
	ones := func(n int) string { return fmt.Sprintf("[1 | some i in numbers.range(1, %d)]", n) }
	tests := map[string]struct{ rules, call, want string }{
		"concat":                 {texts, `concat("", [x19, x19])`, "concat: too much for one call: more than 4194304 bytes of text"},
		"concatDelimiters":       {texts, `concat(x19, ["", "", "", ""])`, "concat: too much for one call: more than 4194304 bytes of text"},
		"replace":                {texts, `replace(x10, "a", x10)`, "replace: too much for one call: more than 4194304 bytes of text"},
		"replaceNothing":         {texts, `replace(x10, "", x10)`, "replace: too much"},
		"replaceMany":            {texts, `strings.replace_n({"a": x10}, x10)`, "strings.replace_n: too much"},
		"replaceManySlowly":      {texts, `strings.replace_n({x18: ""}, x17)`, "comparisons of the parts of its operands"},
		"sprintfWidths":          {"", `sprintf("` + strings.Repeat("%999d", 5000) + `", [])`, "sprintf: too much"},
		"sprintfAgainAndAgain":   {texts, `sprintf("%[1]s%-[1]s%9[1]s", [x18])`, "sprintf: too much"},
		"sprintfShared":          {arrays, `sprintf("%v", [x40])`, "sprintf: too much"},
		"template":               {texts, `$"{x19}{x19}"`, "internal.template_string: too much"},
		"split":                  {texts, `split(x19, "")`, "split: too much for one call: more than 250000 parts"},
		"indexof":                {texts, `indexof(x18, concat("", [x17, "é"]))`, "indexof: too much"},
		"trim":                   {texts, `trim(x17, concat("", ["é", replace(x17, "a", "e"), "a"]))`, "trim: too much"},
		"trimLeft":               {texts, `trim_left(x17, concat("", ["é", replace(x17, "a", "e"), "a"]))`, "trim_left: too much"},
		"trimRight":              {texts, `trim_right(x17, concat("", ["é", replace(x17, "a", "e"), "a"]))`, "trim_right: too much"},
		"upper":                  {large, `upper(large)`, "upper: too much"},
		"lower":                  {large, `lower(large)`, "lower: too much"},
		"encode":                 {large, `base64.encode(large)`, "base64.encode: too much"},
		"unmarshal":              {large, `json.unmarshal(concat("", ["[", substring(large, 0, 3000000), "1]"]))`, "json.unmarshal: too much for one call: more than 1048576 bytes of text"},
		"unmarshalLongNumber":    {"", `json.unmarshal(replace(concat("", [s | some i in numbers.range(1, 5000); s := "a"]), "a", "7"))`, "json.unmarshal: too much for one call: more than 4096 digits"},
		"yamlUnmarshal":          {large, `yaml.unmarshal(concat("", ["[", substring(large, 0, 3000000), "1]"]))`, "yaml.unmarshal: too much"},
		"marshalShared":          {arrays, `json.marshal(x40)`, "json.marshal: too much for one call: more than 1000000 values"},
		"marshalSharedObjects":   {objects, `json.marshal(x40)`, "json.marshal: too much for one call: more than 1000000 values"},
		"union":                  {objects, `object.union(x40, x40)`, "object.union: too much"},
		"unionN":                 {objects, `object.union_n([x40, x40])`, "object.union_n: too much"},
		"remove":                 {objects, `json.remove(x40, ["a/a"])`, "json.remove: too much"},
		"filter":                 {objects, `json.filter(x40, ["a"])`, "json.filter: too much"},
		"subset":                 {"", `object.subset(` + ones(100_000) + `, array.concat(` + ones(50_000) + `, [2]))`, "object.subset: too much for one call: more than 67108864 comparisons of elements"},
		"arrays":                 {"", `array.concat(` + ones(600_000) + `, ` + ones(600_000) + `)`, "array.concat: too much for one call: more than 1000000 elements"},
		"sort":                   {"", `sort(` + ones(100_001) + `)`, "sort: too much"},
		"mul":                    {doubled("123456789", "x * x", 11), `x11 == 7`, "mul: too much for one call: more than 4096 digits"},
		"max":                    {"p := json.unmarshal(concat(\"\", [\"7\" | some i in numbers.range(1, 4000)]))\n\n", `max([v | some i in numbers.range(1, 1100); v := [i, p]])`, "max: too much"},
		"min":                    {"p := json.unmarshal(concat(\"\", [\"7\" | some i in numbers.range(1, 4000)]))\n\n", `min([v | some i in numbers.range(1, 1100); v := [i, p]])`, "min: too much"},
		"sum":                    {"x := " + strings.Repeat("7", 5000) + "\n\n", `sum([x, x])`, "sum: too much"},
		"number":                 {"", `to_number(replace(concat("", [s | some i in numbers.range(1, 5000); s := "a"]), "a", "7"))`, "to_number: too much"},
		"bytes":                  {texts, `units.parse_bytes(concat("", [replace(concat("", [s | some i in numbers.range(1, 5000); s := "a"]), "a", "7"), "Mi"]))`, "units.parse_bytes: too much"},
		"regexProgram":           {"", `regex.match("((a?){30}){30}((a?){30}){30}((a?){30}){30}((a?){30}){30}((a?){30}){30}b", "a")`, "regex.match: too much for one call: more than 16384 instructions"},
		"regexSteps":             {texts, `regex.match("(a?){1000}b$", x15)`, "regex.match: too much for one call: a text of 262144 bytes with a regular expression of"},
		"regexFindAll":           {texts, `regex.find_n("a.*b|a", x15, -1)`, "regex.find_n: too much"},
		"regexFindAllSubmatches": {texts, `regex.find_all_string_submatch_n("((((((a))))))", x15, -1)`, "regex.find_all_string_submatch_n: too much"},
		"regexSplit":             {texts, `regex.split("a.*b|a", x15)`, "regex.split: too much"},
		"regexReplace":           {texts, `regex.replace(x15, "a.*b|a", "")`, "regex.replace: too much for one call: a text"},
		"regexReplaceLong":       {texts, `regex.replace(x9, "a", x9)`, "regex.replace: too much for one call: more than 4194304 bytes"},
		"regexReplaceReferences": {texts, `regex.replace(x9, "(a+)", replace(x8, "a", "$1"))`, "regex.replace: too much for one call: more than 4194304 bytes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := engine(t, Deny, map[string]string{"a": tt.rules + `violation contains {"msg": "x"} if ` + tt.call})
			if d, err := e.Evaluate(t.Context(), anyPod(t)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %.100v, error %.300v, want %q", d.Violations, err, tt.want)
			}
		})
	}
}

func TestWhatGuardrailsNeedIsWithinBounds(t *testing.T) {
	texts := doubled(`"aaaaaaaa"`, `concat("", [x, x])`, 18)
	for name, call := range map[string]string{
		"concat":    `count(concat(",", [x17, x17])) > 1000000`,
		"replace":   `count(replace(x18, "a", "b")) > 1000000`,
		"sprintf":   `count(sprintf("%-100s and %[1]v, %5.2f %d%%", [x16, 1.5, 7])) > 1000000`,
		"split":     `count(split(concat("\n", [s | some i in numbers.range(1, 10000); s := "a line of text"]), "\n")) == 10000`,
		"marshal":   `count(json.marshal([{"a": i} | some i in numbers.range(1, 100000)])) > 1000000`,
		"unmarshal": `count(json.unmarshal(sprintf("[%s1]", [replace(x10, "a", "1,")]))) > 8000`,
		"numbers":   `500 < sum(numbers.range(1, 100000))`,
		"names":     `regex.match("^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$", "db.data.svc")`,
		"addresses": `regex.match("^(([0-9]{1,3})\\.){3}[0-9]{1,3}/([0-9]{1,2})$", "10.0.0.0/8")`,
		"words":     `count(regex.split("[ ,;]+", concat(" ", [s | some i in numbers.range(1, 800); s := "and, so on;"]))) == 2401`,
		"sort":      `sort([x | some i in numbers.range(1, 50000); x := (i * 7919) % 1000003])[0] < 100`,
		"subset":    `object.subset({"a": {"b": 1}, "c": 2}, {"a": {"b": 1}})`,
		"union":     `count(object.union_n([{sprintf("%d", [i]): i} | some i in numbers.range(1, 10000)])) == 10000`,
		"trim":      `trim(concat("", [" \t", x17, "\n"]), " \t\n") == x17`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := engine(t, Deny, map[string]string{"a": texts + `violation contains {"msg": "x"} if ` + call})
			if d, err := e.Evaluate(t.Context(), anyPod(t)); err != nil || len(d.Violations) != 1 {
				t.Errorf("got %v, error %.300v", d.Violations, err)
			}
		})
	}
}

func TestReportedTextIsBounded(t *testing.T) {
	e := engine(t, Deny, map[string]string{"a": doubled(`"aaaaaaaa"`, `concat("", [x, x])`, 18) + `violation contains {"msg": sprintf("%d", [i]), "details": x18} if some i in numbers.range(1, 1000)`})
	_, err := e.Evaluate(t.Context(), anyPod(t))
	if err == nil || !strings.Contains(err.Error(), "rule violation reports more than 1000000 values or 16777216 bytes of text") {
		t.Errorf("got %.300v", err)
	}
}

// A person reads an error, in a terminal.
func TestErrorsAreCut(t *testing.T) {
	texts := doubled(`"aaaaaaaa"`, `concat("", [x, x])`, 19)
	for name, body := range map[string]string{
		"NoMessage": `violation contains {"message": x19}`,
		"Builtin":   `violation contains {"msg": "x"} if count(netpol.open({"from": {"podSelector": {"matchLabels": {x19: x19}}}, "to": {}})) == 7`,
	} {
		_, err := engine(t, Deny, map[string]string{"a": texts + body}).Evaluate(t.Context(), anyPod(t))
		if err == nil || len(err.Error()) > maxMessageBytes {
			t.Errorf("%s: %.200v, %d bytes", name, err, len(fmt.Sprint(err)))
		}
	}
}
