package httpapi

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

var (
	//go:embed docs.html
	docsHTML string
	//go:embed docs.css
	docsCSS string
)

// docsPolicy lets the page's own style through, by its hash, and nothing else.
var docsPolicy = sync.OnceValue(func() string {
	sum := sha256.Sum256([]byte(docsCSS))
	return "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; style-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'"
})

var docsTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("docs").Parse(docsHTML))
})

type docsData struct {
	Title, Version, Description string
	Style                       template.CSS
	Operations                  []docsOperation
}

type docsOperation struct {
	Method, Path string
	*huma.Operation
}

// docsPage lists the operations of the OpenAPI document. It is rendered here
// and loads nothing.
func docsPage(api huma.API) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", docsPolicy())
		document := api.OpenAPI()
		_ = docsTemplate().Execute(w, docsData{
			Title: document.Info.Title, Version: document.Info.Version, Description: document.Info.Description,
			Style:      template.CSS(docsCSS), //nolint:gosec // it is a file of ours
			Operations: operationsOf(document),
		})
	}
}

func operationsOf(document *huma.OpenAPI) []docsOperation {
	var operations []docsOperation
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		item := document.Paths[path]
		for _, operation := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if operation != nil {
				operations = append(operations, docsOperation{strings.ToUpper(operation.Method), path, operation})
			}
		}
	}
	return operations
}
