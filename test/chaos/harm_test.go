package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// hostile are bodies of guardrails that do harm when they are evaluated: each takes
// what it can of time or memory, or answers nonsense.
func hostile() map[string]string {
	return map[string]string{
		// time
		"loop-without-end":    `violation contains {"msg": "x"} if { some i in numbers.range(1, 100000); some j in numbers.range(1, 100000); i * j == -1 }`,
		"nested-every":        `violation contains {"msg": "x"} if { every i in numbers.range(1, 30000) { every j in numbers.range(1, 30000) { i + j > 0 } }; false }`,
		"regex-on-everything": `violation contains {"msg": "x"} if { some i in numbers.range(1, 1000000); regex.match("(a*)*(b*)*$", sprintf("%d", [i])); false }`,
		"regex-ever-new":      `violation contains {"msg": "x"} if { some i in numbers.range(1, 1000000); regex.match(sprintf("(a{%d}b?){9}", [i % 90]), "aaab"); false }`,
		"glob-ever-new":       `violation contains {"msg": "x"} if { some i in numbers.range(1, 1000000); glob.match(concat("", ["{a,b,*}", format_int(i, 10), "*{c,?}*"]), [], sprintf("a%dcc", [i])); i < 0 }`,
		"dates":               `violation contains {"msg": "x"} if { some i in numbers.range(1, 10000000); time.parse_ns("2006-01-02 15:04:05", concat("", ["2026-01-02 03:04:1", format_int(i % 10, 10)])) < 0 }`,
		"units":               `violation contains {"msg": "x"} if { some i in numbers.range(1, 10000000); units.parse_bytes(sprintf("%dMi", [i])) < 0 }`,
		"digits":              `violation contains {"msg": "x"} if { some i in numbers.range(1, 10000000); format_int(i * 1000000000000000000000, 2) == "" }`,
		"walk-without-end":    chain(`[]`, `[x%[1]d, x%[1]d]`, 40) + `violation contains {"msg": "x"} if { walk(x40, [_, v]); v == 7 }`,
		// memory
		"comprehension-bomb": `violation contains {"msg": "x"} if count({[i, j] | some i in numbers.range(1, 10000); some j in numbers.range(1, 10000)}) >= 0`,
		"range-of-millions":  `violation contains {"msg": "x"} if count(numbers.range(1, 50000000)) >= 0`,
		"huge-output":        `violation contains {"msg": sprintf("%d", [i])} if some i in numbers.range(1, 200000)`,
		"huge-message":       `violation contains {"msg": concat("", [s | some i in numbers.range(1, 100000); s := sprintf("%900d", [i])])}`,
		"huge-details":       chain(`[1]`, `[x%[1]d, x%[1]d]`, 60) + `violation contains {"msg": "x", "details": x60}`,
		"wide-numbers":       `violation contains {"msg": "x"} if count([s | some i in numbers.range(1, 10000000); s := sprintf("%900d", [i])]) >= 0`,
		"string-doubling":    chain(`"aaaaaaaa"`, `concat("", [x%[1]d, x%[1]d])`, 40) + `violation contains {"msg": "x"} if count(x40) >= 0`,
		"string-squares":     chain(`"aaaaaaaa"`, `replace(x%[1]d, "a", x%[1]d)`, 10) + `violation contains {"msg": "x"} if count(x10) >= 0`,
		"base64-growing":     chain(`"aaaaaaaa"`, `base64.encode(x%[1]d)`, 90) + `violation contains {"msg": "x"} if count(x90) >= 0`,
		"array-doubling":     chain(`[1, 2, 3, 4]`, `array.concat(x%[1]d, x%[1]d)`, 40) + `violation contains {"msg": "x"} if count(x40) >= 0`,
		"set-of-sets":        `violation contains {"msg": "x"} if count(union({{[i, j] | some j in numbers.range(1, 3000)} | some i in numbers.range(1, 3000)})) >= 0`,
		"sort-and-sum":       `violation contains {"msg": "x"} if { a := [x | some i in numbers.range(1, 400000); x := (i * 7919) % 1000003]; sum(sort(a)) >= 0 }`,
		"objects-united":     `violation contains {"msg": "x"} if count(object.union_n([{sprintf("%d", [i]): i} | some i in numbers.range(1, 200000)])) >= 0`,
		"marshalled":         `violation contains {"msg": "x"} if count(json.marshal([numbers.range(1, 3000) | some i in numbers.range(1, 1000)])) >= 0`,
		"encoded":            `violation contains {"msg": "x"} if { s := concat("", [x | some i in numbers.range(1, 5000); x := sprintf("%900d", [i])]); some i in numbers.range(1, 100000); base64.decode(base64.encode(s)) == "" }`,
		"delimiters":         chain(`"aaaaaaaa"`, `concat("", [x%[1]d, x%[1]d])`, 18) + `violation contains {"msg": "x"} if concat(x18, [x | some i in numbers.range(1, 10000); x := ""]) == "x"`,
		"parts":              chain(`"aaaaaaaa"`, `concat("", [x%[1]d, x%[1]d])`, 19) + `violation contains {"msg": "x"} if count(split(x19, "")) >= 0`,
		"matches":            chain(`"aaaaaaaa"`, `concat("", [x%[1]d, x%[1]d])`, 19) + `violation contains {"msg": "x"} if count(regex.find_all_string_submatch_n("((((((((((((a))))))))))))", x19, -1)) >= 0`,
		"templates":          chain(`"aaaaaaaa"`, `$"{x%[1]d}{x%[1]d}{x%[1]d}{x%[1]d}{x%[1]d}{x%[1]d}{x%[1]d}{x%[1]d}"`, 12) + `violation contains {"msg": "x"} if x12 == "x"`,
		"yaml":               `violation contains {"msg": "x"} if count(yaml.unmarshal(concat("", ["[", concat(",", ["1" | some i in numbers.range(1, 900000)]), "]"]))) >= 0`,
		// neither: one call that does not finish
		"states":         chain(`"aaaaaaaa"`, `concat("", [x%[1]d, x%[1]d])`, 14) + `violation contains {"msg": "x"} if { p := concat("", [s | some i in numbers.range(1, 100); s := "(a?){1000}"]); regex.match(concat("", [p, "b$"]), x14) }`,
		"powers":         chain(`123456789123456789`, `x%[1]d * x%[1]d`, 40) + `violation contains {"msg": "x"} if x40 == 7`,
		"shared-written": chain(`[1]`, `[x%[1]d, x%[1]d]`, 40) + `violation contains {"msg": "x"} if json.marshal(x40) == ""`,
		"shared-united":  chain(`{"a": 1}`, `{"a": x%[1]d, "b": x%[1]d}`, 40) + `violation contains {"msg": "x"} if object.union(x40, x40) == {}`,
		// nonsense
		"conflict":            "pick := 1 if true\n\npick := 2 if true\n\n" + `violation contains {"msg": "x"} if pick > 0`,
		"builtin-error":       `violation contains {"msg": "x"} if netpol.open({"from": {"podSelector": {"matchExpressions": [{"key": "a", "operator": input.request.operation}]}}, "to": {}})`,
		"builtin-nonsense":    `violation contains {"msg": "x"} if netpol.opened({"from": input.request.operation, "to": input.request})`,
		"message-no-string":   `violation contains {"msg": {"a": [1, 2]}}`,
		"violation-no-object": `violation contains 7`,
	}
}

