package browser_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/podcullis/podcullis/report/picture"
)

// look chooses what the map shows.
func (p *tab) look(at string) {
	p.t.Helper()
	eval[any](p, `(() => { const v = document.getElementById('view'); v.value = `+quoted(at)+`; v.dispatchEvent(new Event('change')); })()`)
	p.until(`document.getElementById('view').value === ` + quoted(at))
}

// A large map begins with what changed, or with what violates, or with namespaces.
func TestOpensOnWhatMatters(t *testing.T) {
	change := grown(t, 29, 600)
	violations := *change
	violations.Compared, violations.Edges = false, nil
	for _, e := range change.Edges {
		e.Change = picture.Same
		violations.Edges = append(violations.Edges, e)
	}
	for want, g := range map[string]*picture.Graph{"changed": change, "violations": &violations, "namespaces": large(t), "all": picture.New(asked(t))} {
		t.Run(want, func(t *testing.T) {
			p := open(t, g)
			p.until(`document.querySelectorAll('#world .node').length > 0`)
			if got := eval[string](p, `document.getElementById('view').value`); got != want {
				t.Errorf("begins with %q", got)
			}
			if n := eval[int](p, `document.querySelectorAll('#world .node').length`); n > 70 {
				t.Errorf("%d boxes", n)
			}
			if want == "violations" && !eval[bool](p, `[...document.querySelectorAll('#world .edge')].every((e) => e.classList.contains('m-forbidden'))`) {
				t.Error("something else is drawn")
			}
			p.quiet()
		})
	}
}

// Of a large map people see one namespace, or one workload with its neighbours.
func TestParts(t *testing.T) {
	g := grown(t, 29, 600)
	p := open(t, g)
	p.until(`document.querySelectorAll('#world .node').length > 0`)
	p.look("namespace catalog-prod-11")
	p.until(`document.querySelectorAll('#world .frame').length === 1`)
	if eval[bool](p, `[...document.querySelectorAll('#world .edge title')].some((x) => !x.textContent.includes('catalog-prod-11/'))`) {
		t.Error("a line of another namespace is drawn")
	}

	// A search finds what is not in sight, too, and one click leaves its neighbours alone.
	p.look("violations")
	p.do(chromedp.SendKeys(chromedp.CSS("#search"), "monitoring/daemonset/node-exporter"))
	if eval[int](p, `document.querySelectorAll('#panel:not([hidden])').length`) != 0 {
		t.Error("something is selected before Enter")
	}
	p.press(kb.Enter)
	p.until(`document.getElementById('panel').textContent.includes('monitoring/')`)
	p.do(click(`#panel .around`))
	p.until(`document.getElementById('view').selectedOptions[0].textContent.startsWith('Around monitoring/')`)
	if eval[bool](p, `[...document.querySelectorAll('#world .edge title')].some((x) => !x.textContent.includes('monitoring/'))`) {
		t.Error("a line is drawn that is not the workload's")
	}
	p.quiet()
}

// A box all of whose lines a filter hides is hidden with them, and the foot says so.
func TestFilterHidesBoxes(t *testing.T) {
	p := open(t, picture.New(asked(t)))
	p.until(`document.querySelectorAll('#world .node').length === 6`)
	p.do(click(`#filters input[name=netpol]`))
	p.until(`document.querySelectorAll('#world .edge').length === 3`)
	p.until(`document.querySelectorAll('#world .node').length === 4`) // backend and the outside are only reached
	p.until(`document.getElementById('shown').textContent.includes('2 boxes hidden')`)
	p.do(click(`#filters input[name=netpol]`))
	p.until(`document.querySelectorAll('#world .node').length === 6`)
	p.quiet()
}

