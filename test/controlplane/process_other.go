//go:build unix && !linux

package controlplane

import "syscall"

// dependent keeps Ctrl-C in a terminal from reaching a child process before us. A child that dies
// with its parent is something only Linux has.
func dependent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
