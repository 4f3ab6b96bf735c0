package intent_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/suggest/intent"
)

func TestRead(t *testing.T) {
	const head = "apiVersion: podcullis.io/v1alpha1\nkind: Connections\nitems:\n"
	tests := map[string]struct{ text, want string }{
		"Short":            {head + "- {from: shop/web, to: shop/db, ports: [5432]}\n", "shop/web -> shop/db TCP 5432-5432 f:4"},
		"AsConnectionsDo":  {head + "- from: {namespace: shop, kind: Deployment, name: web}\n  to: {cidr: 10.0.0.0/8, addresses: 10.0.0.0/8}\n  ports: [{protocol: UDP, port: 53, endPort: 54}]\n  because: [{direction: egress, notIsolated: true}]\n", "shop/Deployment/web -> 10.0.0.0/8 UDP 53-54 f:4"},
		"Lists":            {head + "- {from: [shop/a, 192.0.2.1], to: shop/b, ports: [80/tcp, 8000-8080/UDP]}\n", "shop/a -> shop/b TCP 80-80 f:4\nshop/a -> shop/b UDP 8000-8080 f:4\n192.0.2.1 -> shop/b TCP 80-80 f:4\n192.0.2.1 -> shop/b UDP 8000-8080 f:4"},
		"AllPorts":         {head + "- {from: shop/a, to: shop/b, ports: all}\n", "shop/a -> shop/b TCP 1-65535 f:4\nshop/a -> shop/b UDP 1-65535 f:4\nshop/a -> shop/b SCTP 1-65535 f:4"},
		"OnePort":          {head + "- {from: shop/a, to: shop/b, ports: 80}\n", "shop/a -> shop/b TCP 80-80 f:4"},
		"TwoDocuments":     {head + "- {from: shop/a, to: shop/b, ports: 80}\n---\n" + head + "- {from: shop/b, to: shop/a, ports: 80}\n", "shop/a -> shop/b TCP 80-80 f:4\nshop/b -> shop/a TCP 80-80 f:9"},
		"JSON":             {`{"apiVersion":"podcullis.io/v1alpha1","kind":"Connections","items":[{"from":{"namespace":"shop","kind":"Pod","name":"a"},"to":{"cidr":"::/0"},"ports":[{"protocol":"TCP","port":1,"endPort":65535}]}]}`, "shop/Pod/a -> ::/0 TCP 1-65535 f:1"},
		"Nothing":          {"", "error: f: lists no connection; a list without one would cut everything"},
		"NoItems":          {head + "  []\n", "error: f: lists no connection; a list without one would cut everything"},
		"OtherKind":        {"apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nitems: []\n", "error: f:1: kind: want Connections"},
		"UnknownField":     {head + "- {from: shop/a, too: shop/b, ports: 80}\n", `error: f:4: items[0]: unknown field "too"; the fields are from, to, ports, because, unknown`},
		"Twice":            {head + "- {from: shop/a, from: shop/b, to: shop/c, ports: 80}\n", "error: f:4: items[0]: from is given twice"},
		"NoTo":             {head + "- {from: shop/a, ports: 80}\n", "error: f:4: items[0]: to is missing"},
		"NoPorts":          {head + "- {from: shop/a, to: shop/b}\n", "error: f:4: items[0]: ports is missing: list them, or write ports: all"},
		"NobodyAtAll":      {head + "- {from: [], to: shop/b, ports: 80}\n", "error: f:4: items[0].from: an empty list is nobody"},
		"NoPort":           {head + "- {from: shop/a, to: shop/b, ports: []}\n", "error: f:4: items[0].ports: an empty list is no port; write ports: all for every one"},
		"PortOfWords":      {head + "- from: shop/a\n  to: shop/b\n  ports: [80, http]\n", "error: f:6: items[0].ports[1]: is not a port: write 5432, 5432/TCP or 8000-8080/UDP: 1 to 65535, and TCP, UDP or SCTP"},
		"PortTooLarge":     {head + "- {from: shop/a, to: shop/b, ports: [65536]}\n", "error: f:4: items[0].ports[0]: is not a port: write 5432, 5432/TCP or 8000-8080/UDP: 1 to 65535, and TCP, UDP or SCTP"},
		"End":              {head + "- {from: shop, to: shop/b, ports: 80}\n", `error: f:4: items[0].from: "shop" is neither namespace/name, namespace/Kind/name, an address nor a CIDR`},
		"CIDRBesideAName":  {head + "- {from: {cidr: 10.0.0.0/8, name: x}, to: shop/b, ports: 80}\n", "error: f:4: items[0].from: cidr stands by itself"},
		"CIDRThatIsAName":  {head + "- {from: {cidr: shop/a}, to: shop/b, ports: 80}\n", `error: f:4: items[0].from: "shop/a" is not a CIDR`},
		"NoYAML":           {"a: [", "error: f: line 1: did not find expected node content"},
		"NamespaceMissing": {head + "- {from: {name: x}, to: shop/b, ports: 80}\n", "error: f:4: items[0].from: want namespace, kind and name, or cidr"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var lines []string
			flows, err := intent.Read("f", []byte(test.text))
			for _, f := range flows {
				lines = append(lines, fmt.Sprintf("%s -> %s %s %d-%d %s", f.From, f.To, f.Protocol, f.First, f.Last, f.At))
			}
			got := strings.Join(lines, "\n")
			if err != nil {
				got = "error: " + err.Error()
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("apiVersion: podcullis.io/v1alpha1\nkind: Connections\nitems:\n- {from: shop/a, to: [shop/b], ports: [80, 8000-8080/UDP]}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		flows, err := intent.Read("f", text)
		if err == nil && len(flows) == 0 || err != nil && !strings.HasPrefix(err.Error(), "f:") {
			t.Fatalf("%d flows, %v", len(flows), err)
		}
	})
}
