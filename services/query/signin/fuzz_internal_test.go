package signin

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/posse-pos/posse/events"
)

// FuzzClaims holds that whom a provider names has ids that can be used, and roles that
// the configuration gives: nobody becomes an administrator by the shape of a claim.
func FuzzClaims(f *testing.F) {
	for _, payload := range []string{
		`{"sub":"7","org":"shop","groups":["admins"],"name":"Ada"}`, `{"sub":7,"org":{"name":"shop"},"groups":{"admins":{}}}`,
		`{"sub":1.5,"org":"","groups":"admins"}`, `{"sub":"\u0000","org":"shop"}`, `{"sub":"7","org":"shop","groups":[["admins"],1,null]}`, `null`, `[]`,
	} {
		f.Add([]byte(payload))
	}
	config := OIDC{UserClaim: "sub", TenantClaim: "org", RolesClaim: "groups", AdminValues: []string{"admins"}, AuditorValues: []string{"auditors"}}
	f.Fuzz(func(t *testing.T, payload []byte) {
		said, err := parseClaims(payload)
		if err != nil {
			return
		}
		who, err := config.identity(said)
		if err != nil {
			if who.User != "" || who.Tenant != "" || len(who.Roles) > 0 {
				t.Errorf("refused with %v, and yet it is %+v", err, who)
			}
			return
		}
		if events.ValidateID("user", who.User) != nil || events.ValidateID("tenant", who.Tenant) != nil {
			t.Errorf("%s names %+v", payload, who)
		}
		if len(who.Roles) > 0 && !strings.Contains(string(payload), `\u`) &&
			!strings.Contains(string(payload), "admins") && !strings.Contains(string(payload), "auditors") {
			t.Errorf("%s gives the roles %q", payload, who.Roles)
		}
	})
}

// FuzzBrowser holds that whatever a browser says of itself fits into a fact.
func FuzzBrowser(f *testing.F) {
	f.Add("Mozilla/5.0", `"Chromium";v="140"`, "https://a.example/a.png", "Ada")
	f.Add(strings.Repeat("é", 400), "\x00\xff", "javascript:alert(1)", strings.Repeat("\xf0\x9f\x98\x80", 200))
	f.Fuzz(func(t *testing.T, agent, hint, picture, name string) {
		r := &http.Request{Header: http.Header{"User-Agent": {agent}, "Sec-Ch-Ua": {hint}, "Sec-Ch-Ua-Model": {hint}}}
		p := personalOf(r.WithContext(t.Context()), Identity{
			Username: cut(name, events.MaxUsername), DisplayName: cut(name, events.MaxDisplayName), AvatarURL: avatar(picture),
		})
		bounded := map[string]int{
			p.UserAgent: events.MaxUserAgent, p.Username: events.MaxUsername, p.DisplayName: events.MaxDisplayName, p.AvatarURL: events.MaxAvatarURL,
		}
		for _, value := range p.ClientHints {
			bounded[value] = max(bounded[value], events.MaxClientHint)
		}
		for text, most := range bounded {
			if len(text) > most || !utf8.ValidString(text) || strings.Contains(text, "\x00") {
				t.Errorf("%q is no text of at most %d bytes", text, most)
			}
		}
		if p.AvatarURL != "" && !strings.HasPrefix(strings.ToLower(p.AvatarURL), "http") {
			t.Errorf("the picture is at %q", p.AvatarURL)
		}
	})
}
