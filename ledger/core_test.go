package ledger

import (
	"errors"
	"testing"
	"time"
)

// settledCore is a core that knows a document with an entry.
func settledCore(e Entry) *core {
	c := newCore(Options{Random: func() float64 { return 0.5 }})
	e.ID = 1
	c.saw(epoch, Object{UID: "l", Version: "10"}, &Document{Schema: schema, Sequence: 1, Next: 2, Entries: []Entry{e}}, nil, true)
	return c
}

func TestWhatSettlesAnEntry(t *testing.T) {
	np := netpolEntry("shop", "web", "1")
	update, bind := np, np
	update.Operation, update.Base = Update, "50"
	bind.Operation, bind.Resource = Bind, "pods"
	seen := func(e Entry, uid, version string, change ...func(*Observation)) Observation {
		o := created(e, 0)
		o.ResourceVersion = version
		if uid != "" {
			o.UID = "2"
		}
		for _, c := range change {
			c(&o)
		}
		return o
	}
	bound := func(o *Observation) { o.Bound = true }
	terminating := func(o *Observation) { o.Terminating = true }
	deleted := func(o *Observation) { o.Deleted = true }
	tests := map[string]struct {
		entry Entry
		seen  Observation
		want  bool
	}{
		"CreationByItsUID":           {np, seen(np, "", "60"), true},
		"CreationGoneAgain":          {np, seen(np, "", "61", deleted), true},
		"CreationByAnotherOfTheName": {np, seen(np, "2", "60"), false},
		"UpdateAbove":                {update, seen(update, "", "51"), true},
		"UpdateAtItsBase":            {update, seen(update, "", "50"), false},
		"UpdateBefore":               {update, seen(update, "", "49"), false},
		"VersionsAreNumbers":         {update, seen(update, "", "100"), true},
		"VersionThatIsNone":          {update, seen(update, "", "x"), false},
		"UpdateOfAnotherUID":         {update, seen(update, "2", "51"), false},
		"Bound":                      {bind, seen(bind, "", "60", bound), true},
		"BindingWhosePodGoes":        {bind, seen(bind, "", "60", terminating), true},
		"NotBoundYet":                {bind, seen(bind, "", "60"), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, first := range []bool{false, true} { // the event may come before the document
				c := settledCore(tt.entry)
				if first {
					c = newCore(Options{})
					c.observe(epoch, tt.seen)
					e := tt.entry
					e.ID = 1
					c.saw(epoch, Object{UID: "l", Version: "10"}, &Document{Schema: schema, Sequence: 1, Next: 2, Entries: []Entry{e}}, nil, true)
				} else {
					c.observe(epoch, tt.seen)
				}
				c.apply(tt.entry.Resource, 200)
				if got := len(c.view().Entries) == 0; got != tt.want {
					t.Errorf("event first %v: settled %v, want %v", first, got, tt.want)
				}
			}
		})
	}
}

func TestASnapshotThatDoesNotShowItYetHasItInFlight(t *testing.T) {
	e := netpolEntry("shop", "web", "1")
	c := settledCore(e)
	c.apply(e.Resource, 59)
	c.observe(epoch, created(e, 60))
	if len(c.view().Entries) != 1 {
		t.Error("the snapshot is at 59, and the event at 60")
	}
	c.apply(e.Resource, 60)
	if len(c.view().Entries) != 0 {
		t.Error("the snapshot is at 60")
	}
	c.listed(e.Resource, 40) // an older list
	if len(c.view().Entries) != 1 {
		t.Error("the snapshot is at 40 again")
	}
}

