package ledger

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func document() *Document {
	a, b := netpolEntry("shop", "web", "1"), netpolEntry("shop", "db", "2")
	a.ID, b.ID, b.Opaque, b.Content = 3, 5, true, nil
	return &Document{Schema: schema, Sequence: 7, Next: 6, Entries: []Entry{a, b}, Floors: map[string]Floor{"pods": {"12", 4}}}
}

func TestDocument(t *testing.T) {
	data, err := document().Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(document(), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWhatIsNoDocumentIsNoEmptyOne(t *testing.T) {
	valid, err := document().Encode()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		data string
		want error
	}{
		"Nothing":        {"", errGarbled},
		"EmptyObject":    {"{}", errGarbled},
		"Null":           {"null", errGarbled},
		"CutOff":         {string(valid[:len(valid)-9]), errGarbled},
		"MoreBehind":     {string(valid) + "{}", errGarbled},
		"NewerSchema":    {`{"schema":2,"sequence":7,"next":6,"what":[]}`, ErrForeign},
		"NoSequence":     {`{"schema":1,"next":6}`, errGarbled},
		"FieldWeDrop":    {`{"schema":1,"sequence":7,"next":6,"more":1}`, errGarbled},
		"IDsBackwards":   {strings.Replace(string(valid), `"id":5`, `"id":2`, 1), errGarbled},
		"IDNotGivenYet":  {strings.Replace(string(valid), `"next":6`, `"next":5`, 1), errGarbled},
		"Operation":      {strings.Replace(string(valid), `"operation":"create"`, `"operation":"created"`, 1), errGarbled},
		"NoObject":       {strings.Replace(string(valid), `"Name":"web"`, `"Name":""`, 1), errGarbled},
		"FloorNoNumber":  {strings.Replace(string(valid), `"version":"12"`, `"version":"x"`, 1), errGarbled},
		"AnotherOfAKey":  {strings.Replace(string(valid), `"next":6`, `"next":6,"next":1`, 1), errGarbled},
		"EntriesTwice":   {strings.Replace(string(valid), `"floors"`, `"entries":[],"floors"`, 1), errGarbled},
		"OtherSpelling":  {strings.Replace(string(valid), `"entries"`, `"Entries"`, 1), errGarbled},
		"SequenceAsText": {`{"schema":1,"sequence":"7","next":6}`, errGarbled},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d, err := Decode([]byte(tt.data))
			if !errors.Is(err, tt.want) || d != nil {
				t.Errorf("got %+v, %v, want %v", d, err, tt.want)
			}
		})
	}
}

// FuzzDecode holds that a document is refused, or is what would be written again:
// nothing in it is dropped in silence.
func FuzzDecode(f *testing.F) {
	valid, err := document().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(valid)
	f.Add([]byte(`{"schema":1,"sequence":1,"next":1}`))
	f.Add([]byte(`{"schema":2}`))
	f.Add([]byte(`{"schema":1,"sequence":1,"next":2,"entries":[{"id":1,"operation":"barrier"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Decode(data)
		if err != nil {
			if d != nil || (!errors.Is(err, errGarbled) && !errors.Is(err, ErrForeign)) {
				t.Fatalf("got %+v with %v", d, err)
			}
			return
		}
		again, err := d.Encode()
		if err != nil {
			if errors.Is(err, ErrFull) {
				return
			}
			t.Fatal(err)
		}
		twice, err := Decode(again)
		if err != nil {
			t.Fatalf("decode what was encoded, %s: %v", again, err)
		}
		if d.Sequence != twice.Sequence || d.Next != twice.Next || len(d.Entries) != len(twice.Entries) || len(d.Floors) != len(twice.Floors) {
			t.Fatalf("%+v became %+v", d, twice)
		}
		// And whatever it says, a core takes it in, and a view of it is no emptier.
		c := newCore(Options{Now: nil})
		c.saw(epoch, Object{UID: "x", Version: "1"}, d, nil, true)
		if v := c.view(); len(v.Entries) != len(d.Entries) {
			t.Fatalf("%d entries in the document, %d in the view", len(d.Entries), len(v.Entries))
		}
		_, _ = c.nextStore(epoch)
		_, _, _ = c.nextRead(epoch)
		c.observe(epoch, Observation{Resource: "pods", UID: "1", ResourceVersion: "99"})
	})
}
