//go:build !linux && !darwin && !freebsd

package embedded

// free is not known on other systems.
func free(string) (bytes int64, known bool, err error) { return 0, false, nil }
