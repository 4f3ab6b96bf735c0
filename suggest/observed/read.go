package observed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/podcullis/podcullis/cluster"
)

// maxText bounds what is read of one file.
const maxText = 1 << 30

// Read reads a file of flows. An error names the file and the line, and then nothing was read.
func Read(file string, r io.Reader, format Format) (*Log, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxText+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", file, err)
	case len(text) > maxText:
		return nil, fmt.Errorf("%s: longer than %d bytes; give it in parts, as several files", file, maxText)
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	first := bytes.TrimLeft(text, " \t\r\n")
	if len(first) == 0 {
		return nil, fmt.Errorf("%s: is empty; a list without a connection would cut everything", file)
	}
	in := &reader{file: file, text: text, format: format, log: newLog()}
	if format == CSV || format == Auto && first[0] != '{' && first[0] != '[' {
		err = in.csv()
	} else {
		err = in.json()
	}
	if err != nil {
		return nil, err
	}
	if in.log.Read == 0 {
		return nil, fmt.Errorf("%s: holds no flow; a list without a connection would cut everything", file)
	}
	in.log.settle()
	return in.log, nil
}

type reader struct {
	file   string
	text   []byte
	format Format
	log    *Log
	// line is that of the byte at counted.
	counted, line int
}

// lineAt is the line of a byte. Bytes are asked about in order.
func (r *reader) lineAt(offset int) int {
	if offset < r.counted {
		r.counted, r.line = 0, 0
	}
	r.line += bytes.Count(r.text[r.counted:offset], []byte("\n"))
	r.counted = offset
	return r.line + 1
}

func (r *reader) fault(line int, format string, args ...any) error {
	return fmt.Errorf("%s: %w", Location{r.file, line}, fmt.Errorf(format, args...))
}

// json reads objects one after the other, also within lists: [...] and {"flows": [...]}.
func (r *reader) json() error { return r.values(0, len(r.text)) }

// values reads what is between two bytes of the text.
func (r *reader) values(from, to int) error {
	d := json.NewDecoder(bytes.NewReader(r.text[from:to]))
	for {
		var raw json.RawMessage
		err := d.Decode(&raw)
		end := from + int(d.InputOffset())
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return r.fault(r.lineAt(r.faultAt(err, from, end)), "is no JSON: %w", err)
		}
		if err := r.value(raw, end-len(raw)); err != nil {
			return err
		}
	}
}

// faultAt is where JSON is not well formed, or where what is cut off begins.
func (r *reader) faultAt(err error, from, end int) int {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && syntax.Offset > 0 {
		return min(from+int(syntax.Offset)-1, len(r.text))
	}
	blank := len(r.text[end:]) - len(bytes.TrimLeft(r.text[end:], " \t\r\n"))
	return end + blank
}

// lists are the fields under which flows come in one object.
var lists = []string{"flows", "items", "hits"}

func (r *reader) value(raw json.RawMessage, at int) error {
	if raw[0] == '[' {
		return r.elements(raw, at)
	}
	line := r.lineAt(at)
	fields, err := decoded(raw)
	if err != nil {
		return r.fault(line, "want an object with a flow, got %s", short(raw))
	}
	for _, name := range lists {
		inner, ok := fields[name]
		if _, isList := inner.([]any); !ok || !isList && name != "hits" {
			continue
		}
		var parts map[string]json.RawMessage
		if err := json.Unmarshal(raw, &parts); err != nil {
			return r.fault(line, "%w", err)
		}
		for key, part := range parts {
			if plain(key) == name {
				return r.value(part, at+max(0, bytes.Index(raw, part)))
			}
		}
	}
	return r.flow(fields, line)
}

// elements reads the elements of a list, each where it stands.
func (r *reader) elements(raw json.RawMessage, at int) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return r.fault(r.lineAt(at), "%w", err)
	}
	for d.More() {
		var one json.RawMessage
		if err := d.Decode(&one); err != nil {
			return r.fault(r.lineAt(at+int(d.InputOffset())), "%w", err)
		}
		if err := r.value(one, at+int(d.InputOffset())-len(one)); err != nil {
			return err
		}
	}
	return nil
}

func short(raw []byte) string {
	const most = 40
	if len(raw) > most {
		return string(raw[:most]) + "..."
	}
	return string(raw)
}

// fields are those of an object, by their plain names: source_name, sourceName and SourceName
// are one, as protobuf's JSON writes either.
type fields map[string]any

func plain(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

func decoded(raw json.RawMessage) (fields, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var out map[string]any
	if err := d.Decode(&out); err != nil {
		return nil, err
	}
	if out == nil {
		return nil, errors.New("null")
	}
	return plainly(out), nil
}

func plainly(in map[string]any) fields {
	out := fields{}
	for key, value := range in {
		if inner, ok := value.(map[string]any); ok {
			value = plainly(inner)
		}
		if list, ok := value.([]any); ok {
			for i := range list {
				if inner, ok := list[i].(map[string]any); ok {
					list[i] = plainly(inner)
				}
			}
		}
		out[plain(key)] = value
	}
	return out
}

func (f fields) object(name string) fields {
	out, _ := f[name].(fields)
	return out
}

// text is that of a field, a number's, too; "-" is how Calico writes none.
func (f fields) text(name string) string {
	switch v := f[name].(type) {
	case string:
		if v == "-" {
			return ""
		}
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

func (f fields) has(name string) bool { v, ok := f[name]; return ok && v != nil }

// flow reads one object by its format.
func (r *reader) flow(f fields, line int) error {
	if source := f.object("source"); source != nil && f.has("index") { // as a search engine wraps it
		f = source
	}
	switch format := r.formatOf(f); format {
	case Hubble:
		return r.hubble(f, line)
	case Calico:
		return r.calico(f, line)
	default:
		return r.fault(line, "is neither a flow of Hubble (flow.verdict, flow.source, ...) nor one of Calico (source_namespace, dest_namespace, action, ...); the fields are %s", strings.Join(names(f), ", "))
	}
}

func (r *reader) formatOf(f fields) Format {
	if r.format != Auto {
		return r.format
	}
	inner := f
	if o := f.object("flow"); o != nil {
		inner = o
	}
	switch {
	case inner.has("verdict"), inner.has("l4"), f.has("lostevents"), f.has("nodestatus"), f.has("agentevent"), f.has("debugevent"):
		return Hubble
	case inner.object("key") != nil, inner.has("sourcename"), inner.has("sourcenameaggr"), inner.has("destname"), inner.has("destnameaggr"):
		return Calico
	}
	return ""
}

// protocolOf reads a name or a number; known is false for one that has no ports.
func protocolOf(text string) (p cluster.Protocol, known bool) {
	switch strings.ToUpper(text) {
	case "TCP", "6":
		return cluster.TCP, true
	case "UDP", "17":
		return cluster.UDP, true
	case "SCTP", "132":
		return cluster.SCTP, true
	}
	return 0, false
}

func portOf(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a port: want a number from 1 to 65535", text)
	}
	return uint16(n), nil
}

// timeOf reads a time as it is written for people, or in seconds since 1970.
func timeOf(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		return time.Unix(int64(seconds), 0).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a time: want 2026-11-28T02:00:00Z, or seconds since 1970", text)
	}
	return t.UTC(), nil
}

func addressOf(text string) (netip.Addr, error) {
	if text == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return a, fmt.Errorf("%q is not an address", text)
	}
	return a.Unmap().WithZone(""), nil
}
