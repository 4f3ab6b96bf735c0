// Package release tests what surrounds the programs: the scripts of the GitHub Action and of
// releases, against the built binary and a server that stands for GitHub's API; workflows,
// goreleaser's configuration and the hooks of pre-commit, as far as they can be read.
package release
