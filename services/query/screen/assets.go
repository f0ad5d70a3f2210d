package screen

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

//go:embed assets
var assetFiles embed.FS

// assets are the files that pages load. Their addresses hold a hash of their
// content, so browsers keep them for good.
type assets struct {
	addresses map[string]string // by name
	files     map[string]*asset // by the last part of the address
}

type asset struct {
	contentType string
	plain, gzip []byte
}

// script is what pages load as one: htmx starts as soon as it is idle, and must
// not before its extension and our script are there.
var script = []string{"vendor/htmx-4.0.1.min.js", "vendor/htmx-sse-4.0.1.min.js", "screen.js"}

func loadAssets() (*assets, error) {
	a := &assets{addresses: map[string]string{}, files: map[string]*asset{}}
	for name, parts := range map[string][]string{
		"screen.js": script, "screen.css": {"screen.css"}, "icon.svg": {"icon.svg"},
	} {
		if err := a.load(name, parts); err != nil {
			return nil, fmt.Errorf("screen: asset %s: %w", name, err)
		}
	}
	return a, nil
}

func (a *assets) load(name string, parts []string) error {
	var plain bytes.Buffer
	for _, part := range parts {
		data, err := assetFiles.ReadFile("assets/" + part)
		if err != nil {
			return err
		}
		plain.Write(data)
		plain.WriteByte('\n')
	}
	packed, err := gzipped(plain.Bytes())
	if err != nil {
		return err
	}
	sum := sha256.Sum256(plain.Bytes())
	extension := path.Ext(name)
	hashed := strings.TrimSuffix(name, extension) + "." + hex.EncodeToString(sum[:6]) + extension
	a.files[hashed] = &asset{contentType: mime.TypeByExtension(extension), plain: plain.Bytes(), gzip: packed}
	a.addresses[name] = "/assets/" + hashed
	return nil
}

func gzipped(data []byte) ([]byte, error) {
	var packed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := writer.Write(data); err != nil {
		return nil, err
	}
	err = writer.Close()
	return packed.Bytes(), err
}

// address returns where a file is served. An unknown name is a fault of a
// template, which a test finds.
func (a *assets) address(name string) (string, error) {
	address, ok := a.addresses[name]
	if !ok {
		return "", fmt.Errorf("screen: there is no asset %q", name)
	}
	return address, nil
}

func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	file, ok := a.files[chi.URLParam(r, "file")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	content := file.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		content = file.gzip
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}
