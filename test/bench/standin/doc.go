// Package standin answers lists and watches over HTTP as a Kubernetes API server
// does for the kinds that the model follows, from memory and in JSON. Next to a
// real one it costs next to nothing, so that what is measured beside it is the
// client. It knows no authentication, no writes but those of one Lease, and no other kinds.
package standin
