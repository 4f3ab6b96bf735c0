package cluster_test

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

func TestOwnersThatTheModelDoesNotHold(t *testing.T) {
	by := func(version, kind, name, uid string) clustertest.Option {
		yes := true
		return clustertest.OwnedBy(metav1.OwnerReference{APIVersion: version, Kind: kind, Name: name, UID: types.UID(uid), Controller: &yes})
	}
	web := clustertest.Labels("app=web")
	s := clustertest.Snapshot(t,
		clustertest.Deployment("shop/web", web, clustertest.UID("d")),
		clustertest.ReplicaSet("shop/web-1", web, clustertest.UID("r"), by("apps/v1", "Deployment", "web", "d")),
		clustertest.ReplicaSet("shop/roll-1", web, clustertest.UID("o"), by("argoproj.io/v1alpha1", "Rollout", "roll", "x")),
		clustertest.ReplicaSet("shop/lost-1", web, clustertest.UID("l"), by("apps/v1", "Deployment", "web", "old")),
		clustertest.StatefulSet("shop/db", web, clustertest.UID("s"), by("example.com/v1", "PgCluster", "pg", "u")),
		clustertest.Pod("shop/fine", web, by("apps/v1", "ReplicaSet", "web-1", "r")),
		clustertest.Pod("shop/rolled", web, by("apps/v1", "ReplicaSet", "roll-1", "o")),
		clustertest.Pod("shop/strayed", clustertest.Labels("app=x"), by("apps/v1", "ReplicaSet", "roll-1", "o")),
		clustertest.Pod("shop/pg-0", web, by("example.com/v1", "PgCluster", "pg", "u")),
		clustertest.Pod("shop/forged", web, by("example.com/v1", "Deployment", "web", "d")),
		clustertest.Pod("shop/early", web, by("apps/v1", "ReplicaSet", "web-2", "r2")),
		clustertest.Pod("shop/late", web, by("apps/v1", "ReplicaSet", "web-1", "before")),
		clustertest.Pod("shop/unnumbered", web, by("apps/v1", "ReplicaSet", "web-2", "")),
		clustertest.Pod("shop/static", web, by("v1", "Node", "n", "n")),
		clustertest.Pod("shop/bare", web),
	)
	tests := map[string]struct{ unmodelled, missing string }{
		"Pod/fine": {}, "Pod/bare": {}, "Pod/static": {}, "Pod/nobody": {}, "ReplicaSet/web-1": {}, "Pod/unnumbered": {},
		"Pod/rolled":         {unmodelled: "Rollout roll x"},
		"Pod/strayed":        {}, // its ReplicaSet's selector does not take it
		"Pod/pg-0":           {unmodelled: "PgCluster pg u"},
		"Pod/forged":         {unmodelled: "Deployment web d"},
		"Pod/early":          {missing: "ReplicaSet web-2 r2"},
		"Pod/late":           {missing: "ReplicaSet web-1 before"},
		"ReplicaSet/roll-1":  {unmodelled: "Rollout roll x"},
		"ReplicaSet/lost-1":  {missing: "Deployment web old"},
		"StatefulSet/db":     {}, // a workload of its own
		"Deployment/web":     {},
		"ReplicaSet/nothing": {},
	}
	text := func(o cluster.Owner, ok bool) string {
		if !ok {
			return ""
		}
		return fmt.Sprintf("%s %s %s", o.Kind, o.Name, o.UID)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var ref cluster.Ref
			ref.Namespace = "shop"
			for i := range name {
				if name[i] == '/' {
					ref.Kind, ref.Name = name[:i], name[i+1:]
				}
			}
			if got := text(s.UnmodelledOwner(ref)); got != test.unmodelled {
				t.Errorf("unmodelled %q, want %q", got, test.unmodelled)
			}
			missing, ok := s.MissingOwner(ref)
			if got := text(missing, ok); got != test.missing || (ok && s.Owns("shop", missing)) {
				t.Errorf("missing %q, want %q", got, test.missing)
			}
		})
	}
	if !s.Owns("shop", cluster.Owner{Group: "apps", Kind: "ReplicaSet", Name: "web-1", UID: "r"}) {
		t.Error("web-1 is there")
	}
}
