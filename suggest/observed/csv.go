package observed

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// columns are the names that a column of CSV may have.
var columns = map[string][]string{
	"from":     {"from", "source", "src"},
	"to":       {"to", "destination", "dest", "dst"},
	"protocol": {"protocol", "proto"},
	"port":     {"port", "dest_port", "destination_port", "dst_port"},
	"endPort":  {"endport", "end_port"},
	"verdict":  {"verdict", "action"},
	"time":     {"time", "timestamp"},
}

// csv reads rows under a row of names, such as those of `podcullis connections -o csv`.
func (r *reader) csv() error {
	in := csv.NewReader(bytes.NewReader(r.text))
	in.FieldsPerRecord = 0
	in.TrimLeadingSpace = true
	in.Comment = '#'
	head, err := in.Read()
	if err != nil {
		return fmt.Errorf("%s: %w", r.file, err)
	}
	line, _ := in.FieldPos(0)
	at := map[string]int{}
	for column, names := range columns {
		for i, name := range head {
			if slices.Contains(names, strings.ToLower(strings.TrimSpace(name))) {
				at[column] = i
			}
		}
	}
	for _, column := range []string{"from", "to", "port"} {
		if _, ok := at[column]; !ok {
			return r.fault(line, "no column is called %s: the first row names the columns, from,to,protocol,port", column)
		}
	}
	for {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.file, err)
		}
		line, _ := in.FieldPos(0)
		if err := r.row(row, at, line); err != nil {
			return r.fault(line, "%w", err)
		}
	}
}

func (r *reader) row(row []string, at map[string]int, line int) error {
	cell := func(column string) string {
		i, ok := at[column]
		if !ok {
			return ""
		}
		return strings.TrimSpace(row[i])
	}
	r.log.Read++
	t, err := timeOf(cell("time"))
	if err != nil {
		return fmt.Errorf("time: %w", err)
	}
	r.log.seen(t)
	switch strings.ToLower(cell("verdict")) {
	case "", "open", "allow", "allowed", "forwarded":
	case "blocked", "unknown", "deny", "denied", "dropped":
		r.log.Dropped++
		return nil
	default:
		return fmt.Errorf("verdict: want open or blocked, got %q", cell("verdict"))
	}
	out := Flow{At: Location{r.file, line}}
	protocol := cell("protocol")
	if protocol == "" {
		protocol = "TCP"
	}
	var known bool
	if out.Protocol, known = protocolOf(protocol); !known {
		return fmt.Errorf("protocol: want TCP, UDP or SCTP, got %q", protocol)
	}
	if out.First, err = portOf(cell("port")); err != nil {
		return fmt.Errorf("port: %w", err)
	}
	out.Last = out.First
	if end := cell("endPort"); end != "" {
		if out.Last, err = portOf(end); err != nil {
			return fmt.Errorf("endPort: %w", err)
		}
	}
	if out.Last < out.First {
		return fmt.Errorf("endPort: %d is before the port %d", out.Last, out.First)
	}
	if out.From, err = ParseEnd(cell("from")); err != nil {
		return fmt.Errorf("from: %w", err)
	}
	if out.To, err = ParseEnd(cell("to")); err != nil {
		return fmt.Errorf("to: %w", err)
	}
	r.log.add(out)
	return nil
}

// ParseEnd reads namespace/name, namespace/Kind/name, an address or a CIDR.
func ParseEnd(text string) (End, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return End{Address: a.Unmap().WithZone("")}, nil
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		return End{Blocks: []netip.Prefix{p.Masked()}}, nil
	}
	parts := strings.Split(text, "/")
	if slices.Contains(parts, "") {
		return End{}, fmt.Errorf("%q is neither namespace/name, namespace/Kind/name, an address nor a CIDR", text)
	}
	switch len(parts) {
	case 2:
		return End{Namespace: parts[0], Pod: parts[1]}, nil
	case 3:
		return End{Namespace: parts[0], Kind: parts[1], Name: parts[2]}, nil
	}
	return End{}, fmt.Errorf("%q is neither namespace/name, namespace/Kind/name, an address nor a CIDR", text)
}
