package manifest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	yamlnode "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// document is one YAML or JSON document, or one item of a list.
type document struct {
	at   Location // of its first line of content
	json []byte   // its value
	// node is the document as parsed for line numbers; its lines count from
	// shift+1. For JSON it is parsed from json text only when an error needs it.
	node  *yamlnode.Node
	text  []byte
	shift int
}

// chunk is the text of one document and the lines before it.
type chunk struct {
	text  []byte
	shift int
}

// documents reads every document of a file, before which shift lines were cut off.
func (l *loader) documents(file string, data []byte, shift int) {
	docs, errs := l.parsed(file, data, shift)
	if l.walk != nil && otherFile(file, data, docs, errs) {
		l.walk.others = append(l.walk.others, file)
		return
	}
	before := len(l.errs)
	l.errs = append(l.errs, errs...)
	for _, d := range docs {
		l.repeated(&d)
		l.document(d, 0)
	}
	slices.SortStableFunc(l.errs[before:], func(a, b *Error) int { return cmp.Compare(a.Location.Line, b.Location.Line) })
}

// parsed takes a file apart, and tells what is no YAML in it.
func (l *loader) parsed(file string, data []byte, shift int) ([]document, Errors) {
	before := len(l.errs)
	var docs []document
	if l.text8(file, data) {
		// A byte order mark may also stand where two files were joined.
		data = bytes.TrimPrefix(data, bom)
		data = bytes.ReplaceAll(data, append([]byte("\n"), bom...), newline)
		for _, c := range l.split(file, data, shift) {
			docs = append(docs, l.parse(file, c)...)
		}
	}
	errs := slices.Clone(l.errs[before:])
	l.errs = l.errs[:before]
	return docs, errs
}

// text8 tells whether the bytes of a file are UTF-8.
func (l *loader) text8(file string, data []byte) bool {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		l.fail(Location{File: file}, "is UTF-16: save it as UTF-8")
		return false
	}
	if i := invalidUTF8(data); i >= 0 {
		l.fail(Location{File: file, Line: 1 + bytes.Count(data[:i], newline)}, "is not UTF-8 text")
		return false
	}
	return true
}

var (
	newline = []byte("\n")
	bom     = []byte("\ufeff")
)

func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// split cuts a YAML stream at its document markers: a line that begins with ---
// (which stays: content may follow it) or with ... (YAML 1.2, section 9.1).
// Comments, blank lines and directives alone are no document. As kubectl has it, a
// comment may follow the three dashes at once.
func (l *loader) split(file string, data []byte, shift int) []chunk {
	var chunks []chunk
	var start, line, first int // of the current chunk: offset and lines before it
	content := false
	cut := func(end int) {
		if content {
			chunks = append(chunks, chunk{data[start:end], shift + first})
		}
		content = false
	}
	for pos := 0; pos < len(data); line++ {
		end := len(data)
		if i := bytes.IndexByte(data[pos:], '\n'); i >= 0 {
			end = pos + i + 1
		}
		text := data[pos:end]
		if rest, ok := marker(text, "---"); ok {
			cut(pos)
			start, first = pos, line
			content = substantial(rest)
		} else if bytes.HasPrefix(text, []byte("---")) {
			if text[len("---")] != '#' {
				l.fail(Location{File: file, Line: shift + line + 1}, "%q separates no documents: after --- comes a space, a comment or the end of the line", clipped(text))
			}
			cut(pos)
			start, first = end, line+1
		} else if _, ok := marker(text, "..."); ok {
			cut(pos)
			start, first = end, line+1
		} else if !content {
			// What is before the content (comments, directives) is left out.
			if content = substantial(text) && text[0] != '%'; content && start != pos && !isMarker(data[start:pos]) {
				start, first = pos, line
			}
		}
		pos = end
	}
	cut(len(data))
	return chunks
}

func isMarker(text []byte) bool { _, ok := marker(text, "---"); return ok }

// marker tells whether a line is a document marker and what follows it.
func marker(line []byte, mark string) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(line, []byte(mark))
	if !ok || (len(rest) > 0 && !bytes.ContainsRune([]byte(" \t\r\n"), rune(rest[0]))) {
		return nil, false
	}
	return rest, true
}

// clipped is the beginning of a line.
func clipped(line []byte) string {
	const most = 40
	text := []rune(string(bytes.TrimSpace(line)))
	if len(text) > most {
		return string(text[:most]) + "..."
	}
	return string(text)
}