// The lists are sorted by what matters, can be searched, and lead to the map.
func TestLists(t *testing.T) {
	p := open(t, grown(t, 29, 600))
	p.until(`document.querySelectorAll('#world .node').length > 0`)
	p.do(click(`nav a[href="#connections"]`))
	if !eval[bool](p, `(() => {
		const rank = (d) => (d.querySelector('.tag').classList.contains('m-forbidden') ? 0 : d.querySelector('.added, .removed, .turned') ? 1 : 2);
		const ranks = [...document.querySelectorAll('#connections details')].map(rank);
		return ranks[0] === 0 && ranks.at(-1) === 2 && ranks.every((r, i) => i === 0 || ranks[i - 1] <= r);
	})()`) {
		t.Error("connections are not sorted by what matters")
	}
	if !eval[bool](p, `(() => {
		const order = ['critical', 'high', 'medium', 'low'];
		const ranks = [...document.querySelectorAll('.findings li')].map((li) => order.findIndex((s) => li.textContent.includes('(' + s + ')')));
		return ranks.length > 4 && ranks.every((r, i) => r >= 0 && (i === 0 || ranks[i - 1] <= r));
	})()`) {
		t.Error("findings are not sorted by severity")
	}
	p.do(chromedp.SendKeys(chromedp.CSS("#connections .sieve input"), "prometheus"))
	p.until(`[...document.querySelectorAll('#connections details:not([hidden])')].every((d) => d.textContent.includes('prometheus'))`)
	p.until(`/^[1-9][0-9]* of [0-9]+$/.test(document.querySelector('#connections output').textContent)`)
	p.do(click(`nav a[href="#findings"]`), click(`.findings .onmap`))
	p.until(`document.getElementById('map').classList.contains('shown')`)
	p.until(`document.querySelectorAll('#world .edge').length > 0 && [...document.querySelectorAll('#world .edge')].every((e) => e.classList.contains('m-forbidden'))`)
	p.quiet()
}

// The map, the findings and the lines that matter take few sheets of paper.
func TestPrint(t *testing.T) {
	for name, c := range map[string]struct {
		graph *picture.Graph
		most  int
	}{"5": {changed(t), 2}, "1000": {grown(t, 150, 3000), 5}} {
		t.Run(name, func(t *testing.T) {
			p := open(t, c.graph)
			p.until(`document.querySelectorAll('#world .node').length > 0`)
			pdf := printed(p, "print")
			if n := len(pdfPage.FindAll(pdf, -1)); n > c.most || n == 0 {
				t.Errorf("%d sheets, want at most %d", n, c.most)
			}
			if box := pdfBox.FindSubmatch(pdf); box == nil || number(t, box[1]) < number(t, box[2]) {
				t.Errorf("a map that is wide is printed upright, on %q", box)
			}
			// Afterwards the screen is as it was.
			p.until(`!document.getElementById('canvas').hasAttribute('viewBox') && document.getElementById('world').hasAttribute('transform')`)
		})
	}
}

// On a phone all but the map is one row, and two fingers zoom.
func TestPhone(t *testing.T) {
	p := open(t, changed(t), phone)
	p.until(`document.querySelectorAll('#world .node').length > 0`)
	if top := eval[float64](p, `document.getElementById('canvas').getBoundingClientRect().top`); top > 48 {
		t.Errorf("the map begins at %.0f pixels", top)
	}
	if eval[bool](p, `document.documentElement.scrollWidth > innerWidth || document.querySelector('nav').scrollWidth > document.querySelector('nav').clientWidth`) {
		t.Error("the page is wider than the screen")
	}
	zoom := `Number(document.getElementById('canvas').dataset.zoom)`
	before := eval[float64](p, zoom)
	touch := func(kind input.DispatchTouchEventType, apart float64) {
		points := []*input.TouchPoint{{X: 195 - apart, Y: 600}, {X: 195 + apart, Y: 600}}
		if kind == input.DispatchTouchEventTypeTouchEnd {
			points = []*input.TouchPoint{}
		}
		if _, err := chromedp.Call(p, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: points}); err != nil {
			t.Fatal(err)
		}
	}
	touch(input.DispatchTouchEventTypeTouchStart, 30)
	touch(input.DispatchTouchEventTypeTouchMove, 60)
	touch(input.DispatchTouchEventTypeTouchMove, 90)
	touch(input.DispatchTouchEventTypeTouchEnd, 0)
	p.until(fmt.Sprintf("%s >= %f", zoom, 2*before))
	p.do(click(`#more`))
	p.until(`document.getElementById('tools').getClientRects().length > 0`)
	p.quiet()
}
