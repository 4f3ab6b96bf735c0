//go:build !unix

package serving

import "net"

// hasUnread is not known here.
func hasUnread(net.Conn) bool { return false }
