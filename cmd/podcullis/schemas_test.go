package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podcullis/podcullis/internal/schematest"
)

// hole opens a path into the shop that must stay shut, and has a pod that nobody isolates.
const hole = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-all, namespace: shop}
spec: {podSelector: {}, ingress: [{}]}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: other, labels: {app: x}}
spec: {containers: [{name: c, image: c}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nobody, namespace: shop}
spec: {podSelector: {matchLabels: {no: body}}}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: c, namespace: other}
spec: {endpointSelector: {}}
---
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: {name: p, namespace: other}
spec: {}
`

// Every document that a command writes is as docs/schemas publishes it.
func TestSchemas(t *testing.T) {
	shop, after, config := filepath.Join("..", "..", "examples", "shop"), filepath.Join("..", "..", "examples", "shop-after"), filepath.Join("..", "..", "examples", "shop-guardrails.yaml")
	bad := write(t, "hole.yaml", hole)
	opened := write(t, "door.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: shop}\nspec: {type: LoadBalancer, selector: {app: db}, ports: [{port: 5432}]}\n")
	baseline := filepath.Join(t.TempDir(), "baseline.json")
	exempting := read(t, config) + "exemptions:\n- {name: window, guardrails: [only-backend-reaches-db], match: {namespaces: [shop]}, reason: moving}\n" +
		"- {name: over, guardrails: [default-deny], match: {namespaces: [nowhere]}, reason: done, expires: 2020-01-01}\n"
	exempt := write(t, "exempting.yaml", exempting)
	for _, tt := range []struct{ schema, command string }{
		{"findings", "check -f SHOP --config CONFIG"},
		{"findings", "check -f SHOP -f HOLE --config CONFIG"},
		{"findings", "check -f SHOP -f HOLE --config EXEMPT"},
		{"findings", "check --before SHOP -f AFTER --config CONFIG"},
		{"findings", "audit -f SHOP -f HOLE --config CONFIG --write-baseline BASELINE"},
		{"findings", "audit -f SHOP -f HOLE --config EXEMPT"},
		{"findings", "audit -f SHOP --config CONFIG --baseline BASELINE"},
		{"findings", "audit -f SHOP -f HOLE --config CONFIG --baseline BASELINE"},
		{"answers", "review -f SHOP --apply HOLE --config CONFIG"},
		{"answers", "review -f SHOP --delete NetworkPolicy/shop/default-deny --config CONFIG"},
		{"connections", "connections -f SHOP"},
		{"connections", "connections -f SHOP -f HOLE"},
		{"differences", "diff -f SHOP -f AFTER"},
		{"differences", "diff -f AFTER -f HOLE"},
		{"differences", "diff --before SHOP --after SHOP --after DOOR --entrances"},
		{"explanation", "explain -f SHOP shop/frontend shop/db"},
		{"explanation", "explain -f SHOP -f HOLE shop/frontend shop/db 5432/TCP"},
		{"explanation", "explain -f SHOP -f HOLE --fix shop/analytics shop/db 5432/TCP"},
		{"checkup", "doctor -f SHOP"},
		{"checkup", "doctor -f SHOP -f HOLE -f FLANNEL"},
		{"plan", "plan -f SHOP --apply AFTER --prune --config CONFIG"},
		{"plan", "plan -f AFTER --apply SHOP --prune --config CONFIG"},
	} {
		t.Run(tt.command, func(t *testing.T) {
			args := strings.Fields(strings.NewReplacer("SHOP", shop, "AFTER", after, "CONFIG", config, "HOLE", bad, "DOOR", opened, "BASELINE", baseline, "EXEMPT", exempt,
				"FLANNEL", filepath.Join("..", "..", "doctor", "testdata", "networks", "flannel.yaml")).Replace(tt.command + " -o json"))
			code, stdout, stderr := command(t, args...)
			if code == unable {
				t.Fatal(stderr)
			}
			schematest.Validate(t, schematest.Strict(t, filepath.Join("..", ".."), tt.schema+".schema.json"), []byte(stdout))
		})
	}
	text, err := os.ReadFile(baseline)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(`"expired`)) && !bytes.Contains(text, []byte(`"chooses-nobody"`)) {
		t.Errorf("a baseline knows remarks, too: %s", text)
	}
	schematest.Validate(t, schematest.Published(t, filepath.Join("..", ".."), "baseline.schema.json"), text)
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