func substantial(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) > 0 && line[0] != '#'
}

// parse reads a chunk: one YAML document, or JSON documents one after the other.
func (l *loader) parse(file string, c chunk) []document {
	if docs, ok := jsonDocuments(file, c); ok {
		return docs
	}
	value, err := yaml.YAMLToJSON(c.text)
	if err != nil {
		l.syntax(file, c, err)
		return nil
	}
	dec := yamlnode.NewDecoder(bytes.NewReader(c.text))
	var root, more yamlnode.Node
	if err := dec.Decode(&root); err != nil {
		if !errors.Is(err, io.EOF) {
			l.syntax(file, c, err)
		}
		return nil
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		line := more.Line
		if err != nil {
			line, _ = parserError(c, err)
		}
		reason := "more than one document without --- between them"
		if loneReturn.Match(c.text) {
			reason = "its lines end in carriage returns alone: kubectl takes all of it for one line, and reads the first document only; save it with line feeds"
		}
		l.fail(Location{File: file, Line: c.shift + line}, "%s", reason)
		return nil
	}
	node := root.Content[0]
	return []document{{at: Location{File: file, Line: c.shift + node.Line}, json: value, node: node, shift: c.shift}}
}

// jsonDocuments takes a chunk for JSON if it is nothing else: then YAML's rules
// about tabs and escapes are not in the way.
func jsonDocuments(file string, c chunk) ([]document, bool) {
	text := c.text
	if rest, ok := marker(text, "---"); ok {
		text = rest
	}
	if t := bytes.TrimSpace(text); len(t) == 0 || (t[0] != '{' && t[0] != '[') {
		return nil, false
	}
	var docs []document
	lines := lineCounter{text: c.text, line: 1 + c.shift}
	dec := json.NewDecoder(bytes.NewReader(text))
	for {
		var raw json.RawMessage
		if err := dec.Decode(&raw); errors.Is(err, io.EOF) {
			return docs, true
		} else if err != nil {
			return nil, false
		}
		line := lines.at(len(c.text) - len(text) + int(dec.InputOffset()) - len(raw))
		docs = append(docs, document{at: Location{File: file, Line: line}, json: raw, text: raw, shift: line - 1})
	}
}

// lineCounter counts lines up to growing offsets.
type lineCounter struct {
	text []byte
	pos  int
	line int
}

func (c *lineCounter) at(offset int) int {
	c.line += bytes.Count(c.text[c.pos:offset], newline)
	c.pos = offset
	return c.line
}

// parserError takes the line out of the error of a YAML parser, which can be one
// too many at the end of the text.
func parserError(c chunk, err error) (line int, reason string) {
	reason = strings.TrimPrefix(err.Error(), "error converting YAML to JSON: ")
	reason = strings.TrimPrefix(strings.TrimPrefix(reason, "yaml: "), "unmarshal errors:\n  ")
	if m := yamlLine.FindStringSubmatch(reason); m != nil {
		line, _ = strconv.Atoi(m[1])
		reason = strings.TrimPrefix(reason, m[0])
	}
	last := 1 + bytes.Count(bytes.TrimRight(c.text, "\r\n"), newline)
	return min(max(line, 1), last), reason
}

// loneReturn is a line break that only YAML takes for one.
var loneReturn = regexp.MustCompile(`\r[^\n]`)

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// syntax reports an error of a YAML parser with the line of the file, which the
// parser counts from the start of the chunk.
func (l *loader) syntax(file string, c chunk, err error) {
	line, reason := parserError(c, err)
	switch {
	case bytes.Contains(c.text, []byte("{{")) && !l.rendered:
		reason += " (a Helm template? podcullis ... --helm CHART renders it)"
	case strings.HasSuffix(strings.ToLower(file), ".json"):
		if jsonErr := json.Unmarshal(c.text, new(any)); jsonErr != nil {
			var at *json.SyntaxError
			if errors.As(jsonErr, &at) {
				line = 1 + bytes.Count(c.text[:at.Offset], newline)
			}
			l.fail(Location{File: file, Line: c.shift + line}, "not JSON: %v", jsonErr)
			return
		}
	}
	l.fail(Location{File: file, Line: c.shift + line}, "not YAML: %s", reason)
}
