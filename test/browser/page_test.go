package browser_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/report"
	"github.com/podcullis/podcullis/report/picture"
)

// Without JavaScript the page is a matrix, the connections and the findings.
func TestWithoutScript(t *testing.T) {
	p := open(t, changed(t), withoutScript)
	for what, expression := range map[string]string{
		"the matrix shows":               `document.querySelector('#matrix table').getClientRects().length > 0`,
		"the connections show":           `document.querySelector('#connections details summary').getClientRects().length > 0`,
		"the finding shows":              `document.querySelector('#findings').getClientRects().length > 0 && document.querySelector('#findings').textContent.includes('backend-is-private')`,
		"a reason is there":              `document.querySelector('#connections').textContent.includes('shop/collectors rule 1')`,
		"the map does not show":          `document.querySelector('#map').getClientRects().length === 0`,
		"a cell leads to its connection": `[...document.querySelectorAll('#matrix td a')].every((a) => document.querySelector(a.hash))`,
	} {
		if !eval[bool](p, expression) {
			t.Errorf("not so: %s", what)
		}
	}
	p.shot("no-script")
	p.quiet()
}

func TestMap(t *testing.T) {
	p := open(t, picture.New(asked(t)))
	p.until(`document.querySelectorAll('#world .node').length === 6`)
	if n := eval[int](p, `document.querySelectorAll('#world .edge.blocked').length`); n != 3 {
		t.Errorf("%d blocked edges, want 3", n)
	}
	p.shot("shop-light")

	// A click on an edge says what decided it.
	p.clickOn("edge", "shop/Deployment/backend to shop/StatefulSet/db")
	p.until(`!document.getElementById('panel').hidden`)
	p.until(`document.getElementById('panel').textContent.includes('shop/db-from-backend rule 1')`)
	p.shot("shop-edge")
	p.press(kb.Escape)
	p.until(`document.getElementById('panel').hidden`)
	p.clickOn("edge", "shop/Deployment/logging to shop/StatefulSet/db")
	p.until(`document.getElementById('panel').textContent.includes('isolated by shop/db-from-backend')`)
	p.press(kb.Escape)
	p.until(`document.getElementById('panel').hidden`)

	// A click on a workload lists what it reaches.
	p.clickOn("node", "shop/Deployment/frontend")
	p.until(`document.getElementById('panel').textContent.includes('ingress: isolated by')`)
	p.press(kb.Escape)

	// The filter hides a state.
	p.do(click(`#filters input[name=blocked]`))
	p.until(`[...document.querySelectorAll('#world .edge.blocked')].every((g) => getComputedStyle(g).display === 'none')`)
	p.do(click(`#filters input[name=blocked]`))

	// A namespace closes and opens.
	p.do(click(`#fold-all`))
	p.until(`document.querySelectorAll('#world .node').length === 2`)
	p.do(click(`#fold-all`))
	p.until(`document.querySelectorAll('#world .node').length === 6`)
	p.quiet()
}

// Everything goes by keyboard, and what has the focus shows it.
func TestKeyboard(t *testing.T) {
	p := open(t, picture.New(asked(t)))
	p.until(`document.querySelectorAll('#world .node').length === 6`)
	p.press("/")
	p.until(`document.activeElement.id === 'search'`)
	p.press("d", "b")
	p.until(`document.querySelectorAll('#world .node.dim').length === 5`)
	p.press(kb.Enter)
	p.until(`document.activeElement.getAttribute('aria-label').startsWith('shop/StatefulSet/db')`)
	p.until(`!document.getElementById('panel').hidden`)
	p.press(kb.Escape)

	transform := `document.getElementById('world').getAttribute('transform')`
	for _, key := range []string{kb.ArrowLeft, kb.ArrowDown, "+", "-", "-"} {
		before := eval[string](p, transform)
		p.press(key)
		p.until(fmt.Sprintf("%s !== %s", transform, quoted(before)))
	}
	p.press("0")

	// From edge to edge by Tab; Enter opens one.
	eval[any](p, `document.getElementById('canvas').focus()`)
	for range 40 {
		p.press(kb.Tab)
		if eval[bool](p, `!!document.activeElement.closest('#world .edge')`) {
			break
		}
	}
	if !eval[bool](p, `document.activeElement.matches('.edge:focus-visible') && getComputedStyle(document.activeElement.querySelector('.hit')).stroke !== 'rgba(0, 0, 0, 0)'`) {
		t.Error("an edge with the focus does not show it")
	}
	p.press(kb.Enter)
	p.until(`document.querySelector('#panel .because li') !== null`)
	p.quiet()
}

func TestChangesAndViolations(t *testing.T) {
	p := open(t, changed(t))
	p.until(`document.querySelectorAll('#world .edge.added').length > 0`)
	p.shot("shop-changed")
	p.do(click(`#filters input[name=violations]`))
	p.until(`[...document.querySelectorAll('#world .edge')].filter((g) => getComputedStyle(g).display !== 'none').length === 1`)
	p.do(click(`nav a[href="#findings"]`))
	p.until(`document.getElementById('findings').getClientRects().length > 0 && document.getElementById('map').getClientRects().length === 0`)
	p.quiet()
}

