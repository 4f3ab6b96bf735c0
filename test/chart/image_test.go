package chart

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
)

func TestImage(t *testing.T) {
	cases := map[string]struct{ values, want string }{
		"Tag":      {"image: {repository: example.com/p, tag: v2}", "example.com/p:v2"},
		"Digest":   {"image: {repository: example.com/p, tag: v2, digest: \"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}", "example.com/p@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
		"Registry": {"image: {repository: net/p, tag: v2}\nglobal: {imageRegistry: mirror.example.com}", "mirror.example.com/net/p:v2"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := one[*appsv1.Deployment](t, install(t, tc.values))
			if got := d.Spec.Template.Spec.Containers[0].Image; got != tc.want {
				t.Errorf("image %s, want %s", got, tc.want)
			}
		})
	}
}