// endless compares 2^50 values with as many: nothing can interrupt that.
func endless() map[string]string {
	shared := chain(`[1]`, `array.concat([x%[1]d], [x%[1]d])`, 50)
	return map[string]string{"endless": shared + strings.ReplaceAll(shared, "x", "y") + `violation contains {"msg": "x"} if count({x50, y50}) == 7`}
}

// chain is a rule for each step, x0 to xN, each made of the one before it.
func chain(first, next string, steps int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "x0 := %s\n\n", first)
	for i := range steps {
		fmt.Fprintf(&b, "x%d := %s\n\n", i+1, fmt.Sprintf(next, i))
	}
	return b.String()
}

// hostileFiles writes such guardrails and a configuration in which each has a namespace.
func hostileFiles(t *testing.T, bodies map[string]string) (dir, config string, namespaces []string) {
	t.Helper()
	dir = t.TempDir()
	good, err := os.ReadFile(repository(t, "examples", "shop-guardrails.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(good), "  action: deny\n", "  action: deny\n  match: {namespaces: [shop]}\n")
	for name, body := range bodies {
		rego := fmt.Sprintf("# METADATA\n# title: %s\n# description: Harm\n# custom:\n#   severity: low\n#   kinds: [NetworkPolicy]\npackage guardrails.%s\n\n%s\n", name, strings.ReplaceAll(name, "-", "_"), body)
		if err := os.WriteFile(filepath.Join(dir, name+".rego"), []byte(rego), 0o600); err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("- name: %s\n  guardrail: %s\n  action: deny\n  match: {namespaces: [%s]}\n", name, name, name)
		namespaces = append(namespaces, name)
	}
	slices.Sort(namespaces)
	config = filepath.Join(t.TempDir(), "guardrails.yaml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, config, namespaces
}
