package words_test

import (
	"testing"
	"time"
)

const day = 24 * time.Hour

// agos are the words of Intl.RelativeTimeFormat(language, {numeric: "always"}),
// with which the browser goes on, but for the first minute.
var agos = map[string]map[time.Duration]string{
	"en": {
		-time.Hour:                            "Just now", // a clock that is ahead
		0:                                     "Just now",
		time.Minute - 1:                       "Just now",
		time.Minute:                           "1 minute ago",
		2*time.Minute - 1:                     "1 minute ago",
		2 * time.Minute:                       "2 minutes ago",
		time.Hour - 1:                         "59 minutes ago",
		time.Hour:                             "1 hour ago",
		2 * time.Hour:                         "2 hours ago",
		day - 1:                               "23 hours ago",
		day:                                   "1 day ago",
		2*day - 1:                             "1 day ago",
		2 * day:                               "2 days ago",
		1000 * day:                            "1,000 days ago",
		12_345 * day:                          "12,345 days ago",
		time.Duration(1<<63 - 1):              "106,751 days ago",
		-time.Duration(1<<63 - 1):             "Just now",
		5*time.Minute + 59*time.Second:        "5 minutes ago",
		3*day + 23*time.Hour + 59*time.Minute: "3 days ago",
	},
	"es": {
		0: "Ahora mismo", time.Minute - 1: "Ahora mismo",
		time.Minute: "hace 1 minuto", 2 * time.Minute: "hace 2 minutos", time.Hour - 1: "hace 59 minutos",
		time.Hour: "hace 1 hora", 2 * time.Hour: "hace 2 horas", day - 1: "hace 23 horas",
		day: "hace 1 día", 2 * day: "hace 2 días", 1000 * day: "hace 1000 días", 12_345 * day: "hace 12.345 días",
	},
	"de": {
		0: "Gerade eben", time.Minute - 1: "Gerade eben",
		time.Minute: "vor 1 Minute", 2 * time.Minute: "vor 2 Minuten", time.Hour - 1: "vor 59 Minuten",
		time.Hour: "vor 1 Stunde", 2 * time.Hour: "vor 2 Stunden", day - 1: "vor 23 Stunden",
		day: "vor 1 Tag", 2 * day: "vor 2 Tagen", 1000 * day: "vor 1.000 Tagen", 12_345 * day: "vor 12.345 Tagen",
	},
	"fr": {
		0: "À l’instant", time.Minute - 1: "À l’instant",
		time.Minute: "il y a 1 minute", 2 * time.Minute: "il y a 2 minutes", time.Hour - 1: "il y a 59 minutes",
		time.Hour: "il y a 1 heure", 2 * time.Hour: "il y a 2 heures", day - 1: "il y a 23 heures",
		day: "il y a 1 jour", 2 * day: "il y a 2 jours", 1000 * day: "il y a 1\u202f000 jours", 12_345 * day: "il y a 12\u202f345 jours",
	},
}

func TestAgo(t *testing.T) {
	t.Parallel()
	for _, l := range load(t).All() {
		if agos[l.Tag] == nil {
			t.Errorf("nobody knows how to say %q", l.Tag)
		}
		for d, want := range agos[l.Tag] {
			if got := l.Ago(d); got != want {
				t.Errorf("%s: %s ago is %q, want %q", l.Tag, d, got, want)
			}
		}
	}
}

func TestMilliseconds(t *testing.T) {
	t.Parallel()
	durations := []time.Duration{
		0, 800 * time.Microsecond, 9949 * time.Microsecond, 9950 * time.Microsecond, 10*time.Millisecond - 1,
		12_499 * time.Microsecond, 12_500 * time.Microsecond, 1200 * time.Millisecond, 12_345 * time.Millisecond,
	}
	languages := load(t)
	for tag, want := range map[string][]string{
		"en": {"0.0 ms", "0.8 ms", "9.9 ms", "10 ms", "10 ms", "12 ms", "13 ms", "1,200 ms", "12,345 ms"},
		"es": {"0,0 ms", "0,8 ms", "9,9 ms", "10 ms", "10 ms", "12 ms", "13 ms", "1200 ms", "12.345 ms"},
		"de": {"0,0 ms", "0,8 ms", "9,9 ms", "10 ms", "10 ms", "12 ms", "13 ms", "1.200 ms", "12.345 ms"},
		"fr": {"0,0 ms", "0,8 ms", "9,9 ms", "10 ms", "10 ms", "12 ms", "13 ms", "1\u202f200 ms", "12\u202f345 ms"},
	} {
		for i, d := range durations {
			if got := languages.Find(tag).Milliseconds(d); got != want[i] {
				t.Errorf("%s writes %s as %q, want %q", tag, d, got, want[i])
			}
		}
	}
}