// Over 300 nodes the map begins with namespaces; each opens by itself.
func TestLargeClusterBeginsWithNamespaces(t *testing.T) {
	p := open(t, large(t))
	p.until(`document.querySelectorAll('#world .node.namespace').length === 60`)
	if n := eval[int](p, `document.querySelectorAll('#world .node').length`); n > 70 {
		t.Errorf("%d nodes, want the namespaces and a little around them", n)
	}
	if !eval[bool](p, `document.querySelectorAll('#matrix tbody tr').length < 70 && document.querySelector('#matrix').textContent.includes('By namespace')`) {
		t.Error("the matrix is not by namespace")
	}
	p.shot("town-light")
	p.clickOn("node", "Namespace/monitoring")
	p.until(`!document.getElementById('panel').hidden`)
	p.shot("town-spot")
	p.do(click(`#panel .toggle`))
	p.until(`document.querySelectorAll('#world .node.namespace').length === 59`)
	p.shot("town-open")
	p.do(click(`nav a[href="#matrix"]`))
	p.shot("town-matrix")
	p.quiet()
}

// Both schemes have enough contrast for text (WCAG 2.2, 1.4.3: 4.5 to 1).
func TestContrast(t *testing.T) {
	for scheme, options := range map[string][]option{"light": nil, "dark": {dark}} {
		t.Run(scheme, func(t *testing.T) {
			p := open(t, picture.New(asked(t)), options...)
			p.until(`document.querySelectorAll('#world .node').length === 6`)
			p.shot("shop-" + scheme)
			for _, w := range eval[[]string](p, contrast) {
				t.Error(w)
			}
			isDark := eval[bool](p, `getComputedStyle(document.body).backgroundColor === 'rgb(13, 17, 23)'`)
			if isDark != (scheme == "dark") {
				t.Errorf("scheme %s: dark is %v", scheme, isDark)
			}
			p.quiet()
		})
	}
}

const contrast = `(() => {
	const root = getComputedStyle(document.documentElement);
	const light = (hex) => {
		const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const wrong = [];
	for (const text of ['ink', 'soft', 'netpol', 'default', 'unknown', 'blocked', 'forbidden', 'opened', 'closed']) {
		for (const ground of ['paper', 'frame', 'box']) {
			const [a, b] = [text, ground].map((v) => light(root.getPropertyValue('--' + v).trim())).sort((x, y) => y - x);
			const ratio = (a + 0.05) / (b + 0.05);
			if (!(ratio >= 4.5)) wrong.push(text + ' on ' + ground + ': ' + ratio.toFixed(2));
		}
	}
	return wrong;
})()`

// No label covers another, and no workload another.
func TestNothingOverlaps(t *testing.T) {
	for name, g := range map[string]*picture.Graph{"shop": picture.New(asked(t)), "changed": changed(t)} {
		t.Run(name, func(t *testing.T) {
			p := open(t, g)
			p.until(`document.querySelectorAll('#world .node').length > 0`)
			for _, w := range eval[[]string](p, `(() => {
				const boxes = [...document.querySelectorAll('#world .label rect, #world .node rect.body')].map((r) => [r.parentNode.textContent, r.getBoundingClientRect()]);
				const out = [];
				boxes.forEach(([a, r], i) => boxes.slice(i + 1).forEach(([b, s]) => {
					if (r.left < s.right - 1 && s.left < r.right - 1 && r.top < s.bottom - 1 && s.top < r.bottom - 1) out.push(a + ' covers ' + b);
				}));
				return out;
			})()`) {
				t.Error(w)
			}
		})
	}
}

// What a manifest calls itself is text, whatever it is.
func TestHostileNames(t *testing.T) {
	evil := "</script><img src=https://evil.example/x onerror=window.pwned=1><script>window.pwned=1</script>"
	g := &picture.Graph{
		Nodes: []picture.Node{{Ref: cluster.Ref{Namespace: evil, Kind: evil, Name: evil}}, {Ref: cluster.Ref{Namespace: evil, Kind: "Pod", Name: "z" + evil}}},
		Edges: []picture.Edge{{
			From: 0, To: 1, State: picture.Blocked, Ports: connectivity.AllPorts(), Count: 1, Violates: []string{evil},
			Shields: []picture.Shield{{Direction: cluster.Ingress, Netpol: cluster.Ref{Namespace: evil, Name: "'\"" + evil}}},
		}},
		Findings: []report.Finding{{Violation: guardrail.Violation{Guardrail: evil, Action: "deny", Message: evil}, Object: cluster.Ref{Kind: evil, Name: evil}}},
		Notes:    []string{evil},
	}
	p := open(t, g)
	p.until(`document.querySelectorAll('#world .node').length === 2`)
	p.clickOn("edge", evil)
	p.until(`!document.getElementById('panel').hidden`)
	if eval[bool](p, `!!window.pwned || document.querySelectorAll('img').length > 0 || document.querySelectorAll('script').length !== 2`) {
		t.Error("a name became markup")
	}
	p.quiet()
}
