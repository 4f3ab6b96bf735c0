package review

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// headBytes is where identify looks. The API server writes kind, apiVersion and
	// request.uid into the first 200 bytes.
	headBytes = 64 << 10
	// maxUIDBytes is far above the 36 of a UUID.
	maxUIDBytes = 256
)

// identity is what a denial must know of a review: whom to answer, in which version.
type identity struct {
	apiVersion string
	kind       string
	uid        types.UID
}

// deniable says whether an AdmissionReview can carry the answer. Otherwise the
// answer is an HTTP error.
func (i identity) deniable() bool {
	return i.kind == reviewKind && strings.HasPrefix(i.apiVersion, reviewGroup) &&
		i.uid != "" && len(i.uid) <= maxUIDBytes
}

// identify reads what it can of the beginning of a review, which may be cut off or
// broken further on: for that it is less strict than whoever reads to judge. Nothing is
// judged by it; it only addresses refusals.
func identify(head []byte) identity {
	var found identity
	tokens := jsontext.NewDecoder(bytes.NewBuffer(head[:min(len(head), headBytes)]),
		jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	found.read(tokens, false)
	return found
}

// read looks into one object, the review or its request, up to where it is broken.
func (i *identity) read(tokens *jsontext.Decoder, inRequest bool) (goOn bool) {
	if opening, err := tokens.ReadToken(); err != nil || opening.Kind() != '{' {
		return false
	}
	for {
		token, err := tokens.ReadToken()
		if err != nil {
			return false
		}
		if token.Kind() == '}' {
			return true
		}
		name := token.String()
		switch kind := tokens.PeekKind(); {
		case kind == '{' && name == "request" && !inRequest:
			if !i.read(tokens, true) {
				return false
			}
		case kind == '"':
			if token, err = tokens.ReadToken(); err != nil {
				return false
			}
			i.note(inRequest, name, token.String())
		default:
			if tokens.SkipValue() != nil {
				return false
			}
		}
	}
}

func (i *identity) note(inRequest bool, key, value string) {
	switch {
	case inRequest && key == "uid" && i.uid == "":
		i.uid = types.UID(value)
	case inRequest:
	case key == "kind" && i.kind == "":
		i.kind = value
	case key == "apiVersion" && i.apiVersion == "":
		i.apiVersion = value
	}
}
