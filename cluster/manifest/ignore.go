package manifest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// ignoreFile names, below the directory that it is in, what is no manifest.
const ignoreFile = ".podcullisignore"

// ignorePattern is a line of an ignore file, as git reads a .gitignore.
type ignorePattern struct {
	text        string
	path        *regexp.Regexp
	again       bool // !pattern: what an earlier one left out is read all the same
	directories bool // pattern/
	used        bool
}

// parseIgnore reads a pattern: * and ? stand for anything but a slash, ** for
// directories; one that holds a slash before its end begins at the top.
func parseIgnore(text string) (ignorePattern, error) {
	p := ignorePattern{text: text}
	rest := strings.TrimSpace(filepath.ToSlash(text))
	rest, p.again = strings.CutPrefix(rest, "!")
	rest = strings.TrimPrefix(rest, "./")
	rest, p.directories = strings.CutSuffix(rest, "/")
	if rest == "" {
		return p, fmt.Errorf("names nothing: write a pattern such as chart/ or *-values.yaml")
	}
	expression := "^"
	if !strings.Contains(rest, "/") {
		expression += "(?:.*/)?"
	}
	rest = strings.TrimPrefix(rest, "/")
	for len(rest) > 0 {
		switch {
		case strings.HasPrefix(rest, "**/"):
			expression, rest = expression+"(?:.*/)?", rest[len("**/"):]
			continue
		case strings.HasPrefix(rest, "**"):
			expression, rest = expression+".*", rest[len("**"):]
			continue
		case rest[0] == '*':
			expression += "[^/]*"
		case rest[0] == '?':
			expression += "[^/]"
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return p, fmt.Errorf("has no ] for its [")
			}
			set := strings.Replace(rest[1:end], "!", "^", 1)
			expression, rest = expression+"["+strings.ReplaceAll(set, `\`, `\\`)+"]", rest[end+1:]
			continue
		case rest[0] == '\\' && len(rest) > 1:
			expression, rest = expression+regexp.QuoteMeta(rest[1:2]), rest[2:]
			continue
		default:
			expression += regexp.QuoteMeta(rest[:1])
		}
		rest = rest[1:]
	}
	var err error
	if p.path, err = regexp.Compile(expression + "$"); err != nil {
		return p, fmt.Errorf("is not a pattern: %w", err)
	}
	return p, nil
}

// ignoring is an ignore file and where it is.
type ignoring struct {
	base     string
	patterns []ignorePattern
}

// ignoreFileOf reads the ignore file of a directory.
func (l *loader) ignoreFileOf(dir string) (ignoring, bool) {
	name := filepath.Join(dir, ignoreFile)
	text, err := os.ReadFile(name)
	if os.IsNotExist(err) {
		return ignoring{}, false
	}
	if err != nil {
		l.fail(Location{File: name}, "%s", cause(err))
		return ignoring{}, false
	}
	out := ignoring{base: dir}
	for i, line := range bytes.Split(bytes.TrimPrefix(text, bom), newline) {
		if !substantial(line) {
			continue
		}
		p, err := parseIgnore(string(line))
		if err != nil {
			l.fail(Location{File: name, Line: i + 1}, "%q %v", string(bytes.TrimSpace(line)), err)
			continue
		}
		out.patterns = append(out.patterns, p)
	}
	return out, true
}

// leavesOut tells whether the last pattern about a path leaves it out.
func leavesOut(patterns []ignorePattern, directory bool, paths ...string) (out, about bool) {
	for i := range patterns {
		p := &patterns[i]
		if p.directories && !directory {
			continue
		}
		for _, path := range paths {
			if p.path.MatchString(path) {
				out, about, p.used = !p.again, true, true
				break
			}
		}
	}
	return out, about
}

// relative is a path as a pattern sees it.
func relative(base, path string) string {
	rel, err := filepath.Rel(base, path)
	if err != nil {
		return filepath.ToSlash(path)
	}
	return filepath.ToSlash(rel)
}

// idleExcludes tells of patterns that left nothing out: of a misspelt one, for
// instance, everything is read.
func (l *loader) idleExcludes() {
	for _, p := range l.excludes {
		if !p.used {
			l.set.Notes = append(l.set.Notes, Note{Location{File: "--exclude " + p.text}, "leaves nothing out: no file or directory below the -f directories has such a path"})
		}
	}
}
