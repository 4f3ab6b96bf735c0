package rotation

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// One machine's clock is wrong while it is the one that makes the certificate. The others
// must be able to serve it, and must not make it anew each in turn.
func TestAWrongClockLeavesACertificateForEverybody(t *testing.T) {
	const day = 24 * time.Hour
	for name, off := range map[string]time.Duration{
		"AnHourAhead": time.Hour, "AWeekAhead": 7 * day, "AYearAhead": 365 * day, "NineYearsAhead": 9 * 365 * day,
		"AnHourBehind": -time.Hour, "AWeekBehind": -7 * day, "HalfAYearBehind": -180 * day,
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient()
			wrong, right := keeper(t, c), keeper(t, c)
			wrong.now = func() time.Time { return time.Now().Add(off) }
			keep(t, wrong)
			for range 3 {
				keep(t, right)
				keep(t, wrong)
			}
			if err := verify(t, right, c); err != nil {
				t.Errorf("the one with the right clock serves what nobody accepts: %v", err)
			}
			settled := read(t, right)
			for range 3 {
				keep(t, wrong)
				keep(t, right)
			}
			if !bytes.Equal(read(t, right), settled) || !bytes.Equal(read(t, wrong), settled) {
				t.Error("the two make it anew in turn")
			}
		})
	}
}

// A certificate that is to come was made by a clock that was ahead; nobody waits for it.
func TestACertificateThatIsToComeIsMadeAnew(t *testing.T) {
	c := newClient()
	k := keeper(t, c)
	k.now = func() time.Time { return time.Now().Add(2 * back) }
	keep(t, k)
	k.now = time.Now
	for range 3 {
		keep(t, k)
	}
	if err := verify(t, k, c); err != nil {
		t.Error(err)
	}
}

// What cannot be written leaves the pair that was there.
func TestAFullDiskLeavesThePairThatWasThere(t *testing.T) {
	c := newClient()
	k := keeper(t, c)
	keep(t, k)
	before := read(t, k)
	k.now = func() time.Time { return time.Now().Add(leafLifetime) }
	// A directory of the name is what cannot be written, to root neither.
	last := filepath.Join(k.options.Dir, "tls.crt.new")
	if err := os.Mkdir(last, 0o700); err != nil {
		t.Fatal(err)
	}
	err := k.Keep(t.Context())
	if err == nil || !strings.Contains(err.Error(), "write certificate") || !strings.Contains(err.Error(), syscall.EISDIR.Error()) {
		t.Fatalf("got %v", err)
	}
	if !bytes.Equal(read(t, k), before) { // read checks that it is a pair
		t.Error("half of the new pair is there")
	}
	if err := os.Remove(last); err != nil {
		t.Fatal(err)
	}
	keep(t, k)
	if bytes.Equal(read(t, k), before) {
		t.Error("the new pair is not written once there is room")
	}
}
