// Package picture draws connectivity: who can talk to whom, by which netpols, and
// what keeps apart those who cannot.
//
// [New] makes a [Graph], which knows no format. [Mermaid], [DOT], [SVG] and [HTML]
// draw it, one file each. scene.go, layered.go and placement.go place boxes for SVG, and
// page/layout.js places them for the page, where parts are shown; testdata/layout.json
// holds both to the same places. meaning.go says what a line means, and so its colour.
//
// Invariants:
//   - The same graph gives the same bytes.
//   - Names come from manifests that anybody may have written: no name, label or
//     message can leave the place that it is drawn in.
//   - A page and an SVG ask for nothing over the network.
//   - What a picture leaves out, it says.
//   - It imports report, connectivity, cluster and nothing that does I/O;
//     imports_test.go holds that.
package picture
