// Package render makes manifests of Helm charts and kustomizations, in process.
//
// What it answers: which objects a chart or a kustomization stands for, each with
// the template or file that it comes from, as `helm install` and `kubectl
// kustomize` would make them.
//
// Invariants:
//   - It asks no cluster, looks up no name and runs no program: charts see no
//     object (lookup finds nothing), kustomize plugins are off, files above a
//     kustomization's root are not read. Only a kustomization that names a remote
//     base has it fetched, as kustomize does.
//   - The same files give the same texts: what templates see of chance and time is
//     fixed (seeded.go).
//   - It is linked into the command line and never into the webhook; cluster and
//     connectivity know nothing of it (cmd/podcullis-webhook/imports_test.go).
package render
