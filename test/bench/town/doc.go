// Package town makes up clusters to measure with: as many pods, namespaces and
// netpols as are asked for, arranged as people arrange them. The same Plan gives
// the same cluster, to the last label.
//
// The first three namespaces are the cluster's own (DNS, monitoring, ingress).
// Every other one holds applications of five tiers under one team: frontend, api
// and worker as Deployments, cache and db as StatefulSets, with the labels that
// their controllers give to pods (pod-template-hash, pod-index), a ReplicaSet of
// the release before and a CronJob. Its netpols are a default-deny, the egress to
// DNS, the ingress from monitoring by a named port, one per tier (named ports,
// endPort, namespaceSelector, matchExpressions, ipBlock with exceptions, both
// families), and for the rest agreements with other teams. In every twentieth
// namespace nobody has written the default-deny yet.
//
// A Plan with Solitary set is the opposite of that: no two pods are alike. Each
// stands alone, has a label of its own, and the netpols look at that label, so
// that nothing can be gained by grouping pods.
package town
