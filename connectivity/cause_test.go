package connectivity_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

// A path that a change opens or closes has the netpol for its cause that did it, not every
// one that is about its ends.
func TestCauses(t *testing.T) {
	web := clustertest.Deployment("a/web", clustertest.Labels("app=web"))
	db := clustertest.Deployment("a/db", clustertest.Labels("app=db"))
	deny := clustertest.Netpol("a/deny", `{podSelector: {}, policyTypes: [Ingress]}`)
	deny2 := clustertest.Netpol("a/deny2", `{podSelector: {}, policyTypes: [Ingress]}`)
	allow := func(port string) runtime.Object {
		return clustertest.Netpol("a/allow", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [`+port+`]}]}`)
	}
	for name, c := range map[string]struct {
		before, after []runtime.Object
		want          string
	}{
		"ANetpolThatIsNewOpensIt":        {[]runtime.Object{deny}, []runtime.Object{deny, allow("{port: 80}")}, "a/allow new"},
		"ARuleThatIsNewOpensIt":          {[]runtime.Object{deny, allow("{port: 80}")}, []runtime.Object{deny, allow("{port: 80}, {port: 81}")}, "a/allow changed"},
		"TheDenyThatIsDeletedOpensIt":    {[]runtime.Object{deny}, nil, "a/deny deleted"},
		"ADenyClosesIt":                  {nil, []runtime.Object{deny}, "a/deny new"},
		"ASecondDenyIsNotTheCause":       {[]runtime.Object{deny, allow("{port: 80}")}, []runtime.Object{deny, deny2}, "a/allow deleted"},
		"OneOfTwoDeniesThatAreNotEnough": {[]runtime.Object{deny, deny2}, []runtime.Object{deny2, allow("{port: 80}")}, "a/allow new"},
	} {
		t.Run(name, func(t *testing.T) {
			before := clustertest.Snapshot(t, append([]runtime.Object{web, db}, c.before...)...)
			after := clustertest.Snapshot(t, append([]runtime.Object{web, db}, c.after...)...)
			var got []string
			for _, d := range connectivity.WithCauses(connectivity.Diff(before, after, connectivity.Options{}), before, after, connectivity.Options{}) {
				if d.From.String() != "a/Deployment/web" || d.To.String() != "a/Deployment/db" {
					continue
				}
				for _, x := range d.Causes {
					got = append(got, fmt.Sprintf("%s/%s %s", x.Object.Namespace, x.Object.Name, x.Fate))
				}
			}
			if diff := cmp.Diff(c.want, strings.Join(got, ", ")); diff != "" {
				t.Errorf("causes (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("OtherLabelsCloseIt", func(t *testing.T) {
		before := clustertest.Snapshot(t, web, db, deny, allow("{port: 80}"))
		after := clustertest.Snapshot(t, clustertest.Deployment("a/web", clustertest.Labels("app=site")), db, deny, allow("{port: 80}"))
		list := connectivity.WithCauses(connectivity.Diff(before, after, connectivity.Options{}), before, after, connectivity.Options{})
		if len(list) != 1 || len(list[0].Causes) != 1 || list[0].Causes[0].Object.Name != "web" || list[0].Causes[0].Fate != connectivity.Edited {
			t.Errorf("got %+v", list)
		}
	})
}
