package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/services/auditor/replay"
)

func TestProgressBar(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]replay.Progress{
		"[##############################] 100%, 0 facts written": {First: 1},
		"[------------------------------]   0%, 0 facts written": {First: 11, At: 10, Last: 30},
		"[###############---------------]  50%, 1 fact written":  {First: 11, At: 20, Last: 30, Written: 1},
		"[##############################] 100%, 7 facts written": {First: 11, At: 30, Last: 30, Written: 7},
	} {
		if got := barText(p); got != want {
			t.Errorf("%+v: %s, want %s", p, got, want)
		}
	}
	var out bytes.Buffer
	bar := &progressBar{out: &out, next: time.Now().Add(time.Hour)}
	bar.show(replay.Progress{})
	bar.clear()
	if out.Len() > 0 {
		t.Errorf("work of a moment has a bar: %q", out.String())
	}
	bar.next = time.Time{}
	bar.show(replay.Progress{First: 1, At: 1, Last: 2})
	bar.clear()
	if got := out.String(); !strings.Contains(got, "50%") || !strings.HasSuffix(got, "\r\x1b[K") {
		t.Errorf("the bar is %q, want one that is gone at the end", got)
	}
}

func TestProgressBarIsForTerminals(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if bar := newProgressBar(&cli.Command{Writer: &out, ErrWriter: &out}, false); bar.out != nil {
		t.Error("what is no terminal gets a bar")
	}
}
