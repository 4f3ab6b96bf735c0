package connectivity

import (
	"net/netip"
	"testing"
)

// FuzzAddresses: addresses that are cut along blocks with exceptions are disjoint, lose
// none, and each piece is wholly inside or outside of each block.
func FuzzAddresses(f *testing.F) {
	f.Add("0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3")
	f.Add("10.0.0.0/24", "0.0.0.0/1", "128.0.0.0/1", "10.0.0.7/32", "10.0.0.7")
	f.Add("::/0", "2001:db8::/32", "2001:db8::/128", "::/1", "2001:db8::1")
	f.Add("0.0.0.0/0", "::/0", "::ffff:10.0.0.0/104", "255.255.255.255/32", "255.255.255.255")
	f.Fuzz(func(t *testing.T, of, first, except, second, probe string) {
		block, err := netip.ParsePrefix(of)
		if err != nil {
			t.Skip()
		}
		block = block.Masked()
		cuts := [][]netip.Prefix{}
		for _, texts := range [][]string{{first, except}, {second}} {
			var cut []netip.Prefix
			for _, text := range texts {
				p, err := netip.ParsePrefix(text)
				if err != nil {
					t.Skip()
				}
				cut = append(cut, p.Masked())
			}
			cuts = append(cuts, cut)
		}
		a, err := netip.ParseAddr(probe)
		if err != nil || a.Zone() != "" {
			t.Skip()
		}
		all := regions{{addresses: setOf(block)}}
		for _, cut := range cuts {
			all = all.cut(setOf(cut[0], cut[1:]...))
		}
		within := func(a netip.Addr, cut []netip.Prefix) bool {
			if !cut[0].Contains(a) {
				return false
			}
			for _, except := range cut[1:] {
				if except.Contains(a) {
					return false
				}
			}
			return true
		}
		holders := 0
		for _, r := range all {
			if r.addresses.Contains(a) {
				holders++
			}
			ends := []netip.Addr{r.first()}
			for _, part := range r.addresses.Ranges() {
				ends = append(ends, part.From(), part.To())
			}
			for _, cut := range cuts {
				for _, end := range ends {
					if within(end, cut) != within(r.first(), cut) {
						t.Errorf("%v is cut by %v: %s and %s are in one piece", block, cut, r.first(), end)
					}
				}
			}
		}
		want := 0
		if block.Contains(a) {
			want = 1
		}
		if holders != want {
			t.Errorf("%s is in %d pieces of %s, want %d", a, holders, block, want)
		}
	})
}
