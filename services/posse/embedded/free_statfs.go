//go:build linux || darwin || freebsd

package embedded

import (
	"math"

	"golang.org/x/sys/unix"
)

// free is how many bytes a process without privileges may still write to the file
// system of a directory.
func free(dir string) (bytes int64, known bool, err error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, false, err
	}
	blocks := uint64(max(stat.Bavail, 0)) //nolint:unconvert // it is signed on FreeBSD, and negative in the reserve of root
	return int64(min(blocks*uint64(stat.Bsize), math.MaxInt64)), true, nil
}
