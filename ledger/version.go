package ledger

import "strconv"

// parseVersion reads a resourceVersion. They are numbers that can be compared within
// one resource (KEP-5504); one that is none is older than every other.
func parseVersion(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func formatVersion(n uint64) string { return strconv.FormatUint(n, 10) }
