package words

import "time"

// Ago says how long ago something was, in the words that browsers have for it
// (Intl.RelativeTimeFormat), so that a page that counts on does not change its
// tone: "Just now", "5 minutes ago", "3 days ago".
func (l *Language) Ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return l.Say("ago.now")
	case d < time.Hour:
		return l.Say("ago.minutes", "N", int(d/time.Minute))
	case d < 24*time.Hour:
		return l.Say("ago.hours", "N", int(d/time.Hour))
	default:
		return l.Say("ago.days", "N", int(d/(24*time.Hour)))
	}
}

// Milliseconds writes a short duration: "0.8 ms", "12 ms", "1,200 ms".
func (l *Language) Milliseconds(d time.Duration) string {
	if d < 9950*time.Microsecond { // from here on it would be "10.0 ms"
		return l.printer.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return l.Number(int(d.Round(time.Millisecond).Milliseconds())) + " ms"
}
