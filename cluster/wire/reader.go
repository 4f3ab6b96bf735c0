package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Reader walks over one JSON text from its beginning to its end. Its methods read the
// next value and come back at once when the text is broken, so that only Err has to be
// asked, and once. A value of another type than the one that is wanted is skipped,
// and is an error, too; null is the zero value, as it is for encoding/json.
//
// A Reader may be used again after Reset, which keeps its buffers. It holds on to the text
// until then.
type Reader struct {
	text   []byte
	buffer bytes.Buffer
	tokens jsontext.Decoder
	levels int

	name   []byte // of the member that is next
	quoted []byte // the same without escapes, where it has some
	broken error  // the text is none; nothing is read any more
	wrong  error  // the first value that is not of the type that is wanted
}

// Reset begins a text, which is nested at most that many levels deep.
func (r *Reader) Reset(text []byte, levels int) {
	r.text, r.levels = text, levels
	r.buffer = *bytes.NewBuffer(text) // the decoder takes its bytes and copies none
	r.tokens.Reset(&r.buffer)
	r.broken, r.wrong = nil, nil
}

// Err is why the text cannot be read: it is no JSON, or something in it is of the wrong type.
func (r *Reader) Err() error {
	if r.broken != nil {
		return r.broken
	}
	return r.wrong
}

// End checks that the text ends behind the value that was read.
func (r *Reader) End() {
	if r.broken != nil {
		return
	}
	if rest := bytes.TrimLeft(r.text[r.tokens.InputOffset():], " \t\r\n"); len(rest) > 0 {
		r.broken = fmt.Errorf("invalid character %q after top-level value", rest[0])
	}
}

// Object enters an object, whose members Member yields. It is false where there is
// none to enter: null, another value, or no JSON.
func (r *Reader) Object() bool { return r.enter('{', "an object") }

// Array enters an array, whose elements Element announces. It is false like Object.
func (r *Reader) Array() bool { return r.enter('[', "an array") }

func (r *Reader) enter(bracket jsontext.Kind, want string) bool {
	if !r.is(bracket, want) {
		return false
	}
	if _, err := r.tokens.ReadToken(); err != nil {
		r.fail(err)
		return false
	}
	if r.tokens.StackDepth() > r.levels {
		r.broken = tooDeep(r.levels)
		return false
	}
	return true
}

// Member goes to the next member of the object that was entered, whose value has to be
// read then. At the end it leaves the object, and is false.
func (r *Reader) Member() bool {
	if r.ends('}') {
		return false
	}
	name, err := r.tokens.ReadValue()
	if err != nil {
		r.fail(err)
		return false
	}
	r.name = name[1 : len(name)-1]
	if bytes.IndexByte(r.name, '\\') >= 0 {
		r.quoted, _ = jsontext.AppendUnquote(r.quoted[:0], name) // it was read, so it is a string
		r.name = r.quoted
	}
	return true
}

// Name is that of the member, as decoders read it: "\u0061" is "a". It is valid until
// the member's value is read.
func (r *Reader) Name() []byte { return r.name }

// Element tells whether another element of the array follows, which has to be read then. At the
// end it leaves the array, and is false.
func (r *Reader) Element() bool { return !r.ends(']') }

// ends leaves an object or an array at its end, or when the text is broken.
func (r *Reader) ends(bracket jsontext.Kind) bool {
	if r.broken != nil {
		return true
	}
	if kind := r.tokens.PeekKind(); kind != bracket && kind != invalid {
		return false
	}
	if _, err := r.tokens.ReadToken(); err != nil {
		r.fail(err)
	}
	return true
}

// invalid is the kind of what is no token.
const invalid = jsontext.Kind(0)

// is tells whether the next value is of a kind. Another one is skipped, and is wrong
// unless it is null.
func (r *Reader) is(kind jsontext.Kind, want string) bool {
	if r.broken != nil {
		return false
	}
	switch got := r.tokens.PeekKind(); got {
	case kind:
		return true
	case 'n', invalid:
		r.Raw()
		return false
	default:
		r.mismatch(got, want)
		return false
	}
}

// Peek is the kind of the next value, by its first byte as in package jsontext: '{', '[',
// '"', '0' for a number, 't', 'f', 'n' for null. It is 0 when the text is broken.
func (r *Reader) Peek() byte {
	if r.broken != nil {
		return 0
	}
	return byte(r.tokens.PeekKind())
}

func (r *Reader) mismatch(got jsontext.Kind, want string) {
	r.Raw()
	if r.broken == nil && r.wrong == nil {
		r.wrong = fmt.Errorf("%s: want %s, got %s", dotted(r.tokens.StackPointer()), want, kinds[got])
	}
}

