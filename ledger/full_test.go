package ledger

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A namespace has used its share, and more of its changes wait for room. They cost the
// changes of others nothing: nobody takes them into account, and they are not judged
// again each time that somebody else's change is written.
func TestWhoWaitsForRoomCostsOthersNothing(t *testing.T) {
	c := newCore(Options{Random: func() float64 { return 0.5 }})
	now := epoch
	d := &Document{Schema: schema, Sequence: 1, Next: 1}
	for i := range MaxEntries {
		e := netpolEntry("tenant", fmt.Sprintf("n%d", i), fmt.Sprintf("u%d", i))
		e.ID, e.Set, e.Nonce, d.Next = d.Next, c.Set(), fmt.Sprintf("x-%d", i), d.Next+1
		d.Entries = append(d.Entries, e)
	}
	first := d.Entries[0]
	c.saw(now, Object{UID: "l", Version: "10"}, d, nil, true)

	judged := map[*ticket]int{}
	judge := func(tickets ...*ticket) {
		for _, ticket := range tickets {
			if v, ok := c.toJudge(ticket); ok {
				judged[ticket]++
				c.judged(ticket, v, nil)
			}
		}
	}
	// write lets the store do what there is to do now.
	version := 10
	write := func() *Document {
		now = now.Add(time.Second)
		s, _ := c.nextStore(now)
		if s.kind == load {
			c.loaded(now, c.object, c.doc, nil)
			s, _ = c.nextStore(now)
		}
		if s.kind != save {
			return nil
		}
		version++
		c.saved(now, Object{UID: "l", Version: fmt.Sprint(version)}, nil)
		return s.doc
	}

	over := c.begin(now, netpolEntry("tenant", "over", "over"), View{})
	judge(over)
	write()
	for i := range 5 {
		other := c.begin(now, netpolEntry("web", fmt.Sprint(i), fmt.Sprintf("o%d", i)), View{})
		for _, e := range c.viewFor(other).Entries {
			if e.Ref.Name == "over" {
				t.Fatal("others are judged with what there is no room for")
			}
		}
		judge(other, over)
		if doc := write(); doc == nil || other.state != ticketDone || other.err != nil {
			t.Fatalf("the change of somebody else: %v, %v", other.state, other.err)
		}
		judge(over)
	}
	if judged[over] > 1 {
		t.Errorf("what there is no room for was judged %d times", judged[over])
	}
	if !errors.Is(over.reason, ErrFull) || over.state == ticketDone {
		t.Errorf("it waits for %v, state %v", over.reason, over.state)
	}

	c.observe(now, created(first, 60))
	c.apply(first.Resource, 60)
	judge(over)
	if doc := write(); doc == nil || over.state != ticketDone || over.err != nil {
		t.Errorf("when there is room: state %v, %v", over.state, over.err)
	}
}

// A dozen namespaces take all that they can get, and then another dozen. Whoever has nothing in
// the ledger gets its change in.
func TestManyNamespacesDoNotFillTheLedger(t *testing.T) {
	for _, size := range []int{100, 400, 3000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			r := newRoom(nil)
			enter := func(namespace string, i, size int) error {
				e := netpolEntry(namespace, fmt.Sprintf("n%d", i), fmt.Sprintf("%s-%d", namespace, i))
				e.Content = []byte(fmt.Sprintf(`{"x":%q}`, strings.Repeat("x", size)))
				return r.enter(e)
			}
			for round := range 2 {
				for n := range 12 {
					for i := range MaxEntries {
						if err := enter(fmt.Sprintf("greedy-%d-%d", round, n), i, size); err != nil && !errors.Is(err, ErrFull) {
							t.Fatal(err)
						}
					}
				}
				if err := enter(fmt.Sprintf("modest-%d", round), 0, 100); err != nil {
					t.Errorf("after %d greedy namespaces: %v", 12*(round+1), err)
				}
			}
			if r.size > MaxSize {
				t.Errorf("%d bytes", r.size)
			}
		})
	}
}
