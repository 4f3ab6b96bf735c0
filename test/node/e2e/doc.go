// Package e2e tests Podcullis as it is installed: its image in pods of a real node, by its chart with
// the real helm, with certificates by cert-manager, driven with the real kubectl; and it compares what
// Podcullis says about connections with connections that are attempted.
//
// test/node says what it needs. To run it: make e2e.
package e2e
