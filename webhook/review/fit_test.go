package review

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWarningsFitTheAPIServersLimits(t *testing.T) {
	var lines []string
	for i := range 100 {
		lines = append(lines, fmt.Sprintf("%d %s\nsecond line", i, strings.Repeat("ö", 300)))
	}
	got := FitWarnings(lines)
	total := 0
	for _, w := range got {
		total += len(w)
		if utf8.RuneCountInString(w) > MaxWarning || strings.Contains(w, "\n") {
			t.Errorf("%d characters in %q", utf8.RuneCountInString(w), w)
		}
	}
	if total > MaxWarnings || got[len(got)-1] != fmt.Sprintf("and %d more", 100-(len(got)-1)) {
		t.Errorf("%d bytes in all, ending in %q", total, got[len(got)-1])
	}
	if one := FitWarnings([]string{"short"}); len(one) != 1 || one[0] != "short" {
		t.Errorf("got %q", one)
	}
}
