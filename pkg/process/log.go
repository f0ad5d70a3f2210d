package process

import (
	"fmt"
	"io"
	"log/slog"
)

// NewLogger writes JSON lines to w, usually os.Stderr, from a level on: debug,
// info, warn or error.
func NewLogger(w io.Writer, level string) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("process: log level %q is none of debug, info, warn, error", level)
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: least})), nil
}
