// Package clustertest builds the API objects and snapshots that tests are about,
// in as few words as they need:
//
//	s := clustertest.Snapshot(t,
//		clustertest.Namespace("shop", "env=prod"),
//		clustertest.Deployment("shop/web", clustertest.Labels("app=web")),
//		clustertest.Pod("shop/db-0", clustertest.Labels("app=db"), clustertest.IP("10.0.0.7")),
//		clustertest.Netpol("shop/db", `{podSelector: {matchLabels: {app: db}}, ingress: []}`),
//	)
//
// Objects are those of k8s.io/api, as a client would send them: no default is
// applied, so that tests see what the model makes of them. It is for tests only,
// and may panic on a mistake of the test.
package clustertest
