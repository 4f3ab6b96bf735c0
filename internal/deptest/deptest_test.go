package deptest

import "testing"

func TestForbids(t *testing.T) {
	for name, c := range map[string]struct {
		rule Rule
		path string
		not  bool
	}{
		"NoRule":                 {Rule{}, Module + "/guardrail", false},
		"OursThatIsListed":       {Rule{Ours: []string{"cluster"}}, Module + "/cluster", false},
		"OursBelowWhatIsListed":  {Rule{Ours: []string{"cluster"}}, Module + "/cluster/live", true},
		"NoneOfOurs":             {Rule{Ours: None}, Module + "/cluster", true},
		"TheStandardLibrary":     {Rule{Ours: None, Others: None}, "encoding/json", false},
		"OfAnotherModule":        {Rule{Others: []string{"k8s.io/api"}}, "k8s.io/client-go/rest", true},
		"BelowAnAllowedOther":    {Rule{Others: []string{"k8s.io/api"}}, "k8s.io/api/core/v1", false},
		"ALongerNameIsNotBelow":  {Rule{Others: []string{"k8s.io/api"}}, "k8s.io/apimachinery/pkg/labels", true},
		"Banned":                 {Rule{Not: IO}, "log/slog", true},
		"BelowWhatIsBanned":      {Rule{Not: IO}, "math/rand/v2", true},
		"BelowWhatAloneIsBanned": {Rule{Not: IO}, "net/netip", false},
		"WhatAloneIsBanned":      {Rule{Not: IO}, "net", true},
		"ALongerNameOfTheBanned": {Rule{Not: IO}, "iota", false},
	} {
		t.Run(name, func(t *testing.T) {
			if why := c.rule.forbids(c.path); (why != "") != c.not {
				t.Errorf("forbids %s: %q", c.path, why)
			}
		})
	}
}
