// Package oracle asks somebody else: the connectivity of random clusters is
// compared with what github.com/mattfenwick/cyclonus, the Kubernetes network
// policy conformance fuzzer, says about each pair of pods and each port.
//
// It is a module of its own, so that cyclonus is no dependency of Podcullis.
// cyclonus wants objects with the API server's defaults, and knows neither
// host-network pods nor pods without an address, so the clusters here have
// none; the comparison with the naive reference in package connectivity has them.
package oracle