func TestWhatAQuorumReadDecides(t *testing.T) {
	np := netpolEntry("shop", "web", "1")
	update, gone, bind := np, np, np
	update.Operation, update.Base = Update, "50"
	gone.Operation, gone.Base = Delete, "50"
	bind.Operation = Bind
	tests := map[string]struct {
		entry Entry
		read  Outcome
		want  settlement
		ok    bool
	}{
		"CreationThatNeverCame":   {np, Outcome{ReadVersion: "90"}, settlement{lost: true}, true},
		"CreationThatCame":        {np, Outcome{Found: true, UID: "1", ResourceVersion: "70"}, settlement{version: 70}, true},
		"AnotherOfTheName":        {np, Outcome{Found: true, UID: "2", ResourceVersion: "70"}, settlement{lost: true}, true},
		"UpdateThatNeverCame":     {update, Outcome{Found: true, UID: "1", ResourceVersion: "50"}, settlement{lost: true}, true},
		"UpdateThatCame":          {update, Outcome{Found: true, UID: "1", ResourceVersion: "51"}, settlement{version: 51}, true},
		"UpdateOfWhatIsGone":      {update, Outcome{ReadVersion: "90"}, settlement{}, true},
		"UpdateOfWhatWasReplaced": {update, Outcome{Found: true, UID: "2", ResourceVersion: "80"}, settlement{version: 80}, true},
		"DeletionThatNeverCame":   {gone, Outcome{Found: true, UID: "1", ResourceVersion: "50"}, settlement{lost: true}, true},
		"DeletionNobodySaw":       {gone, Outcome{ReadVersion: "90"}, settlement{version: 90}, true},
		"DeletionWithoutAVersion": {gone, Outcome{}, settlement{}, false},
		"BindingThatNeverCame":    {bind, Outcome{Found: true, UID: "1", ResourceVersion: "70"}, settlement{lost: true}, true},
		"BindingThatCame":         {bind, Outcome{Found: true, UID: "1", ResourceVersion: "70", Bound: true}, settlement{version: 70}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := newCore(Options{}).decide(tt.entry, tt.read)
			if got != tt.want || ok != tt.ok {
				t.Errorf("got %+v, %v, want %+v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

// TestLedgersThatAreNotTheSame: what a replica remembers tells it that one got lost.
func TestLedgersThatAreNotTheSame(t *testing.T) {
	barrier := Entry{ID: 1, Operation: Barrier}
	tests := map[string]struct {
		object Object
		doc    *Document
		repair bool
	}{
		"TheNext":              {Object{UID: "l", Version: "11"}, &Document{Sequence: 8, Next: 9}, false},
		"Older":                {Object{UID: "l", Version: "11"}, &Document{Sequence: 3, Next: 9}, true},
		"TheSameWrittenAgain":  {Object{UID: "l", Version: "11"}, &Document{Sequence: 7, Next: 9}, true},
		"IDsOnceMore":          {Object{UID: "l", Version: "11"}, &Document{Sequence: 8, Next: 8}, true},
		"EtcdRestored":         {Object{UID: "l", Version: "9"}, &Document{Sequence: 8, Next: 9}, true},
		"Replaced":             {Object{UID: "m", Version: "11"}, &Document{Sequence: 8, Next: 9}, true},
		"ReplacedWithABarrier": {Object{UID: "m", Version: "11"}, &Document{Sequence: 1, Next: 2, Entries: []Entry{barrier}}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCore(Options{})
			c.saw(epoch, Object{UID: "l", Version: "10"}, &Document{Schema: schema, Sequence: 7, Next: 9}, nil, true)
			tt.doc.Schema = schema
			c.saw(epoch, tt.object, tt.doc, nil, true)
			if got := c.repair != ""; got != tt.repair {
				t.Fatalf("it is begun anew: %v (%s), want %v", got, c.repair, tt.repair)
			}
			if !tt.repair {
				return
			}
			w := c.prepare(epoch)
			if w == nil || len(w.doc.Entries) != 1 || w.doc.Entries[0].Operation != Barrier {
				t.Fatalf("got %+v, want a barrier", w)
			}
			if data, err := w.doc.Encode(); err != nil {
				t.Error(err)
			} else if _, err := Decode(data); err != nil {
				t.Error(err)
			}
		})
	}
	c := newCore(Options{})
	c.saw(epoch, Object{UID: "l", Version: "10"}, &Document{Schema: schema, Sequence: 7, Next: 9}, nil, true)
	if c.saw(epoch, Object{UID: "l", Version: "9"}, &Document{Schema: schema, Sequence: 6, Next: 9}, nil, false); c.repair != "" {
		t.Error("a watch that is late shows an older one, and that is no loss")
	}
}

// TestANewLedger: who made it knows that nothing is in flight, if nobody wrote since and
// if it was told so. A creation that lands late may be of one that was lost.
func TestANewLedger(t *testing.T) {
	for _, lost := range []bool{false, true} {
		c := newCore(Options{Fresh: true})
		if s, _ := c.nextStore(epoch); s.kind != load {
			t.Fatalf("got %+v", s)
		}
		c.loaded(epoch, Object{}, nil, ErrMissing)
		s, _ := c.nextStore(epoch)
		if s.kind != create || len(s.doc.Entries) != 1 || s.doc.Entries[0].Operation != Barrier {
			t.Fatalf("got %+v", s)
		}
		object := Object{UID: "l", Version: "5"}
		if lost {
			c.saved(epoch, Object{}, errLost)
			c.loading = true
			c.loaded(epoch, object, s.doc, nil)
		} else {
			c.saved(epoch, object, nil)
		}
		s, _ = c.nextStore(epoch.Add(time.Second / 2))
		if lifted := s.kind == save && len(s.doc.Entries) == 0; lifted == lost {
			t.Errorf("lost %v: got %+v", lost, s)
		}
	}
}

// TestABarrierEndsWithFloors: what got lost shows in every resource before anything is
// allowed.
func TestABarrierEndsWithFloors(t *testing.T) {
	c := newCore(Options{Resources: []string{"pods", "namespaces"}, Newest: neverAsked, Random: func() float64 { return 0 }})
	c.saw(epoch, Object{UID: "l", Version: "10"}, &Document{Schema: schema, Sequence: 1, Next: 2, Entries: []Entry{{ID: 1, Operation: Barrier}}}, nil, true)
	c.loadedAt = epoch
	ticket := c.begin(epoch, netpolEntry("shop", "web", "1"), View{})
	if _, ok := c.toJudge(ticket); ok || !errors.Is(ticket.err, ErrBarrier) {
		t.Errorf("behind a barrier: %v", ticket.err)
	}
	early := epoch.Add(99 * time.Second)
	if _, ok, _ := c.nextRead(early); ok {
		t.Error("read too early")
	}
	late := epoch.Add(101 * time.Second)
	for _, want := range []string{"pods", "namespaces"} {
		r, ok, _ := c.nextRead(late)
		if !ok || r.newest != want {
			t.Fatalf("got %+v, want %s", r, want)
		}
		c.readNewest(late, r.newest, 77, nil)
	}
	w := c.prepare(late)
	if w == nil || len(w.doc.Entries) != 0 || w.doc.Floors["pods"] != (Floor{"77", 1}) || w.doc.Floors["namespaces"] != (Floor{"77", 1}) {
		t.Errorf("got %+v", w)
	}
}

// TestAReadAboutAnotherLedgerSaysNothing: IDs begin anew with another object.
func TestAReadAboutAnotherLedgerSaysNothing(t *testing.T) {
	old, other := netpolEntry("shop", "web", "1"), netpolEntry("shop", "db", "2")
	old.ID, old.Nonce, other.ID, other.Nonce = 1, "a", 1, "b"
	c := newCore(Options{Resources: []string{"pods"}, Newest: neverAsked})
	c.saw(epoch, Object{UID: "l", Version: "10"}, &Document{Schema: schema, Sequence: 1, Next: 2, Entries: []Entry{old}}, nil, true)
	late := epoch.Add(time.Minute)
	r, ok, _ := c.nextRead(late)
	if !ok || r.entry == nil {
		t.Fatalf("got %+v", r)
	}
	barrier := Entry{ID: 2, Operation: Barrier}
	c.saw(late, Object{UID: "m", Version: "11"}, &Document{Schema: schema, Sequence: 1, Next: 3, Entries: []Entry{other, barrier}}, nil, true)
	c.outcome(late, r, Outcome{}, nil)
	if v := c.view(); len(v.Entries) != 2 {
		t.Errorf("in flight: %+v", v.Entries)
	}
	c.reading, c.barrier = true, barrierOf{"l", 1}
	c.readNewest(late, "pods", 5, nil)
	if len(c.newest) != 0 {
		t.Errorf("a floor that was read for another barrier: %v", c.newest)
	}
}
