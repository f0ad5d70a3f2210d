// Package words is what the Sessions screen says, in the languages it speaks.
// The texts stand in messages/, one file a language, in the form of go-i18n;
// English is the source and whoever lacks a text falls back to it.
package words

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

//go:embed messages/*.json
var messages embed.FS

// Tags are the languages, the source first.
var Tags = []language.Tag{language.English, language.Spanish, language.German, language.French}

// Language is one language's texts. It is safe for concurrent use.
type Language struct {
	Tag  string // BCP 47, for the attribute lang
	Name string // in its own words

	localizer *i18n.Localizer
	printer   *message.Printer
	plain     map[string]string // texts without variables

	remembered sync.Map // of countedText, texts with a small number
}

// Languages knows all of them.
type Languages struct {
	all     []*Language
	matcher language.Matcher
}

// Load reads the texts.
func Load() (*Languages, error) {
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	l := &Languages{matcher: language.NewMatcher(Tags)}
	var ids []string
	for _, tag := range Tags {
		file, err := bundle.LoadMessageFileFS(messages, "messages/"+tag.String()+".json")
		if err != nil {
			return nil, fmt.Errorf("words: %w", err)
		}
		if tag == language.English {
			for _, m := range file.Messages {
				if m.One == "" && !strings.Contains(m.Other, "{{") {
					ids = append(ids, m.ID)
				}
			}
		}
	}
	for _, tag := range Tags {
		l.all = append(l.all, newLanguage(bundle, tag, ids))
	}
	return l, nil
}

func newLanguage(bundle *i18n.Bundle, tag language.Tag, plain []string) *Language {
	l := &Language{
		Tag: tag.String(), localizer: i18n.NewLocalizer(bundle, tag.String()), printer: message.NewPrinter(tag),
		plain: map[string]string{},
	}
	for _, id := range plain {
		l.plain[id] = l.localize(&i18n.LocalizeConfig{MessageID: id})
	}
	l.Name = l.Say("language")
	return l
}

// All returns the languages, the source first.
func (l *Languages) All() []*Language { return l.all }

// Find returns the language of a tag, nil if it is not spoken.
func (l *Languages) Find(tag string) *Language {
	i := slices.IndexFunc(l.all, func(known *Language) bool { return known.Tag == tag })
	if i < 0 {
		return nil
	}
	return l.all[i]
}

// Match returns the language that suits an Accept-Language header best.
func (l *Languages) Match(acceptLanguage string) *Language {
	const most = 256 // bytes: nobody reads more languages than that
	items := strings.Split(acceptLanguage[:min(len(acceptLanguage), most)], ",")
	// One item that makes no sense, or was cut off, does not spoil the others.
	items = slices.DeleteFunc(items, func(item string) bool {
		_, _, err := language.ParseAcceptLanguage(item)
		return err != nil
	})
	tags, _, _ := language.ParseAcceptLanguage(strings.Join(items, ","))
	_, i, _ := l.matcher.Match(tags...)
	return l.all[i]
}

// Say returns a text. Its variables follow as names and values; a variable N
// chooses the plural form, and numbers are written as the language does. An
// unknown text says its id, which a test would find.
func (l *Language) Say(id string, variables ...any) string {
	if text, ok := l.plain[id]; ok {
		return text
	}
	if n, ok := few(variables); ok {
		return l.counted(id, n, variables)
	}
	return l.say(id, variables)
}

// maxRemembered is up to which number counted texts are remembered: a page says
// hundreds of them, and choosing a plural form takes microseconds.
const maxRemembered = 1000

type countedText struct {
	id string
	n  int
}

// few reports whether the only variable is a small N.
func few(variables []any) (n int, is bool) {
	if len(variables) != 2 || variables[0] != "N" {
		return 0, false
	}
	n, is = variables[1].(int)
	return n, is && 0 <= n && n <= maxRemembered
}

func (l *Language) counted(id string, n int, variables []any) string {
	if text, ok := l.remembered.Load(countedText{id, n}); ok {
		return text.(string) //nolint:forcetypeassert // nothing else is stored
	}
	text := l.say(id, variables)
	l.remembered.Store(countedText{id, n}, text)
	return text
}

func (l *Language) say(id string, variables []any) string {
	config := &i18n.LocalizeConfig{MessageID: id}
	data := map[string]any{}
	for i := 0; i+1 < len(variables); i += 2 {
		name, _ := variables[i].(string)
		value := variables[i+1]
		if n, ok := value.(int); ok {
			if name == "N" {
				config.PluralCount = n
			}
			value = l.Number(n)
		}
		data[name] = value
	}
	config.TemplateData = data
	return l.localize(config)
}

// Number writes a number as the language does, and as browsers do. What x/text
// knows is older: Spanish sets four digits without a point by now, and French
// groups with the narrow space.
func (l *Language) Number(n int) string {
	if l.Tag == "es" && -10_000 < n && n < 10_000 {
		return strconv.Itoa(n)
	}
	return strings.ReplaceAll(l.printer.Sprint(n), "\u00a0", "\u202f")
}

func (l *Language) localize(config *i18n.LocalizeConfig) string {
	text, err := l.localizer.Localize(config)
	if err != nil && text == "" {
		return config.MessageID
	}
	return text
}
