package browser_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/podcullis/podcullis/report/picture"
)

// The page places boxes and lines as SVG does: its layout is held to the one fixture that
// the other one writes.
func TestLayoutIsThatOfSVG(t *testing.T) {
	text, err := os.ReadFile("../../report/picture/testdata/layout.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []json.RawMessage
	if err := json.Unmarshal(text, &cases); err != nil || len(cases) == 0 {
		t.Fatal(err, len(cases))
	}
	p := open(t, picture.New(asked(t)))
	for _, c := range cases {
		for _, wrong := range eval[[]string](p, `(() => {
			const c = `+string(c)+`, scene = arrange(c.nodes, c.edges), wrong = [];
			const near = (what, got, want) => { if (!(Math.abs(got - want) < 0.02)) wrong.push(c.name + ': ' + what + ' is ' + got + ', want ' + want); };
			near('width', scene.w, c.want.size[0]); near('height', scene.h, c.want.size[1]);
			c.want.nodes.forEach(([x, y], i) => { near('x of node ' + i, scene.nodes[i].x, x); near('y of node ' + i, scene.nodes[i].y, y); });
			c.want.paths.forEach((path, e) => {
				near('points of edge ' + e, scene.paths[e].length, path.length);
				path.forEach(([x, y], i) => { near('x of edge ' + e, (scene.paths[e][i] || {}).x, x); near('y of edge ' + e, (scene.paths[e][i] || {}).y, y); });
			});
			return wrong.slice(0, 5);
		})()`) {
			t.Error(wrong)
		}
	}
}
