// Package image answers what is in a container image of ours, and writes one without a container
// engine: static binaries and, if asked, the certificate authorities of the public internet, on
// nothing (no shell, no package manager, no root).
//
// The image of podcullis-webhook comes from it, and so do the images of the test node.
//
// Invariants: the same files and the same [Contents] give the same digest, on any machine and at
// any time; a binary that needs anything from the image it is in (an interpreter, a library) is an
// error; no network.
package image
