package wire

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxPath bounds, in bytes, how much is said about where something stands: names are what
// somebody wrote.
const maxPath = 200

// dotted is a JSON pointer as people write a field: spec.containers[0].ports.
func dotted(p jsontext.Pointer) string {
	var out strings.Builder
	for token := range p.Tokens() {
		switch {
		case out.Len()+len(token) > maxPath:
			return out.String() + "…"
		case isIndex(token):
			out.WriteString("[" + token + "]")
		case out.Len() > 0:
			out.WriteString("." + token)
		default:
			out.WriteString(token)
		}
	}
	if out.Len() == 0 {
		return "the whole"
	}
	return out.String()
}

func isIndex(token string) bool {
	return token != "" && strings.Trim(token, "0123456789") == ""
}
