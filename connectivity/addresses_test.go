package connectivity_test

import (
	"net/netip"
	"strings"
	"testing"

	"go4.org/netipx"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/connectivity"
)

// set is a block without others, as the fewest blocks.
func set(block string, except ...string) []netip.Prefix {
	var b netipx.IPSetBuilder
	b.AddPrefix(netip.MustParsePrefix(block))
	for _, e := range except {
		b.RemovePrefix(netip.MustParsePrefix(e))
	}
	s, _ := b.IPSet()
	return s.Prefixes()
}

func TestAddressesAsPeopleWriteThem(t *testing.T) {
	private := []string{"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"}
	for name, c := range map[string]struct {
		blocks []netip.Prefix
		want   string
	}{
		"One":           {set("10.0.0.0/8"), "10.0.0.0/8"},
		"All":           {set("0.0.0.0/0"), "0.0.0.0/0"},
		"BothFamilies":  {append(set("0.0.0.0/0"), set("::/0")...), "0.0.0.0/0 and ::/0"},
		"ButPrivate":    {set("0.0.0.0/0", private...), "anywhere but 10.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16"},
		"ButOne":        {set("10.0.0.0/8", "10.1.0.0/16"), "10.0.0.0/8 but 10.1.0.0/16"},
		"ButInIPv6":     {set("::/0", "fd00::/8"), "::/0 but fd00::/8"},
		"ButAQuarter":   {set("0.0.0.0/0", "192.0.0.0/2"), "anywhere but 192.0.0.0/2"},
		"Half":          {set("0.0.0.0/0", "0.0.0.0/1"), "128.0.0.0/1"},
		"Several":       {append(set("10.0.0.0/8"), set("192.168.0.0/16")...), "10.0.0.0/8, 192.168.0.0/16"},
		"AHoleInAHole":  {append(set("0.0.0.0/0", "10.0.0.0/8"), set("10.1.0.0/16")...), "anywhere but 10.0.0.0/8; and 10.1.0.0/16"},
		"ButOneAndIPv6": {append(set("0.0.0.0/0", "172.16.0.0/28"), set("::/0")...), "anywhere but 172.16.0.0/28 (IPv6 included)"},
		"ButInBoth":     {append(set("0.0.0.0/0", "10.0.0.0/8"), set("::/0", "fd00::/8")...), "anywhere but 10.0.0.0/8; and ::/0 but fd00::/8"},
		"OneAddress":    {set("0.0.0.0/0", "10.1.2.3/32"), "anywhere but 10.1.2.3/32"},
		"NeighboursOne": {append(set("10.0.0.0/9"), set("10.128.0.0/9")...), "10.0.0.0/8"},
		"ManyHoles": {
			set("0.0.0.0/0", "1.0.0.0/24", "3.0.0.0/24", "5.0.0.0/24", "7.0.0.0/24", "9.0.0.0/24", "11.0.0.0/24", "13.0.0.0/24", "15.0.0.0/24", "17.0.0.0/24", "19.0.0.0/24"),
			"anywhere but 1.0.0.0/24, 3.0.0.0/24, 5.0.0.0/24, 7.0.0.0/24, 9.0.0.0/24, 11.0.0.0/24, 13.0.0.0/24 and 3 more blocks",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := connectivity.AddressesText(c.blocks); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// What the text says is the set: read back, "but" takes away and "; and" adds.
func TestAddressesTextIsTheSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b netipx.IPSetBuilder
		for _, isIn := range rapid.SliceOfN(rapid.Bool(), 1, 3).Draw(t, "in") {
			bits := rapid.IntRange(0, 6).Draw(t, "bits")
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{rapid.Byte().Draw(t, "a")}), bits).Masked()
			if isIn {
				b.AddPrefix(p)
			} else {
				b.RemovePrefix(p)
			}
		}
		want, _ := b.IPSet()
		text := connectivity.AddressesText(want.Prefixes())
		if strings.Contains(text, " more blocks") {
			t.Skip("not all of it is named")
		}
		var back netipx.IPSetBuilder
		if text != "" {
			for _, part := range strings.Split(text, "; and ") {
				whole, but, _ := strings.Cut(part, " but ")
				for _, p := range strings.Split(strings.Replace(whole, "anywhere", "0.0.0.0/0", 1), ", ") {
					back.AddPrefix(netip.MustParsePrefix(p))
				}
				if but != "" {
					for _, p := range strings.Split(but, ", ") {
						back.RemovePrefix(netip.MustParsePrefix(p))
					}
				}
			}
		}
		got, _ := back.IPSet()
		if !got.Equal(want) {
			t.Errorf("%q reads as %v, want %v", text, got.Prefixes(), want.Prefixes())
		}
	})
}
