package guardrail

import "testing"

func TestCut(t *testing.T) {
	for _, test := range []struct {
		text string
		n    int
		want string
	}{
		{"short", 5, "short"},
		{"longer", 5, "lo…"},
		{"ääää", 7, "ää…"},
		{"ääää", 6, "ä…"}, // no half of a letter
		{"日本語", 6, "日…"},
	} {
		if got := Cut(test.text, test.n); got != test.want || len(got) > test.n {
			t.Errorf("Cut(%q, %d) = %q, want %q", test.text, test.n, got, test.want)
		}
	}
}
