package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"github.com/posse-pos/posse/services/auditor/replay"
)

// progressBar says on a terminal how far a command is, once it takes more than a
// moment.
type progressBar struct {
	out   io.Writer // nil if nothing is to be shown
	next  time.Time
	shown bool
}

const (
	barAfter = time.Second
	barEvery = 100 * time.Millisecond
	barWidth = 30
)

// newProgressBar shows nothing unless stderr is a terminal that the facts do not go to
// as well, and nothing while following, which has no end.
func newProgressBar(cmd *cli.Command, follow bool) *progressBar {
	if follow || !isTerminal(cmd.Root().ErrWriter) || cmd.String("output") == "" && isTerminal(cmd.Root().Writer) {
		return &progressBar{}
	}
	return barOn(cmd.Root().ErrWriter)
}

func barOn(terminal io.Writer) *progressBar {
	return &progressBar{out: terminal, next: time.Now().Add(barAfter)}
}

func (b *progressBar) show(p replay.Progress) { b.draw(func() string { return barText(p) }) }

func (b *progressBar) draw(text func() string) {
	now := time.Now()
	if b.out == nil || now.Before(b.next) {
		return
	}
	b.next, b.shown = now.Add(barEvery), true
	fmt.Fprint(b.out, "\r"+text()+"\x1b[K")
}

func (b *progressBar) clear() {
	if b.shown {
		fmt.Fprint(b.out, "\r\x1b[K")
	}
}

// barText is [######------] 20% 12 of 60, 3 facts written.
func barText(p replay.Progress) string {
	all, done := p.Last+1-p.First, p.At+1-p.First
	share := 1.0
	if p.Last >= p.First && done < all {
		share = float64(done) / float64(all)
	}
	return bar(share) + ", " + count(int(p.Written), "fact") + " written"
}

// bar is [######------]  20%.
func bar(share float64) string {
	full := int(share * barWidth)
	return fmt.Sprintf("[%s%s] %3d%%", strings.Repeat("#", full), strings.Repeat("-", barWidth-full), int(share*100))
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
