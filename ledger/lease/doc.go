// Package lease keeps the ledger in an annotation of a coordination.k8s.io/v1 Lease.
//
// A Lease, because nothing watches all of them as everything watches ConfigMaps, and
// because no webhook that matches ConfigMaps is asked about it. It gets, creates and
// updates that one object, with a connection of its own and little time: what waits
// for the ledger is somebody's change.
package lease
