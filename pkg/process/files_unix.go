//go:build unix

package process

import "syscall"

// openFiles is how many files the process may have open. Go raises it to what the
// system allows.
func openFiles() (n uint64, known bool) {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0, false
	}
	return uint64(limit.Cur), true //nolint:unconvert // it is an int64 on some systems
}
