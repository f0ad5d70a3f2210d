package screen

import (
	"embed"
	"fmt"
	"html/template"

	"github.com/posse-pos/posse/services/query/screen/words"
)

//go:embed templates/*.html
var templateFiles embed.FS

// parse returns the templates, once for each language: their function t says a
// text in it.
func (s *Screen) parse() (map[*words.Language]*template.Template, error) {
	sets := map[*words.Language]*template.Template{}
	for _, language := range s.languages.All() {
		set, err := template.New("screen").Funcs(template.FuncMap{
			"t":       language.Say,
			"n":       language.Number,
			"asset":   s.assets.address,
			"card":    cardIn,
			"isolate": isolated,
		}).ParseFS(templateFiles, "templates/*.html")
		if err != nil {
			return nil, fmt.Errorf("screen: templates: %w", err)
		}
		sets[language] = set
	}
	return sets, nil
}
