package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/posse-pos/posse/services/posse/client"
)

// listing is what `posse sessions list` found.
type listing struct {
	sessions []client.Session
	users    int
	position uint64
}

func (l *listing) writeJSON(w io.Writer) error {
	raw := make([]json.RawMessage, 0, len(l.sessions))
	for _, session := range l.sessions {
		raw = append(raw, session.Raw)
	}
	return writeJSON(w, map[string]any{"sessions": raw, "position": l.position})
}

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func (l *listing) writeTable(w io.Writer) error {
	if len(l.sessions) == 0 {
		_, err := fmt.Fprintln(w, "nobody is signed in")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "USER\tLAST ACTIVE\tDEVICE\tADDRESS\tSIGNED IN\tSESSION")
	for _, session := range l.sessions {
		fmt.Fprintln(table, strings.Join([]string{
			plain(cmp.Or(session.DisplayName, session.Username, session.User)),
			lastActive(session, time.Now()),
			plain(deviceText(session)),
			plain(session.IP),
			day(session.Created),
			plain(session.Session) + mark(session),
		}, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s of %s\n", count(len(l.sessions), "session"), count(l.users, "user"))
	return err
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func mark(session client.Session) string {
	if session.IsCurrent {
		return " (this one)"
	}
	return ""
}

// lastActive is how long ago, as people say it, or how the session ended.
func lastActive(session client.Session, now time.Time) string {
	ago := now.Sub(session.LastActive)
	switch {
	case session.Ended != nil:
		return "ended: " + plain(session.Ended.Cause)
	case session.State == "expired":
		return session.State
	case ago < time.Minute:
		return "now"
	case ago < time.Hour:
		return fmt.Sprintf("%d min ago", int(ago.Minutes()))
	case ago < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(ago.Hours()))
	default:
		return fmt.Sprintf("%d days ago", int(ago.Hours()/24))
	}
}

// deviceText is the device in a few words: Till 3, WCPOS 1.8.1, Windows, desktop.
func deviceText(session client.Session) string {
	device := session.Device
	words := []string{
		session.DeviceLabel,
		strings.TrimSpace(device.Browser + " " + device.BrowserVersion),
		strings.TrimSpace(device.OS + " " + device.OSVersion),
	}
	if device.Type != "unknown" {
		words = append(words, device.Type)
	}
	var known []string
	for _, word := range words {
		if word != "" {
			known = append(known, word)
		}
	}
	return cmp.Or(strings.Join(known, ", "), "unknown")
}

// writeEnded says what terminate did.
func writeEnded(w io.Writer, ended client.Ended, asJSON bool) error {
	if asJSON {
		return writeJSON(w, ended)
	}
	line := "nothing to end: it had ended before\n"
	if ended.Ended > 0 {
		line = "ended " + count(ended.Ended, "session") + "\n"
	}
	if g := ended.Gateways; g != nil {
		line += confirmation(g)
	}
	_, err := io.WriteString(w, line)
	return err
}

func confirmation(g *client.Gateways) string {
	if g.Total == 0 {
		return "no gateway is running\n"
	}
	line := fmt.Sprintf("%d of %s confirmed", len(g.Confirmed), count(g.Total, "gateway"))
	if len(g.Confirmed) > 0 {
		line += fmt.Sprintf(", the slowest after %.0f ms", g.SlowestMS)
	}
	var missing []string
	for _, gateway := range g.Missing {
		missing = append(missing, plain(cmp.Or(gateway.Name, gateway.Gateway)))
	}
	if len(missing) > 0 {
		line += "; no answer from " + strings.Join(missing, ", ")
	}
	return line + "\n"
}
