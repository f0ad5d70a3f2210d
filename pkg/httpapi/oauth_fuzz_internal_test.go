package httpapi

import (
	"errors"
	"net/url"
	"testing"
)

// FuzzOAuthForm holds that a form which is read has each parameter as it was sent, once
// at most, and that any other is an invalid request (RFC 6749 §5.2).
func FuzzOAuthForm(f *testing.F) {
	for _, body := range []string{"", "token=a.b.c&token_type_hint=x", "token=a&token=b", "%", "a=1;token=2", "token=%00", "tok%65n=a&token="} {
		f.Add(typeForm, body)
	}
	f.Add("application/x-www-form-urlencoded; charset=utf-8", "token=a")
	f.Add("application/json", "{}")
	endpoint := OAuthEndpoint{Required: []string{"token"}, Optional: []string{"token_type_hint"}}
	f.Fuzz(func(t *testing.T, contentType, body string) {
		form, err := endpoint.parse(contentType, []byte(body))
		if err != nil {
			if _, ok := errors.AsType[*OAuthError](err); !ok || form != nil {
				t.Errorf("refused as %v with %v", form, err)
			}
			return
		}
		sent, err := url.ParseQuery(body)
		if err != nil || len(form) != 2 {
			t.Fatalf("%q is read as %v", body, form)
		}
		for name, value := range form {
			if len(sent[name]) > 1 || sent.Get(name) != value {
				t.Errorf("%s is %q, of %q", name, value, sent[name])
			}
		}
	})
}
