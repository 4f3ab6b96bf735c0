package fetch

import (
	"os"
	"strings"

	"github.com/podcullis/podcullis/guardrail/bundle"
)

// Keys reads public keys, each given as FILE or ID=FILE.
func Keys(given []string) ([]bundle.PublicKey, error) {
	var out []bundle.PublicKey
	for _, text := range given {
		id, file, found := strings.Cut(text, "=")
		if !found {
			id, file = "", text
		}
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, bundle.Refuse(bundle.Key, "%w", err)
		}
		key, err := bundle.ParsePublicKey(id, pem)
		if err != nil {
			return nil, bundle.Refuse(bundle.Key, "%s: %w", file, err)
		}
		out = append(out, key)
	}
	return out, nil
}
