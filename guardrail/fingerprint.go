package guardrail

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
)

// Fingerprint knows a violation again that is reported with an object: wherever that is
// written, whatever its labels are, and whichever rule it is that lets something through.
// It is another one as soon as a path or a workload joins or leaves.
func (v Violation) Fingerprint(object cluster.Ref) string {
	return Fingerprint(v.Guardrail, object.String(), v.Summary(), essence(v.Details))
}

// Fingerprint is one of anything that can be said in words.
func Fingerprint(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// essence is what details say, without why and without what changes from day to day.
func essence(details any) string {
	text, err := json.Marshal(without(details, "because", "by", "labels", "new"))
	if err != nil {
		return fmt.Sprint(details)
	}
	return string(text)
}

func without(value any, keys ...string) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, x := range v {
			if !slices.Contains(keys, key) {
				out[key] = without(x, keys...)
			}
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, x := range v {
			out = append(out, without(x, keys...))
		}
		return out
	}
	return value
}
