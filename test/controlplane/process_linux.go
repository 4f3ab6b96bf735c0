package controlplane

import "syscall"

// dependent lets a child process be killed when the thread that started it is gone, and keeps
// Ctrl-C in a terminal from reaching it before us.
func dependent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
