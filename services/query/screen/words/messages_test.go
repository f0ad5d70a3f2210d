package words_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/services/query/screen/words"
)

// forms are the plural forms of each language's cardinal numbers (CLDR). Spanish
// and French have one of their own for whole millions.
var forms = map[string][]string{
	"en": {"one", "other"},
	"es": {"many", "one", "other"},
	"de": {"one", "other"},
	"fr": {"many", "one", "other"},
}

// text is one text of a file: its plural forms, or "other" alone.
type text map[string]string

func (m text) plural() bool { return len(m) > 1 }

// file is the texts of a language, by id, and the ids in their order.
type file struct {
	ids   []string
	texts map[string]text
}

func readFile(t *testing.T, tag string) file {
	t.Helper()
	data, err := os.ReadFile("messages/" + tag + ".json")
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	next := func() json.Token {
		token, err := decoder.Token()
		if err != nil {
			t.Fatalf("%s.json: %v", tag, err)
		}
		return token
	}
	f := file{texts: map[string]text{}}
	next() // {
	for decoder.More() {
		id, _ := next().(string)
		f.ids = append(f.ids, id)
		f.texts[id] = readText(t, decoder)
	}
	return f
}

func readText(t *testing.T, decoder *json.Decoder) text {
	t.Helper()
	var raw json.RawMessage
	if err := decoder.Decode(&raw); err != nil {
		t.Fatal(err)
	}
	var plain string
	if json.Unmarshal(raw, &plain) == nil {
		return text{"other": plain}
	}
	var forms text
	if err := json.Unmarshal(raw, &forms); err != nil {
		t.Fatal(err)
	}
	return forms
}

// files are all of them, by tag.
func files(t *testing.T) map[string]file {
	t.Helper()
	all := map[string]file{}
	for _, tag := range words.Tags {
		all[tag.String()] = readFile(t, tag.String())
	}
	return all
}

var variable = regexp.MustCompile(`\{\{\.([A-Z][a-z]+|N)\}\}`)

// variables are the names of those in a text, sorted.
func variables(s string) []string {
	var names []string
	for _, match := range variable.FindAllStringSubmatch(s, -1) {
		names = append(names, match[1])
	}
	slices.Sort(names)
	return names
}

func TestEveryLanguageHasTheTextsOfTheSource(t *testing.T) {
	t.Parallel()
	source := readFile(t, "en")
	if len(source.texts) != len(source.ids) {
		t.Errorf("en.json has %d texts under %d ids", len(source.ids), len(source.texts))
	}
	for tag, translation := range files(t) {
		if diff := cmp.Diff(source.ids, translation.ids); diff != "" {
			t.Errorf("%s.json has other ids than en.json, or in another order (-en +%s):\n%s", tag, tag, diff)
		}
	}
}

func TestEveryTextHasThePluralFormsAndVariablesThatItNeeds(t *testing.T) {
	t.Parallel()
	source := readFile(t, "en").texts
	for tag, translation := range files(t) {
		for id, texts := range translation.texts {
			want := []string{"other"}
			if source[id].plural() {
				want = forms[tag]
			}
			got := slices.Sorted(maps.Keys(texts))
			if !slices.Equal(got, want) {
				t.Errorf("%s: %s has the forms %q, want %q", tag, id, got, want)
			}
			for form, s := range texts {
				if got, want := variables(s), variables(source[id]["other"]); !slices.Equal(got, want) {
					t.Errorf("%s: %s (%s) has the variables %q, want %q", tag, id, form, got, want)
				}
				if strings.ContainsAny(variable.ReplaceAllString(s, ""), "{}") {
					t.Errorf("%s: %s (%s) has braces that are no variable: %s", tag, id, form, s)
				}
			}
		}
	}
}

// faults are what no text of a language may have.
var faults = map[string]*regexp.Regexp{
	"any": regexp.MustCompile(`^\s|\s$|\s\s|^$|['"]|\.{3}|\p{Zs}[,.)]`),
	"en":  regexp.MustCompile(`[«»„]|\p{Zs}[:;?!]`),
	"es":  regexp.MustCompile(`[„“”]|«\p{Zs}|\p{Zs}»|\p{Zs}[:;?!]|^[^¿]*\?|^[^¡]*!`),
	"de":  regexp.MustCompile(`[«»”]|„[^“]*$|^[^„]*“|\p{Zs}[:;?!]`),
	// A narrow no-break space stands before double punctuation and inside quotes.
	"fr": regexp.MustCompile(`[„“”]|[^\x{202f}][:;?!»]|«[^\x{202f}]`),
}

func TestTextsAreSetAsTheLanguageDoes(t *testing.T) {
	t.Parallel()
	for tag, file := range files(t) {
		for id, texts := range file.texts {
			for form, s := range texts {
				for _, fault := range []*regexp.Regexp{faults["any"], faults[tag]} {
					if found := fault.FindString(s); found != "" || s == "" {
						t.Errorf("%s: %s (%s) has %q: %s", tag, id, form, found, s)
					}
				}
			}
		}
	}
}

// Whoever is asked recognises what they have pressed.
func TestAQuestionIsConfirmedInTheWordsOfItsButton(t *testing.T) {
	t.Parallel()
	for tag, file := range files(t) {
		for _, button := range []string{"terminate", "others", "all"} {
			if pressed, confirm := file.texts[button]["other"], file.texts["end."+button+".confirm"]["other"]; pressed != confirm {
				t.Errorf("%s: %q is confirmed with %q", tag, pressed, confirm)
			}
		}
	}
}

// On a phone of 320 pixels a button has one line of about 26 characters, also in a
// wide font.
func TestButtonsAreShort(t *testing.T) {
	t.Parallel()
	const most = 26
	buttons := []string{
		"terminate", "others", "all", "cancel", "close", "sign_out", "live.pause", "live.resume", "moment.show", "past.back",
		"users.filter.go", "users.all", "users.more", "failure.again", "failure.home", "signin.go",
	}
	for tag, file := range files(t) {
		for _, button := range buttons {
			label, ok := file.texts[button]
			if n := utf8.RuneCountInString(label["other"]); !ok || n > most {
				t.Errorf("%s: %s is %d characters long: %q", tag, button, n, label["other"])
			}
		}
	}
}
