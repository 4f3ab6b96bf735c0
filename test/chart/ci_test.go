package chart

import (
	"os"
	"path/filepath"
	"testing"
)

// The values with which a chart-testing tool would install the chart hold.
func TestCIValuesRender(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(chartDir, "ci", "*-values.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			values, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r := install(t, string(values))
			everyObjectBelongsToTheRelease(t, r)
			configurationLoads(t, r)
		})
	}
}
