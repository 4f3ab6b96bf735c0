package review

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The API server cuts a warning at 256 characters and all of them at 4096
// (k8s.io/apiserver pkg/endpoints/filters/warning.go).
const (
	MaxWarning  = 256
	MaxWarnings = 4096
)

// WouldBeDenied is what a warning says first of what mode enforce denies.
const WouldBeDenied = "would be denied: "

// WarningBytes is how long warnings are when each is cut.
func WarningBytes(lines []string) int {
	n := 0
	for _, l := range lines {
		n += len(shorten(l))
	}
	return n
}

// shorten makes a warning one line that the API server does not cut.
func shorten(line string) string {
	line = strings.Join(strings.Fields(line), " ")
	if utf8.RuneCountInString(line) > MaxWarning {
		line = string([]rune(line)[:MaxWarning-1]) + "…"
	}
	return line
}

// FitWarnings keeps warnings within the API server's limits, and says how many it left out.
func FitWarnings(lines []string) []string {
	total := 0
	for i, line := range lines {
		line = shorten(line)
		rest := fmt.Sprintf("and %d more", len(lines)-i)
		left := MaxWarnings - total - len(line)
		if left < 0 || (i+1 < len(lines) && left < len(rest)) {
			return append(lines[:i:i], rest)
		}
		lines[i] = line
		total += len(line)
	}
	return lines
}
