package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/types"
	kjson "sigs.k8s.io/json"
)

const (
	reviewKind       = "AdmissionReview"
	reviewAPIVersion = "admission.k8s.io/v1"
	reviewGroup      = "admission.k8s.io/"

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
// broken further on. Nothing is judged by it; it only addresses refusals.
func identify(head []byte) identity {
	var found identity
	decoder := json.NewDecoder(bytes.NewReader(head[:min(len(head), headBytes)]))
	var path []string // keys from the top to the value that comes next
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return found
	}
	for {
		key, err := decoder.Token()
		if err != nil {
			return found
		}
		if key == json.Delim('}') {
			if len(path) == 0 {
				return found
			}
			path = path[:len(path)-1]
			continue
		}
		name, _ := key.(string)
		value, err := decoder.Token()
		if err != nil {
			return found
		}
		if value == json.Delim('{') && len(path) == 0 && name == "request" {
			path = append(path, name)
			continue
		}
		if skipRest(decoder, value) != nil {
			return found
		}
		if text, ok := value.(string); ok {
			found.note(path, name, text)
		}
	}
}

func (i *identity) note(path []string, key, value string) {
	switch {
	case len(path) == 0 && key == "kind" && i.kind == "":
		i.kind = value
	case len(path) == 0 && key == "apiVersion" && i.apiVersion == "":
		i.apiVersion = value
	case len(path) == 1 && key == "uid" && i.uid == "":
		i.uid = types.UID(value)
	}
}

// skipRest reads to the end of the object or array that opening has opened, if it has.
func skipRest(decoder *json.Decoder, opening json.Token) error {
	depth := 0
	for token := opening; ; {
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
		var err error
		if token, err = decoder.Token(); err != nil {
			return err
		}
	}
}

// decodeReview reads an admission.k8s.io/v1 AdmissionReview the way the API server
// reads JSON: names are case-sensitive (encoding/json's are not, and a difference
// between what was judged and what is stored is a bypass). Duplicate keys, at any
// depth, are an error; unknown fields are a newer API server's and are let be.
func decodeReview(body []byte, maxDepth int) (*admissionv1.AdmissionRequest, error) {
	if err := checkShape(body, maxDepth); err != nil {
		return nil, err
	}
	var review admissionv1.AdmissionReview
	envelope, object, oldObject := open(body)
	if err := kjson.UnmarshalCaseSensitivePreserveInts(envelope, &review); err != nil {
		return nil, fmt.Errorf("it is no AdmissionReview: %w", err)
	}
	switch {
	case review.Kind != reviewKind || review.APIVersion != reviewAPIVersion:
		return nil, fmt.Errorf("want apiVersion %s and kind %s, got %.64q and %.64q",
			reviewAPIVersion, reviewKind, review.APIVersion, review.Kind)
	case review.Request == nil:
		return nil, errors.New("it has no request")
	case review.Request.UID == "":
		return nil, errors.New("its request has no uid")
	case len(review.Request.UID) > maxUIDBytes:
		return nil, fmt.Errorf("its request's uid is longer than %d bytes", maxUIDBytes)
	}
	review.Request.Object.Raw, review.Request.OldObject.Raw = object, oldObject
	return review.Request, nil
}

// open takes the objects out of a review: nearly all of it is theirs, and the
// decoder would read them three times over to hand them out as they are. What is
// no JSON stays whole, for the decoder to say so.
func open(body []byte) (envelope, object, oldObject []byte) {
	if !json.Valid(body) {
		return body, nil, nil
	}
	body = bytes.TrimLeft(body, " \t\r\n")
	if body[0] != '{' {
		return body, nil, nil
	}
	without := func(value []byte, keep func(key string, value []byte) []byte) []byte {
		out := []byte{'{'}
		for key, member := range members(value) {
			if member = keep(string(plainKey(key)), member); member != nil {
				if len(out) > 1 {
					out = append(out, ',')
				}
				out = append(append(append(out, key...), ':'), member...)
			}
		}
		return append(out, '}')
	}
	envelope = without(body, func(key string, value []byte) []byte {
		if key != "request" || value[0] != '{' {
			return value
		}
		return without(value, func(key string, value []byte) []byte {
			switch key {
			case "object":
				object = present(value)
			case "oldObject":
				oldObject = present(value)
			default:
				return value
			}
			return nil
		})
	})
	return envelope, object, oldObject
}

// present is nil for null, as it is for runtime.RawExtension.
func present(value []byte) []byte {
	if string(value) == "null" {
		return nil
	}
	return value
}

// checkShape walks over JSON once and refuses what parsers disagree about or break
// on: deep nesting and duplicate keys, also inside the objects of the review, which
// the decoder of the envelope does not look into. What is no JSON it lets pass, for
// the decoder to say so.
func checkShape(data []byte, maxDepth int) error {
	var (
		open  []level
		keys  [][]byte // of all open objects, the innermost's last
		isKey bool     // whether a string here would be a key
	)
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			if len(open) >= maxDepth {
				return fmt.Errorf("it is nested deeper than %d levels", maxDepth)
			}
			isKey = data[i] == '{'
			open = append(open, level{object: isKey, firstKey: len(keys)})
		case '}', ']':
			if len(open) > 0 {
				keys = keys[:open[len(open)-1].firstKey]
				open = open[:len(open)-1]
			}
			isKey = false
		case ',':
			isKey = len(open) > 0 && open[len(open)-1].object
		case '"':
			end := stringEnd(data, i)
			if isKey {
				key := plainKey(data[i:end])
				if open[len(open)-1].repeats(keys, key) {
					return fmt.Errorf("it has the key %.64q twice in one object", key)
				}
				keys = append(keys, key)
				isKey = false
			}
			i = end - 1
		}
	}
	return nil
}

// level is one open object or array.
type level struct {
	object   bool
	firstKey int
	many     map[string]struct{} // the keys, once there are more than manyKeys
}

// manyKeys is where looking a key up gets cheaper than comparing it with all.
const manyKeys = 16

// repeats says whether key is among this level's keys.
func (l *level) repeats(keys [][]byte, key []byte) bool {
	mine := keys[l.firstKey:]
	if len(mine) < manyKeys {
		for _, other := range mine {
			if bytes.Equal(other, key) {
				return true
			}
		}
		return false
	}
	if l.many == nil {
		l.many = make(map[string]struct{}, 2*manyKeys)
		for _, other := range mine {
			l.many[string(other)] = struct{}{}
		}
	}
	if _, found := l.many[string(key)]; found {
		return true
	}
	l.many[string(key)] = struct{}{}
	return false
}

// stringEnd returns the index behind the closing quote of the string that starts at
// i, or the end of data.
func stringEnd(data []byte, i int) int {
	for i++; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
}

// plainKey returns a quoted key as decoders read it: "\u0061" is "a".
func plainKey(quoted []byte) []byte {
	plain := bytes.Trim(quoted, `"`)
	if !bytes.ContainsRune(plain, '\\') && utf8.Valid(plain) {
		return plain
	}
	var text string
	if json.Unmarshal(quoted, &text) != nil {
		return quoted // no JSON; the decoder says so
	}
	return []byte(text)
}

// discard reads up to limit bytes more, so that a caller that is still sending gets
// the answer instead of a reset connection.
func discard(body io.Reader, limit int64) {
	_, _ = io.CopyN(io.Discard, body, limit)
}
