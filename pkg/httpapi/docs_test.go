package httpapi_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestDocsPageLoadsNothing(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	response, body := a.do(http.MethodGet, "/docs", "", "")
	if response.StatusCode != http.StatusOK || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") {
		t.Fatalf("%d %s", response.StatusCode, response.Header.Get("Content-Type"))
	}
	for _, want := range []string{"DELETE /v1/sessions/{session}", "Logout All", "except"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if found := regexp.MustCompile(`(?i)<script|<link|<img|https?://|@import|url\(`).FindString(body); found != "" {
		t.Errorf("the page has %q", found)
	}
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(body)
	sum := sha256.Sum256([]byte(style[1]))
	if policy := response.Header.Get("Content-Security-Policy"); !strings.Contains(policy, base64.StdEncoding.EncodeToString(sum[:])) ||
		!strings.HasPrefix(policy, "default-src 'none'") {
		t.Errorf("the policy %q does not fit the page's style", policy)
	}
}

func TestOpenAPIDocument(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	response, body := a.do(http.MethodGet, "/openapi.json", "", "")
	var document struct {
		OpenAPI string                               `json:"openapi"`
		Paths   map[string]map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal([]byte(body), &document); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%d: %v", response.StatusCode, err)
	}
	if !strings.HasPrefix(document.OpenAPI, "3.1.") || document.Paths["/v1/users/{user}/sessions"]["delete"]["security"] == nil {
		t.Errorf("not as it must be: %s", body)
	}
	if response, _ := a.do(http.MethodGet, "/openapi.yaml", "", ""); response.StatusCode != http.StatusOK {
		t.Errorf("openapi.yaml: %d", response.StatusCode)
	}
	if response, _ := a.do(http.MethodHead, "/openapi.json", "", ""); response.StatusCode != http.StatusOK {
		t.Errorf("HEAD: %d", response.StatusCode)
	}
}
