package screen

import (
	"context"
	"net/http"
	"time"

	"github.com/posse-pos/posse/services/query/screen/words"
)

// languageCookie remembers a choice of language.
const languageCookie = "__Host-posse-lang"

type languageKey struct{}

func languageOf(r *http.Request) *words.Language {
	l, _ := r.Context().Value(languageKey{}).(*words.Language)
	return l
}

// language finds out in which language to answer: what was chosen just now or
// earlier, else what the browser prefers. A choice is remembered.
func (s *Screen) language(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		language := s.languages.Find(r.URL.Query().Get("lang"))
		if language != nil {
			s.remember(w, language)
		} else if cookie, err := r.Cookie(languageCookie); err == nil {
			language = s.languages.Find(cookie.Value)
		}
		if language == nil {
			language = s.languages.Match(r.Header.Get("Accept-Language"))
		}
		w.Header().Set("Content-Language", language.Tag)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), languageKey{}, language)))
	})
}

func (s *Screen) remember(w http.ResponseWriter, language *words.Language) {
	cookie := &http.Cookie{
		Name: languageCookie, Value: language.Tag, Path: "/", MaxAge: int((365 * 24 * time.Hour).Seconds()),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if len(s.config.FrameAncestors) > 0 {
		cookie.SameSite, cookie.Partitioned = http.SameSiteNoneMode, true
	}
	http.SetCookie(w, cookie)
}
