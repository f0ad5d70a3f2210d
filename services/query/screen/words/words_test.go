package words_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posse-pos/posse/services/query/screen/words"
)

func load(tb testing.TB) *words.Languages {
	tb.Helper()
	languages, err := words.Load()
	if err != nil {
		tb.Fatal(err)
	}
	return languages
}

func TestLanguagesNameThemselves(t *testing.T) {
	t.Parallel()
	var got []string
	for _, l := range load(t).All() {
		got = append(got, l.Tag+" "+l.Name)
	}
	if want := []string{"en English", "es Español", "de Deutsch", "fr Français"}; !slices.Equal(got, want) {
		t.Errorf("the languages are %q, want %q", got, want)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	languages := load(t)
	for _, l := range languages.All() {
		if languages.Find(l.Tag) != l {
			t.Errorf("%s is not found", l.Tag)
		}
	}
	for _, tag := range []string{"", "pt", "de-AT", "DE", "en ", "../en", strings.Repeat("de", 10_000)} {
		if l := languages.Find(tag); l != nil {
			t.Errorf("%.20q is found, as %s", tag, l.Tag)
		}
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	languages := load(t)
	long := strings.Repeat("pt-BR, ", 100)
	for header, want := range map[string]string{
		"":   "en",
		"*":  "en",
		"de": "de",
		// Regions and scripts, also unusual ones.
		"de-AT":      "de",
		"es-419":     "es",
		"fr-CA":      "fr",
		"en-GB":      "en",
		"FR_be":      "fr",
		"de-Latn-CH": "de",
		// What nobody here speaks.
		"pt":                      "en",
		"pt-BR, ja;q=0.9":         "en",
		"pt-BR, es;q=0.5":         "es",
		"ja, zh;q=0.9, fr;q=0.01": "fr",
		// Preferences.
		"fr;q=0.1, de;q=0.9":            "de",
		"de; q=0.5 , es ; q=0.7":        "es",
		"en;q=0, fr;q=0.2":              "fr",
		"de;q=0":                        "en",
		"fr-CH, fr;q=0.9, en;q=0.8, *":  "fr",
		"en-US,en;q=0.9,de-DE;q=0.8":    "en",
		"es-ES,es;q=0.8,en-US;q=0.5,en": "es",
		// Nonsense is left out.
		"nonsense":              "en",
		";;;,,,":                "en",
		"de;q=much, fr":         "fr",
		"<script>, de":          "de",
		"de, xx-no-such;q=0.1":  "de",
		"fr, \x00\xff, de":      "fr",
		"q=1":                   "en",
		"----------, es, -----": "es",
		// What is too long is cut off.
		long + "de":                          "en",
		"de, " + long:                        "de",
		"fr;q=0.1," + long:                   "fr",
		"fr, " + strings.Repeat("x", 1<<20):  "fr",
		strings.Repeat("-", 1<<20):           "en",
		strings.Repeat("a-", 1<<20) + ", de": "en",
		strings.Repeat(" ", 254) + "de":      "de",
		strings.Repeat(" ", 255) + "de":      "en",
	} {
		if got := languages.Match(header); got.Tag != want {
			t.Errorf("%.80q gets %s, want %s", header, got.Tag, want)
		}
	}
}

func FuzzMatch(f *testing.F) {
	languages := load(f)
	for _, header := range []string{"", "*", "de-AT,de;q=0.9,en;q=0.8", "pt", "de;q=NaN, fr;q=-1", "zh-Hant-TW, x-private", "a,,;q", "deutsch"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got := languages.Match(header)
		if !slices.Contains(languages.All(), got) {
			t.Fatalf("%q gets %v", header, got)
		}
		if len(header) < 200 && languages.Match("!?,"+header+",!?") != got {
			t.Errorf("%q gets another language when nonsense stands beside it", header)
		}
	})
}

// Plural forms are chosen as Intl.PluralRules does.
func TestSayChoosesThePluralForm(t *testing.T) {
	t.Parallel()
	chosen := map[string]map[int]string{
		"en": {0: "other", 1: "one", 2: "other", 1_000_000: "other"},
		"es": {0: "other", 1: "one", 2: "other", 1_000_000: "many"},
		"de": {0: "other", 1: "one", 2: "other", 1_000_000: "other"},
		"fr": {0: "one", 1: "one", 2: "other", 1_000_000: "many"},
	}
	for _, l := range load(t).All() {
		for id, forms := range readFile(t, l.Tag).texts {
			if !forms.plural() {
				continue
			}
			for n, form := range chosen[l.Tag] {
				want := strings.NewReplacer("{{.N}}", l.Number(n), "{{.Sessions}}", l.Number(2345),
					"{{.Confirmed}}", l.Number(n), "{{.Name}}", "Ann {{.N}} <b>", "{{.Slowest}}", "12 ms").Replace(forms[form])
				got := l.Say(id, "N", n, "Sessions", 2345, "Confirmed", n, "Name", "Ann {{.N}} <b>", "Slowest", "12 ms")
				if got != want {
					t.Errorf("%s, %d: %s says %q, want %q", l.Tag, n, id, got, want)
				}
			}
		}
	}
}

func TestSay(t *testing.T) {
	t.Parallel()
	languages := load(t)
	for _, test := range []struct {
		tag, want, id string
		variables     []any
	}{
		{"en", "Sessions", "title", nil},
		{"de", "Sitzungen", "title", []any{"N", 1}},
		{"en", "Terminate Ann’s session on iOS Application Front counter?", "end.terminate.title", []any{"Name", "Ann", "Device", "iOS Application Front counter"}},
		{"es", "¿Finalizar la sesión de Ann en el dispositivo «Aplicación iOS Caja 1»?", "end.terminate.title", []any{"Name", "Ann", "Device", "Aplicación iOS Caja 1"}},
		{"de", "Sitzung von Ann auf dem Gerät „iOS-App Kasse 1“ beenden?", "end.terminate.title", []any{"Name", "Ann", "Device", "iOS-App Kasse 1"}},
		{"fr", "Terminer la session ouverte par Ann sur l’appareil «\u202fApplication iOS Caisse 1\u202f»\u202f?", "end.terminate.title", []any{"Name", "Ann", "Device", "Application iOS Caisse 1"}}, //nolint:misspell // it is French
		{"fr", "Plus de 1\u202f000 utilisateurs trouvés", "users.match.many", []any{"Count", 1000}},
		{"es", "Coinciden más de 1000 usuarios", "users.match.many", []any{"Count", 1000}},
		{"fr", "no.such.text", "no.such.text", []any{"N", 1}},
		{"de", "", "", nil},
	} {
		if got := languages.Find(test.tag).Say(test.id, test.variables...); got != test.want {
			t.Errorf("%s: %s says %q, want %q", test.tag, test.id, got, test.want)
		}
	}
}

// As Intl.NumberFormat writes them.
func TestNumber(t *testing.T) {
	t.Parallel()
	languages := load(t)
	for tag, want := range map[string][]string{
		"en": {"-1,234", "0", "999", "1,000", "9,999", "10,000", "1,234,567"},
		"es": {"-1234", "0", "999", "1000", "9999", "10.000", "1.234.567"},
		"de": {"-1.234", "0", "999", "1.000", "9.999", "10.000", "1.234.567"},
		"fr": {"-1\u202f234", "0", "999", "1\u202f000", "9\u202f999", "10\u202f000", "1\u202f234\u202f567"},
	} {
		for i, n := range []int{-1234, 0, 999, 1000, 9999, 10_000, 1_234_567} {
			if got := languages.Find(tag).Number(n); got != want[i] {
				t.Errorf("%s writes %d as %q, want %q", tag, n, got, want[i])
			}
		}
	}
}

// Every request of a language uses the same texts at once.
func TestLanguagesAreSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	languages := load(t)
	said := func(l *words.Language) []string {
		return []string{
			l.Say("title"), l.Say("users.count", "N", 12_345), l.Say("end.all.title", "Name", l.Name),
			l.Ago(3 * time.Hour), l.Milliseconds(time.Millisecond), l.Number(12_345), languages.Match(l.Tag + "-XX").Tag,
		}
	}
	var group sync.WaitGroup
	var mu sync.Mutex
	heard := map[string][][]string{}
	for range 8 {
		for _, l := range languages.All() {
			group.Go(func() {
				for range 20 {
					all := said(l)
					mu.Lock()
					heard[l.Tag] = append(heard[l.Tag], all)
					mu.Unlock()
				}
			})
		}
	}
	group.Wait()
	alone := load(t)
	for tag, all := range heard {
		want := said(alone.Find(tag))
		for _, got := range all {
			if !slices.Equal(got, want) {
				t.Fatalf("%s says %q to many at once, and %q alone", tag, got, want)
			}
		}
	}
}
