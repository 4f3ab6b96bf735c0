package ledger

import (
	"testing"
	"time"
)

// TestIDsAreGivenTwiceAfterARestore: what was known of an entry says nothing of another
// that has its ID, in a ledger that was restored and written to by others.
func TestIDsAreGivenTwiceAfterARestore(t *testing.T) {
	old := netpolEntry("shop", "web", "1")
	old.ID, old.Nonce = 3, "a-1"
	c := newCore(Options{})
	c.saw(epoch, Object{UID: "l", Version: "10"}, &Document{Schema: schema, Sequence: 6, Next: 4, Entries: []Entry{old}}, nil, true)
	c.observe(epoch, created(old, 9))
	c.apply(old.Resource, 9)
	c.saw(epoch, Object{UID: "l", Version: "11"}, &Document{Schema: schema, Sequence: 7, Next: 4}, nil, true)

	// Restored to before it, and two writes of others, none of which was seen.
	barriers := []Entry{{ID: 3, Operation: Barrier, Nonce: "b-1"}, {ID: 4, Operation: Barrier, Nonce: "c-1"}}
	c.saw(epoch, Object{UID: "l", Version: "14"}, &Document{Schema: schema, Sequence: 8, Next: 5, Entries: barriers}, nil, true)
	if d, any, _ := c.freed(epoch.Add(time.Second)); any || len(d.Entries) != 2 {
		t.Errorf("freed: %v, %+v", any, d.Entries)
	}
}
