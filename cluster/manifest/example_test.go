package manifest_test

import (
	"fmt"
	"strings"

	"github.com/podcullis/podcullis/cluster/manifest"
)

func ExampleLoad() {
	set, err := manifest.Load([]string{"-"}, strings.NewReader(`
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec: {podSelector: {}}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range set.Objects {
		fmt.Println(o.Location, o.Ref())
	}

	_, err = manifest.Load([]string{"-"}, strings.NewReader(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelecter: {}
`))
	fmt.Println(err)
	// Output:
	// -:2 Namespace/shop
	// -:6 shop/NetworkPolicy/default-deny
	// -:6: NetworkPolicy shop/default-deny: spec.podSelecter: unknown field; did you mean podSelector?
}
