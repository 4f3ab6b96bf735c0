package connectivity

import "slices"

// Join brings the answers to several queries together: what two of them say about the same
// peers is one connection, and what one proves open is not unknown to another.
func Join(lists ...[]Connection) []Connection {
	all := slices.Concat(lists...)
	slices.SortStableFunc(all, compareConnections)
	var out []Connection
	for _, c := range all {
		last := len(out) - 1
		if last < 0 || out[last].From.Compare(c.From) != 0 || out[last].To.Compare(c.To) != 0 {
			out = append(out, c)
			continue
		}
		if open := openPart(out, c); open != nil && c.Unknown != "" {
			rest, some := c.On(c.Ports.Subtract(open.Ports))
			if !some {
				continue
			}
			c = rest
		}
		if out[last].Unknown != c.Unknown {
			out = append(out, c)
			continue
		}
		joined := out[last]
		joined.Ports = joined.Ports.Union(c.Ports)
		joined.Because = slices.Clone(joined.Because)
		for _, b := range c.Because {
			joined.Because = mergeBecause(joined.Because, b)
		}
		slices.SortStableFunc(joined.Because, compareBecause)
		out[last] = joined
	}
	return out
}

// openPart is what is proved open between the peers of a connection, which comes first.
func openPart(list []Connection, c Connection) *Connection {
	for i := len(list) - 1; i >= 0 && list[i].From.Compare(c.From) == 0 && list[i].To.Compare(c.To) == 0; i-- {
		if list[i].Unknown == "" {
			return &list[i]
		}
	}
	return nil
}
