package main

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/test/controlplane/binaries"
)

// TestEveryFigureIsMeasured runs everything once, as small as it gets. No value is
// looked at: the machine is busy with other tests.
func TestEveryFigureIsMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts both servers")
	}
	t.Setenv(binaries.OverrideEnv, t.TempDir()+"/absent") // filling an API server takes long
	var out, progress bytes.Buffer
	err := run(t.Context(), []string{
		"-o", "json", "-scale", "0.05", "-samples", "5", "-budget", "1s", "-phase", "200ms", "-rounds", "1",
	}, &out, &progress)
	if err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	var got struct {
		Machine Machine
		Figures []Figure
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v in:\n%s", err, out.String())
	}
	var names []string
	for _, f := range got.Figures {
		names = append(names, f.Name)
		switch memory := strings.HasPrefix(f.Name, "memory-"); {
		case memory && f.NotMeasured == "":
			t.Errorf("%s: does not say that there is no control plane", f.Name)
		case !memory && (f.Value == nil || f.How == "" || f.Samples == 0):
			t.Errorf("%s: no value, or it does not say how it was measured: %+v", f.Name, f)
		case f.Goal != nil:
			t.Errorf("%s: has a goal at a scale that no goal is about", f.Name)
		}
	}
	var want []string
	for _, r := range rows() {
		want = append(want, r.Name)
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
	if got.Machine.Cores == 0 || got.Machine.Go == "" {
		t.Errorf("machine not told: %+v", got.Machine)
	}
}

func TestGoals(t *testing.T) {
	s := newSheet(settings{scale: 1, clockName: "wall"}, io.Discard)
	s.put("model-build", 0.5, 5, "quickly")
	s.put("model-size", 51, 1, "on the scales")
	s.put("https-throughput", 0.69, 100, "in turns")
	s.put("model-open-list-length", 12345, 1, "counted")
	s.skip("memory", "nowhere to run")
	s.only = regexp.MustCompile("")
	var out bytes.Buffer
	s.machine = Machine{Cores: 2, Go: "go1", OS: "linux", Arch: "amd64", Load: "0.10"}
	if err := s.writeText(&out); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(out.String()) {
		lines = append(lines, strings.TrimRight(line, "\n"))
	}
	want := []string{
		"2 cores, go1, linux/amd64, load average before the run 0.10, scale 1, seed 0, model by wall time",
		"",
		"FIGURE                  VALUE    GOAL       MET  SAMPLES  WHAT",
		"model-build             0.500 s  ≤ 1.00 s   yes  5        build a snapshot from objects, and answer the first question",
		"model-size              51.0 MB  ≤ 50.0 MB  NO   1        the model in memory, with the indexes of the first question",
		"model-open-list-length  12345                    1        connections in that list",
		"https-throughput        0.690 ×  ≥ 0.700 ×  NO   100      reviews a second, as a share of the no-op webhook's",
		"memory-rss              -                                 memory of the whole server, following an API server",
		"memory-rss-peak         -                                 its highest memory, while it lists",
		"",
		"How:",
		"  model-build: quickly",
		"  model-size: on the scales",
		"  model-open-list-length: counted",
		"  https-throughput: in turns",
		"  memory-rss: not measured: nowhere to run",
		"  memory-rss-peak: not measured: nowhere to run",
		"",
		"Missed: model-size, https-throughput",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

func TestWrongArguments(t *testing.T) {
	for name, args := range map[string][]string{
		"UnknownFormat": {"-o", "xml"},
		"NoFigure":      {"-run", "nonsense"},
		"NoPattern":     {"-run", "("},
		"Argument":      {"model"},
		"UnknownClock":  {"-clock", "sun"},
		"NoScale":       {"-scale", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := run(t.Context(), args, &out, io.Discard); err == nil || out.Len() > 0 {
				t.Errorf("error %v, output %q; want an error and nothing measured", err, out.String())
			}
		})
	}
}
