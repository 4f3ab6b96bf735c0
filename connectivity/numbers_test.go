package connectivity_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// What is open with a rule of many ports is what is open with as many rules of one. Two
// destinations have a number each for the one name.
func TestARuleOfManyPortsIsAsManyRules(t *testing.T) {
	for name, names := range map[string][]string{"Numbers": nil, "ANameAmongThem": {"web"}} {
		t.Run(name, func(t *testing.T) {
			var entries []string
			for i := range 40 {
				entries = append(entries, fmt.Sprintf("{port: %d, protocol: %s}", 100+3*i, []string{"TCP", "UDP"}[i%2]))
			}
			for _, n := range names {
				entries = append(entries, fmt.Sprintf("{port: %s}", n))
			}
			one := "egress: [{ports: [" + strings.Join(entries, ", ") + "]}]"
			many := "egress: [{ports: [" + strings.Join(entries, "]}, {ports: [") + "]}]"
			open := func(rules string) []string {
				s := clustertest.Snapshot(t,
					clustertest.Namespace("shop"),
					clustertest.Pod("shop/a", clustertest.Labels("app=a"), clustertest.Port("web", 8080, "TCP")),
					clustertest.Pod("shop/b", clustertest.Labels("app=b"), clustertest.Port("web", 9090, "TCP")),
					clustertest.Pod("shop/c", clustertest.Labels("app=c")),
					clustertest.Netpol("shop/n", "{podSelector: {}, policyTypes: [Egress], "+rules+"}"),
				)
				everything := connectivity.Selection{Namespaces: selector.Everything(), Pods: selector.Everything()}
				var out []string
				for _, c := range connectivity.Open(s, connectivity.Query{From: everything, To: everything}, connectivity.Options{}) {
					out = append(out, fmt.Sprintf("%s -> %s: %s", c.From, c.To, c.Ports))
				}
				return out
			}
			want, got := open(many), open(one)
			if len(got) == 0 || cmp.Diff(want, got) != "" {
				t.Errorf("-as many rules +one rule:\n%s", cmp.Diff(want, got))
			}
		})
	}
}
