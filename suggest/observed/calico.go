package observed

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

var errNobody = errors.New("names neither a pod of a namespace nor an address")

func countOf(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return n, nil
}

// calico reads a flow log of Calico, or a flow of Goldmane: a FlowResult, the Flow in it, or
// how Whisker shows it. Both ends report a flow; what the source let through and the
// destination did not has not got through.
func (r *reader) calico(f fields, line int) error {
	if o := f.object("flow"); o != nil {
		f = o
	}
	times := f
	if key := f.object("key"); key != nil {
		f = key
	}
	r.log.Read++
	for _, name := range []string{"starttime", "endtime"} {
		t, err := timeOf(times.text(name))
		if err != nil {
			return r.fault(line, "%s: %w", name, err)
		}
		r.log.seen(t)
	}
	protocol := f.text("proto")
	if protocol == "" {
		protocol = f.text("protocol")
	}
	if protocol == "" {
		return r.fault(line, "has no proto")
	}
	out := Flow{At: Location{r.file, line}}
	var known bool
	if out.Protocol, known = protocolOf(protocol); !known {
		r.log.Portless++
		return nil
	}
	var err error
	if out.First, err = portOf(f.text("destport")); err != nil {
		return r.fault(line, "dest_port: %w", err)
	}
	out.Last = out.First
	if out.From, err = calicoEnd(f, "source"); err != nil {
		return r.fault(line, "source: %w", err)
	}
	if out.To, err = calicoEnd(f, "dest"); err != nil {
		return r.fault(line, "dest: %w", err)
	}
	return r.acted(f, out, line)
}

// acted notes what was done with a flow, and at which end.
func (r *reader) acted(f fields, out Flow, line int) error {
	key := keyOf(out)
	atDestination := strings.EqualFold(f.text("reporter"), "dst")
	switch strings.ToLower(f.text("action")) {
	case "allow", "1":
		if atDestination {
			r.log.passed[key] = true
		}
		r.log.add(out)
	case "deny", "2":
		r.log.Dropped++
		if atDestination {
			r.log.denied[key] = true
		}
	case "pass", "3":
		r.log.Others++
	default:
		return r.fault(line, "action: want allow or deny, got %q", f.text("action"))
	}
	return nil
}

// Addresses that Calico does not tell apart: those of private networks (RFC 1918, 4193), and
// all others.
var (
	private = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fc00::/7")}
	public  = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
)

func calicoEnd(f fields, side string) (End, error) {
	name := f.text(side + "name")
	if name == "" {
		name = f.text(side + "nameaggr")
	}
	a, err := addressOf(f.text(side + "ip"))
	if err != nil {
		return End{}, err
	}
	out := End{Namespace: f.text(side + "namespace"), Pod: name}
	kind := strings.ToLower(f.text(side + "type"))
	switch {
	case kind == "hep" || kind == "hostendpoint":
		return End{Address: a, Host: true}, nil
	case kind == "wep" || kind == "workloadendpoint" || kind == "" && out.Namespace != "":
		if out.Namespace == "" || name == "" {
			return out, errNobody
		}
		return out, nil
	case a.IsValid():
		return End{Address: a}, nil
	case name == "pub":
		return End{Blocks: public}, nil
	case name == "pvt":
		return End{Blocks: private}, nil
	}
	return out, fmt.Errorf("%q is of type %q, and its address is not told", name, kind)
}
