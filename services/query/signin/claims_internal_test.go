package signin

import (
	"slices"
	"testing"

	"github.com/posse-pos/posse/pkg/principal"
)

func TestClaims(t *testing.T) {
	t.Parallel()
	c, err := parseClaims([]byte(`{
		"groups": ["a", 1, "b"], "role": "c", "https://id.example/roles": ["d"], "realm_access": {"roles": ["e"]},
		"urn:roles": {"g": {}, "f": {}}, "number": 12345678901234567890, "fraction": 1.5, "none": null, "a.b": "literal", "a": {"b": "path"}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]string{
		"groups": {"a", "b"}, "role": {"c"}, "https://id.example/roles": {"d"}, "realm_access.roles": {"e"}, "urn:roles": {"f", "g"},
		"number": nil, "missing": nil, "none": nil, "groups.a": nil, "": nil, ".": nil,
	} {
		if got := c.names(path); !slices.Equal(got, want) {
			t.Errorf("names of %q = %q, want %q", path, got, want)
		}
	}
	for path, want := range map[string]string{
		"role": "c", "number": "12345678901234567890", "a.b": "literal", "fraction": "", "groups": "", "missing": "", "none": "",
	} {
		got, ok := c.text(path)
		if ok != (want != "") || ok && got != want {
			t.Errorf("text of %q = %q, %t, want %q", path, got, ok, want)
		}
	}
	for _, payload := range []string{"", "[]", "null", `"a"`} {
		if _, err := parseClaims([]byte(payload)); err == nil {
			t.Errorf("%q passes for claims", payload)
		}
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	config := OIDC{AdminValues: []string{"admins", "both"}, AuditorValues: []string{"auditors", "both"}}
	for names, want := range map[string]string{
		"admins": principal.DefaultAdminRole, "auditors": principal.DefaultAuditorRole, "both": principal.DefaultAdminRole, "admin": "", "": "",
	} {
		got := config.roles([]string{"others", names})
		if want == "" && len(got) != 0 || want != "" && !slices.Equal(got, []string{want}) {
			t.Errorf("%q makes %q, want %q", names, got, want)
		}
	}
}
