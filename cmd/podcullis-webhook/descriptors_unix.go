//go:build unix

package main

import "syscall"

// descriptors is how many files this process may have open; 0 when it is not known. Go has
// raised it to the most that is allowed.
func descriptors() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return limit.Cur
}