var kinds = map[jsontext.Kind]string{'{': "an object", '[': "an array", '"': "a string", '0': "a number", 't': "true", 'f': "false", 'n': "null"}

// Skip reads a value that does not matter.
func (r *Reader) Skip() { r.Raw() }

// Raw reads a value and returns it as it stands in the text; nil when the text is broken.
func (r *Reader) Raw() []byte {
	if r.broken != nil {
		return nil
	}
	value, err := r.tokens.ReadValue()
	if err != nil {
		r.fail(err)
		return nil
	}
	if left := r.levels - r.tokens.StackDepth(); deeper(value, left) {
		r.broken = tooDeep(r.levels)
		return nil
	}
	end := int(r.tokens.InputOffset())
	return r.text[end-len(value) : end : end]
}

// Text reads a string.
func Text[T ~string](r *Reader, into *T) {
	if r.is('"', "a string") {
		*into = T(unquoted(r.Raw()))
	}
}

// TextPointer reads a string that may be missing.
func TextPointer[T ~string](r *Reader, into **T) {
	if r.is('"', "a string") {
		text := T(unquoted(r.Raw()))
		*into = &text
	}
}

// unquoted is a JSON string that was read as the text that it means.
func unquoted(raw []byte) string {
	if len(raw) < 2 {
		return ""
	}
	if plain := raw[1 : len(raw)-1]; bytes.IndexByte(plain, '\\') < 0 {
		return string(plain)
	}
	text, _ := jsontext.AppendUnquote(nil, raw)
	return string(text)
}

// Bool reads true or false.
func (r *Reader) Bool(into *bool) {
	if r.broken != nil {
		return
	}
	switch kind := r.tokens.PeekKind(); kind {
	case 't', 'f':
		*into = kind == 't'
		r.Raw()
	default:
		r.is('t', "true or false")
	}
}

// BoolPointer reads true or false, or that it is missing.
func (r *Reader) BoolPointer(into **bool) {
	if r.broken == nil {
		switch r.tokens.PeekKind() {
		case 't', 'f':
			*into = new(bool)
			r.Bool(*into)
			return
		}
	}
	r.is('t', "true or false")
}

// Texts reads an array of strings.
func Texts[T ~string](r *Reader, into *[]T) {
	if !r.Array() {
		return
	}
	*into = []T{}
	for r.Element() {
		var text T
		Text(r, &text)
		*into = append(*into, text)
	}
}

// TextLists reads an object of arrays of strings.
func TextLists[L ~[]string](r *Reader, into *map[string]L) {
	if !r.Object() {
		return
	}
	*into = map[string]L{}
	for r.Member() {
		var list []string
		name := string(r.name)
		Texts(r, &list)
		(*into)[name] = list
	}
}

// TextMap reads an object of strings.
func (r *Reader) TextMap(into *map[string]string) {
	if !r.Object() {
		return
	}
	*into = map[string]string{}
	for r.Member() {
		name, value := string(r.name), ""
		Text(r, &value)
		(*into)[name] = value
	}
}

// fail says what is wrong with the text, in words that name no library and hold no
// more of it than a person can read.
func (r *Reader) fail(err error) {
	var syntax *jsontext.SyntacticError
	rest := bytes.TrimLeft(r.text[r.tokens.InputOffset():], " \t\r\n:,")
	switch {
	case deeper(rest, r.levels-r.tokens.StackDepth()): // which is why the rest was not read
		r.broken = tooDeep(r.levels)
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		r.broken = errors.New("unexpected end of JSON input")
	case !errors.As(err, &syntax):
		r.broken = err
	case errors.Is(err, jsontext.ErrDuplicateName):
		r.broken = fmt.Errorf("the key %.64q twice in one object, %s", syntax.JSONPointer.LastToken(), dotted(syntax.JSONPointer.Parent()))
	default:
		r.broken = fmt.Errorf("%w at byte %d, at or behind %s", syntax.Err, syntax.ByteOffset, dotted(syntax.JSONPointer))
	}
}

func tooDeep(levels int) error { return fmt.Errorf("nested deeper than %d levels", levels) }

// deeper tells whether a value, or the beginning of one, is nested deeper than some levels.
// Hardly any has as many brackets, so that they are counted first.
func deeper(value []byte, levels int) bool {
	if len(value) <= levels || bytes.Count(value, []byte{'{'})+bytes.Count(value, []byte{'['}) <= levels {
		return false
	}
	tokens := jsontext.NewDecoder(bytes.NewBuffer(value), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for {
		if _, err := tokens.ReadToken(); err != nil {
			return false
		}
		switch depth := tokens.StackDepth(); {
		case depth > levels:
			return true
		case depth == 0:
			return false
		}
	}
}
