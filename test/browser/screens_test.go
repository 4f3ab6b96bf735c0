package browser_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/podcullis/podcullis/report/picture"
)

// phone is a small upright screen that is touched.
func phone(ctx context.Context) error {
	_, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 390, Height: 780, DeviceScaleFactor: 1, Mobile: true})
	if err == nil {
		_, err = chromedp.Call(ctx, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: true})
	}
	return err
}

// paper shows the page as it is printed, on a sheet that is as high as it must be.
func paper(ctx context.Context) error {
	_, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 720, Height: 2400, DeviceScaleFactor: 1})
	if err == nil {
		_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	}
	return err
}

// Screens of every size, for people to look at.
func TestScreens(t *testing.T) {
	if os.Getenv("PODCULLIS_SCREENSHOTS") == "" {
		t.Skip("PODCULLIS_SCREENSHOTS=DIR leaves screenshots there")
	}
	for size, g := range map[string]*picture.Graph{
		"5": changed(t), "60": grown(t, 9, 200), "200": grown(t, 29, 600), "1000": grown(t, 150, 3000),
	} {
		for look, options := range map[string][]option{"light": nil, "dark": {dark}, "phone": {phone}, "print": {paper}} {
			t.Run(size+"-"+look, func(t *testing.T) {
				p := open(t, g, options...)
				p.until(`document.querySelectorAll('#world .node').length > 0`)
				if look == "print" {
					printed(p, "size-"+size)
					eval[any](p, `window.dispatchEvent(new Event('beforeprint'))`)
				}
				t.Logf("%d workloads and more, %d edges; the map shows %s", len(g.Nodes), len(g.Edges), eval[string](p, `document.getElementById('shown').textContent`))
				p.shot(fmt.Sprintf("size-%s-%s", size, look))
			})
		}
	}
}

var (
	pdfPage = regexp.MustCompile(`/Type\s*/Page\b[^s]`)
	pdfBox  = regexp.MustCompile(`/MediaBox\s*\[\s*0 0 ([0-9.]+) ([0-9.]+)\s*\]`) // width, height
)

func number(t *testing.T, text []byte) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// printed is the page as the browser prints it, a PDF, which it leaves where screenshots go.
func printed(p *tab, name string) []byte {
	p.t.Helper()
	out, err := chromedp.Call(p, page.PrintToPDF, page.PrintToPDFParams{PreferCSSPageSize: new(true)})
	if err != nil {
		p.t.Fatal(err)
	}
	if dir := os.Getenv("PODCULLIS_SCREENSHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+".pdf"), out.Data, 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	return out.Data
}

// Other views of the large town, for people to look at.
func TestScreensOfParts(t *testing.T) {
	if os.Getenv("PODCULLIS_SCREENSHOTS") == "" {
		t.Skip("PODCULLIS_SCREENSHOTS=DIR leaves screenshots there")
	}
	p := open(t, grown(t, 29, 600))
	look := func(value, name string) {
		p.do(chromedp.Navigate(eval[string](p, `location.href.split('#')[0]`)))
		p.until(`document.querySelectorAll('#world .node').length > 0`)
		eval[any](p, `(() => { const v = document.getElementById('view'); v.value = `+quoted(value)+`; v.dispatchEvent(new Event('change')); })()`)
		p.shot("part-" + name)
	}
	for _, name := range []string{"violations", "namespaces", "all", "namespace catalog-prod-11"} {
		look(name, name)
	}
	for _, tab := range []string{"matrix", "connections", "findings"} {
		p.do(click(`nav a[href="#` + tab + `"]`))
		p.shot("part-" + tab)
	}
	p.do(click(`#findings .onmap`))
	p.until(`document.getElementById('map').classList.contains('shown')`)
	p.shot("part-finding")
}

// TestImages holds the screenshots of the documentation against what the page looks like
// now; make images takes them anew.
func TestImages(t *testing.T) {
	dir := os.Getenv("PODCULLIS_IMAGES")
	for name, p := range map[string]*tab{
		"map": openFile(t, shopPage(t)), "map-large": open(t, grown(t, 29, 600), dark),
	} {
		p.until(`document.querySelectorAll('#world .node').length > 0`)
		shot, err := chromedp.Run(p, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		shot = fewColours(t, shot)
		if dir != "" {
			if err := os.WriteFile(filepath.Join(dir, name+".png"), shot, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		file := "../../docs/images/" + name + ".png"
		committed, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if share := differing(t, committed, shot); share > mostDiffering {
			t.Errorf("%s is not what the page looks like: %.1f %% of the pixels differ; make images takes it anew", file, 100*share)
		}
	}
}

// mostDiffering is the share of pixels that another version of the browser or of a font may
// draw otherwise.
const mostDiffering = 0.02

// shopPage is the page of the documentation's map.
func shopPage(t *testing.T) string {
	t.Helper()
	page := filepath.Join(t.TempDir(), "map.html")
	cmd := exec.CommandContext(t.Context(), "go", "run", "./cmd/podcullis", "graph", "-f", "examples/shop-after", "--before", "examples/shop",
		"--config", "examples/shop-guardrails.yaml", "--title", "A change of the shop", "-o", "html="+page)
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return page
}

// differing is the share of pixels of two pictures that are far apart; pictures of
// different sizes have none in common.
func differing(t *testing.T, a, b []byte) float64 {
	t.Helper()
	x, y := decoded(t, a), decoded(t, b)
	if x.Bounds() != y.Bounds() {
		return 1
	}
	n := 0
	for row := range x.Bounds().Dy() {
		for column := range x.Bounds().Dx() {
			p, q := color.GrayModel.Convert(x.At(column, row)).(color.Gray).Y, color.GrayModel.Convert(y.At(column, row)).(color.Gray).Y
			if max(p, q)-min(p, q) > 48 {
				n++
			}
		}
	}
	return float64(n) / float64(x.Bounds().Dx()*x.Bounds().Dy())
}

func decoded(t *testing.T, picture []byte) image.Image {
	t.Helper()
	out, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// fewColours is a picture in the 256 colours that are in it most often, which is a third
// of its size.
func fewColours(t *testing.T, shot []byte) []byte {
	t.Helper()
	from := decoded(t, shot)
	often := map[color.RGBA]int{}
	for y := range from.Bounds().Dy() {
		for x := range from.Bounds().Dx() {
			r, g, b, _ := from.At(x, y).RGBA()
			often[color.RGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), 255}]++
		}
	}
	all := slices.SortedFunc(maps.Keys(often), func(a, b color.RGBA) int { return cmp.Compare(often[b], often[a]) })
	var palette color.Palette
	for _, c := range all[:min(len(all), 256)] {
		palette = append(palette, c)
	}
	to := image.NewPaletted(from.Bounds(), palette)
	draw.Draw(to, to.Bounds(), from, image.Point{}, draw.Src)
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, to); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
