package manifest_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/podcullis/podcullis/cluster/manifest"
)

// FuzzLoad: whatever the input, there is a set that makes a snapshot or an error
// with a place; and the JSON of every object reads as the same object.
func FuzzLoad(f *testing.F) {
	archive, err := txtar.ParseFile("testdata/errors.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archive.Files {
		f.Add(file.Data)
	}
	f.Add([]byte(strings.ReplaceAll(netpol, "%", "a")))
	f.Add([]byte("{\"apiVersion\":\"v1\",\"kind\":\"PodList\",\"items\":[{\"metadata\":{\"name\":\"a\"}}]}"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		lines := 1 + bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r")) +
			bytes.Count(data, []byte("\u0085")) + bytes.Count(data, []byte("\u2028")) + bytes.Count(data, []byte("\u2029"))
		set, err := manifest.Load([]string{"-"}, bytes.NewReader(data))
		var all manifest.Errors
		switch {
		case errors.As(err, &all):
			for _, e := range all {
				if e.Reason == "" || e.Location.Line < 0 || e.Location.Line > lines {
					t.Errorf("error %q at line %d of %d", e.Reason, e.Location.Line, lines)
				}
			}
			return
		case err != nil && !errors.Is(err, manifest.ErrNothing):
			t.Fatalf("an error of another kind: %v", err)
		}
		if _, err := set.Snapshot(); err != nil {
			t.Errorf("snapshot: %v", err)
		}
		for _, o := range set.Objects {
			if o.Location.Line < 1 || o.Location.Line > lines {
				t.Errorf("%s is at line %d of %d", o.Ref(), o.Location.Line, lines)
			}
			again, err := manifest.Load([]string{"-"}, bytes.NewReader(o.JSON))
			if err != nil || len(again.Objects) != 1 || again.Objects[0].Ref() != o.Ref() || !bytes.Equal(again.Objects[0].JSON, o.JSON) {
				t.Errorf("%s read again from %s: %v", o.Ref(), o.JSON, err)
			}
		}
	})
}
