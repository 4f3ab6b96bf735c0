package manifest

import (
	"fmt"
	"strings"
)

// Error is one thing that is wrong with a file or a document of it.
type Error struct {
	Location Location
	// Object is "NetworkPolicy shop/allow-web" as far as it is known, else empty.
	Object string
	// Field is the path of the field that does not hold, else empty.
	Field string
	// Reason says what is wrong and, where it can, what to write instead.
	Reason string
}

// Error is one line: place, object, field, reason.
func (e *Error) Error() string {
	parts := []string{e.Location.String()}
	for _, p := range []string{e.Object, e.Field, e.Reason} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ": ")
}

// Errors is everything that is wrong with some sources, in the order in which
// they were read. It is never empty.
type Errors []*Error

// Error is one line for each error.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find a single Error.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i := range e {
		errs[i] = e[i]
	}
	return errs
}

func (l *loader) fail(at Location, format string, args ...any) {
	l.errs = append(l.errs, &Error{Location: at, Reason: fmt.Sprintf(format, args...)})
}

// note adds a note about a place in a file, or in what it renders to.
func (l *loader) note(at Location, format string, args ...any) {
	at.Rendered = l.rendered
	l.set.Notes = append(l.set.Notes, Note{at, fmt.Sprintf(format, args...)})
}
