//go:build !unix

package webhook

import "net"

// hasUnread is not known here.
func hasUnread(net.Conn) bool { return false }
