package browser_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/podcullis/podcullis/report/picture"
)

// allocate prepares the browser that all tests share; nil where there is none.
var allocate = sync.OnceValues(func() (context.Context, context.CancelFunc) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			allocator, _ := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
				chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 720),
				chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
				chromedp.WSURLReadTimeout(time.Minute),
			)...)
			return chromedp.NewContext(allocator)
		}
	}
	return nil, func() {}
})

func TestMain(m *testing.M) {
	code := m.Run()
	if _, stop := allocate(); stop != nil {
		stop()
	}
	os.Exit(code)
}

// tab is a page in the browser, with everything it asked for and complained about.
type tab struct {
	context.Context
	t *testing.T

	mu       sync.Mutex
	requests []string
	errors   []string
}

// option prepares a tab before the page is opened.
type option func(context.Context) error

// withoutScript opens the page as a browser would that has JavaScript switched off.
func withoutScript(ctx context.Context) error {
	_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	return err
}

func dark(ctx context.Context) error {
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	})
	return err
}

// observed tells of everything that the page asks for and complains about, and
// has no network.
func observed(ctx context.Context) error {
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	if err == nil {
		_, err = chromedp.Call(ctx, log.Enable, cdp.Empty{})
	}
	if err == nil {
		_, err = chromedp.Call(ctx, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: true, DownloadThroughput: -1, UploadThroughput: -1})
	}
	return err
}

// browserOf is the browser of all tests.
func browserOf(t *testing.T) context.Context {
	t.Helper()
	browser, _ := allocate()
	if browser == nil {
		if os.Getenv("PODCULLIS_REQUIRE_BROWSER") == "1" {
			t.Fatal("no Chromium: install Debian's package chromium")
		}
		t.Skip("no Chromium: install Debian's package chromium; PODCULLIS_REQUIRE_BROWSER=1 makes this an error")
	}
	return browser
}

// open writes the page of a graph and opens it in a tab of its own, with the
// network switched off.
func open(t *testing.T, g *picture.Graph, options ...option) *tab {
	t.Helper()
	browserOf(t)
	var b bytes.Buffer
	if err := picture.HTML(&b, g); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "map.html")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return openFile(t, file, options...)
}

// openFile opens a page that somebody has written.
func openFile(t *testing.T, file string, options ...option) *tab {
	t.Helper()
	browser := browserOf(t)
	if err := chromedp.Do(browser); err != nil { // starts it, once
		t.Fatal(err)
	}
	tabContext, closeTab := chromedp.NewContext(browser)
	t.Cleanup(closeTab)
	if err := chromedp.Do(tabContext); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(tabContext, 2*time.Minute)
	t.Cleanup(cancel)
	p := &tab{Context: ctx, t: t}
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatal(err)
	}
	for _, prepare := range append([]option{observed}, options...) {
		if err := prepare(ctx); err != nil {
			t.Fatal(err)
		}
	}
	p.do(chromedp.Navigate("file://"+file), chromedp.WaitReady(chromedp.CSS("#connections")))
	return p
}

func (p *tab) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	case *log.EventEntryAdded:
		p.errors = append(p.errors, e.Entry.Text)
	case *runtime.EventExceptionThrown:
		p.errors = append(p.errors, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		p.errors = append(p.errors, "console: "+string(e.Type))
	}
}

// quiet checks that the page asked for nothing but itself, and complained about nothing.
func (p *tab) quiet() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.requests) != 1 || !strings.HasPrefix(p.requests[0], "file://") {
		p.t.Errorf("requests: %q, want the page alone", p.requests)
	}
	if len(p.errors) > 0 {
		p.t.Errorf("console: %q", p.errors)
	}
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// eval is the value of an expression in the page.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	out, err := chromedp.Run(p, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return out
}

// until waits for an expression to become true.
func (p *tab) until(expression string) {
	p.t.Helper()
	if _, err := chromedp.Run(p, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(20*time.Second))); err != nil {
		p.t.Fatalf("never true: %s: %v", expression, err)
	}
}

func (p *tab) press(keys ...string) {
	p.t.Helper()
	for _, k := range keys {
		p.do(chromedp.KeyEvent(k))
	}
}

// clickOn clicks in the middle of the node or edge whose title begins with a text,
// once it has come to rest there: what was done before may still move the map.
func (p *tab) clickOn(class, title string) {
	p.t.Helper()
	var at []float64
	for frames := 0; ; frames++ {
		p.until("true") // in the next frame
		now := p.middleOf(class, title)
		if under := now[2] == 1; under && slices.Equal(at, now) {
			break
		}
		if at = now; frames == 300 {
			p.t.Fatalf("%s %q does not come to rest where it can be clicked: %v", class, title, now)
		}
	}
	p.do(chromedp.MouseClickXY(at[0], at[1]))
}

// middleOf is x and y of a node or edge, and 1 if a click there is on the map and not
// on what lies over it.
func (p *tab) middleOf(class, title string) []float64 {
	return eval[[]float64](p, `(() => {
		const g = [...document.querySelectorAll('#world .`+class+`')].find((g) => g.querySelector('title').textContent.startsWith(`+quoted(title)+`));
		const path = g.querySelector('path'), tag = g.querySelector('rect.body');
		let x, y;
		if (tag) { const r = tag.getBoundingClientRect(); x = r.x + r.width / 2; y = r.y + r.height / 2; }
		else { const p = path.getPointAtLength(path.getTotalLength() / 2).matrixTransform(path.getScreenCTM()); x = p.x; y = p.y; }
		const hit = document.elementFromPoint(x, y);
		return [x, y, hit && hit.closest('#world') ? 1 : 0]; // a label may lie over its edge
	})()`)
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `\'`) + "'" }

// shot leaves a screenshot where somebody asked for them.
func (p *tab) shot(name string) {
	p.t.Helper()
	dir := os.Getenv("PODCULLIS_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(p, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func click(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.Click(chromedp.CSS(selector))
}
