package guardrail

import "testing"

// The command that a denial ends with names addresses that people know.
func TestQuestionNamesAddressesThatPeopleKnow(t *testing.T) {
	from := func(blocks ...string) (list []any) {
		for _, b := range blocks {
			list = append(list, map[string]any{
				"from": map[string]any{"cidr": b}, "to": map[string]any{"namespace": "shop", "kind": "StatefulSet", "name": "db"},
				"ports": []any{map[string]any{"protocol": "TCP", "port": 5432, "endPort": 5432}},
			})
		}
		return list
	}
	for name, c := range map[string]struct {
		blocks []string
		want   string
	}{
		"All":         {[]string{"0.0.0.0/0", "::/0"}, "0.0.0.0/0"},
		"ButPrivate":  {[]string{"0.0.0.0/5", "8.0.0.0/7", "192.169.0.0/16", "200.0.0.0/5", "208.0.0.0/4", "::/0"}, "203.0.113.0/24"},
		"FirstHasIt":  {[]string{"128.0.0.0/1", "0.0.0.0/2"}, "203.0.113.0/24"},
		"OneAsIs":     {[]string{"10.0.0.0/8"}, "10.0.0.0/8"},
		"NamedBlocks": {[]string{"10.0.0.0/8", "192.168.0.0/16"}, "10.0.0.0/8"},
	} {
		t.Run(name, func(t *testing.T) {
			v := Violation{Details: map[string]any{"connections": from(c.blocks...)}}
			if got, want := v.Question(), c.want+" shop/StatefulSet/db 5432/TCP"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
