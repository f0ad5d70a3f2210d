package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/posse-pos/posse/pkg/httpapi"
)

// slowly answers requests after the time that their bodies may take.
func slowly(t *testing.T) *httptest.Server {
	t.Helper()
	const bodies = 50 * time.Millisecond
	router, api := httpapi.New(httpapi.Config{Title: "posse", Version: "1.0.0"})
	huma.Register(api, huma.Operation{
		OperationID: "slow", Method: http.MethodPost, Path: "/slow", BodyReadTimeout: bodies,
	}, func(ctx context.Context, _ *struct {
		Body *struct{} `required:"false"`
	},
	) (*struct{}, error) {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(4 * bodies):
			return nil, nil //nolint:nilnil // no content
		}
	})
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	return server
}

func post(t *testing.T, server *httptest.Server, body io.Reader) (status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/slow", body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

func TestABodysDeadlineDoesNotOutliveIt(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]io.Reader{
		"none": nil, "short": strings.NewReader(`{}`), "of unknown length": io.MultiReader(strings.NewReader(`{}`)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if status := post(t, slowly(t), body); status != http.StatusNoContent {
				t.Errorf("answer is %d", status)
			}
		})
	}
}

func TestABodyThatDoesNotComeIsGivenUp(t *testing.T) {
	t.Parallel()
	body, hold := io.Pipe()
	t.Cleanup(func() { _ = hold.Close() })
	if status := post(t, slowly(t), body); status != http.StatusRequestTimeout {
		t.Errorf("answer is %d", status)
	}
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"Cache-Control":           "no-store",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options":  "nosniff",
		"Referrer-Policy":         "no-referrer",
	}
	for _, r := range []*http.Request{
		httptest.NewRequest(http.MethodDelete, "/v1/sessions/till", http.NoBody),
		httptest.NewRequest(http.MethodOptions, "/v1/sessions/till", http.NoBody),
		httptest.NewRequest(http.MethodGet, "/openapi.json", http.NoBody),
		httptest.NewRequest(http.MethodGet, "/nowhere", http.NoBody),
		httptest.NewRequest(http.MethodGet, "/fail/panic", http.NoBody),
	} {
		r.Header.Set("Origin", "https://elsewhere.example")
		r.Header.Set("Authorization", "Bearer ada")
		w := httptest.NewRecorder()
		newAPI(t).handler.ServeHTTP(w, r)
		for name, value := range want {
			if got := w.Header().Get(name); got != value {
				t.Errorf("%s %s: %s is %q, want %q", r.Method, r.URL, name, got, value)
			}
		}
		for name := range w.Header() {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s %s lets pages elsewhere in: %s", r.Method, r.URL, name)
			}
		}
	}
}
