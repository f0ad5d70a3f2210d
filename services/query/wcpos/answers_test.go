package wcpos_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const del = http.MethodDelete

// What every route answers to whom, byte by byte. Rows that name the same file
// are answered alike: nobody can tell a foreign id from a missing one.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		request

		status int
		file   string
	}{
		"all users":                    {request{path: "/users/sessions", bearer: "admin"}, 200, "users.json"},
		"all users, of an auditor":     {request{path: "/users/sessions", bearer: "auditor"}, 200, "users_auditor.json"},
		"all users, of another tenant": {request{path: "/users/sessions", bearer: "foreign"}, 200, "users_foreign.json"},
		"all users, of a user":         {request{path: "/users/sessions", bearer: "user"}, 403, "forbidden_list.json"},
		"with what clients add":        {request{path: "/users/sessions/?wcpos=1&_locale=user", bearer: "admin"}, 200, "users.json"},

		"own sessions":                  {request{path: "/sessions", bearer: "user"}, 200, "sessions_own.json"},
		"own sessions, by id":           {request{path: "/sessions?user_id=42", bearer: "user"}, 200, "sessions_own.json"},
		"own sessions, by nobody's id":  {request{path: "/sessions?user_id=0", bearer: "user"}, 200, "sessions_own.json"},
		"somebody's sessions":           {request{path: "/sessions?user_id=42", bearer: "admin"}, 200, "sessions.json"},
		"somebody's, of an auditor":     {request{path: "/sessions?user_id=42", bearer: "auditor"}, 200, "sessions.json"},
		"a user who is no number":       {request{path: "/sessions?user_id=zo%C3%AB", bearer: "admin"}, 200, "sessions_zoe.json"},
		"another's sessions":            {request{path: "/sessions?user_id=1", bearer: "user"}, 403, "forbidden_sessions.json"},
		"a missing user's sessions":     {request{path: "/sessions?user_id=9", bearer: "user"}, 403, "forbidden_sessions.json"},
		"a missing user, of an admin":   {request{path: "/sessions?user_id=9", bearer: "admin"}, 200, "sessions_none.json"},
		"an empty user":                 {request{path: "/sessions?user_id=", bearer: "admin"}, 400, "invalid_user.json"},
		"a user too long":               {request{path: "/sessions?user_id=" + strings.Repeat("9", 129), bearer: "admin"}, 400, "invalid_user.json"},
		"a user who is a list":          {request{path: "/sessions?user_id[]=42", bearer: "admin"}, 400, "invalid_user.json"},
		"two users":                     {request{path: "/sessions?user_id=42&user_id=1", bearer: "admin"}, 400, "invalid_user.json"},
		"a user who is no text":         {request{path: "/sessions?user_id=%ff", bearer: "admin"}, 400, "invalid_user.json"},
		"a malformed query":             {request{path: "/sessions?user_id=%zz", bearer: "admin"}, 400, "invalid_query.json"},
		"one user twice is still one":   {request{path: "/sessions?user_id=42&user_id=42", bearer: "admin"}, 200, "sessions.json"},
		"a session, which has no GET":   {request{path: "/sessions/" + tablet, bearer: "admin"}, 404, "no_route.json"},
		"nobody's list":                 {request{path: "/users/sessions"}, 401, "unauthorized.json"},
		"nobody's sessions":             {request{path: "/sessions"}, 401, "unauthorized.json"},
		"a stranger's list":             {request{path: "/users/sessions", bearer: "stranger"}, 401, "unauthorized_token.json"},
		"a stranger's sessions":         {request{path: "/sessions?user_id=42", bearer: "stranger"}, 401, "unauthorized_token.json"},
		"of an ended session":           {request{path: "/sessions", bearer: "revoked"}, 401, "unauthorized_ended.json"},
		"a backend's list":              {request{path: "/users/sessions", bearer: "backend"}, 403, "forbidden_backend.json"},
		"a backend's sessions":          {request{path: "/sessions", bearer: "backend"}, 403, "forbidden_backend.json"},
		"when nobody can tell":          {request{path: "/sessions", bearer: "unavailable"}, 503, "unavailable_caller.json"},
		"terminate":                     {request{method: del, path: "/sessions/" + register + "?user_id=42", bearer: "admin"}, 200, "ended_one.json"},
		"terminate one's own":           {request{method: del, path: "/sessions/" + register + "?user_id=42", bearer: "user"}, 200, "ended_one.json"},
		"terminate an odd session":      {request{method: del, path: "/sessions/" + url.PathEscape(zoes) + "?user_id=zo%C3%AB", bearer: "admin"}, 200, "ended_one.json"},
		"terminate another's":           {request{method: del, path: "/sessions/" + annas + "?user_id=1", bearer: "user"}, 403, "forbidden_end.json"},
		"terminate a missing user's":    {request{method: del, path: "/sessions/" + annas + "?user_id=9", bearer: "user"}, 403, "forbidden_end.json"},
		"terminate, of an auditor":      {request{method: del, path: "/sessions/" + annas + "?user_id=1", bearer: "auditor"}, 403, "forbidden_end.json"},
		"terminate, of nobody":          {request{method: del, path: "/sessions/" + annas + "?user_id=1"}, 401, "unauthorized.json"},
		"terminate, of a backend":       {request{method: del, path: "/sessions/" + annas + "?user_id=1", bearer: "backend"}, 403, "forbidden_backend.json"},
		"terminate a missing session":   {request{method: del, path: "/sessions/nothing?user_id=42", bearer: "admin"}, 404, "no_session.json"},
		"terminate a foreign session":   {request{method: del, path: "/sessions/" + foreign + "?user_id=1", bearer: "admin"}, 404, "no_session.json"},
		"terminate under a wrong user":  {request{method: del, path: "/sessions/" + tablet + "?user_id=1", bearer: "admin"}, 404, "no_session.json"},
		"terminate under oneself":       {request{method: del, path: "/sessions/" + annas + "?user_id=42", bearer: "user"}, 404, "no_session.json"},
		"terminate what has ended":      {request{method: del, path: "/sessions/" + ended + "?user_id=42", bearer: "admin"}, 404, "no_session.json"},
		"terminate what has expired":    {request{method: del, path: "/sessions/" + expired + "?user_id=42", bearer: "admin"}, 404, "no_session.json"},
		"terminate without a user":      {request{method: del, path: "/sessions/" + tablet, bearer: "admin"}, 400, "missing_user.json"},
		"terminate nobody's":            {request{method: del, path: "/sessions/" + tablet + "?user_id=0", bearer: "admin"}, 400, "nobody.json"},
		"terminate an empty user's":     {request{method: del, path: "/sessions/" + tablet + "?user_id=", bearer: "admin"}, 400, "invalid_user_end.json"},
		"terminate two sessions":        {request{method: del, path: "/sessions/" + tablet + "?user_id=42&jti=" + register, bearer: "admin"}, 400, "invalid_session.json"},
		"terminate a session too long":  {request{method: del, path: "/sessions/" + strings.Repeat("a", 129) + "?user_id=42", bearer: "admin"}, 400, "invalid_session.json"},
		"logout all":                    {request{method: del, path: "/sessions?user_id=42", bearer: "admin"}, 200, "ended_all.json"},
		"logout all, said so":           {request{method: del, path: "/sessions?user_id=42&except_current=false", bearer: "admin"}, 200, "ended_all.json"},
		"logout all of oneself":         {request{method: del, path: "/sessions?user_id=42", bearer: "user"}, 200, "ended_all.json"},
		"logout others":                 {request{method: del, path: "/sessions?user_id=42&except_current=true", bearer: "user"}, 200, "ended_all.json"},
		"logout others, of another":     {request{method: del, path: "/sessions?user_id=42&except_current=true", bearer: "admin"}, 400, "no_current.json"},
		"logout others, of no session":  {request{method: del, path: "/sessions?user_id=1&except_current=true", bearer: "key"}, 400, "no_current.json"},
		"logout another":                {request{method: del, path: "/sessions?user_id=1", bearer: "user"}, 403, "forbidden_end.json"},
		"logout a missing user":         {request{method: del, path: "/sessions?user_id=9", bearer: "user"}, 403, "forbidden_end.json"},
		"logout a missing, of an admin": {request{method: del, path: "/sessions?user_id=9", bearer: "admin"}, 404, "no_user.json"},
		"logout a foreign user":         {request{method: del, path: "/sessions?user_id=42", bearer: "foreign"}, 404, "no_user.json"},
		"logout, of an auditor":         {request{method: del, path: "/sessions?user_id=42", bearer: "auditor"}, 403, "forbidden_end.json"},
		"logout an auditor themself":    {request{method: del, path: "/sessions?user_id=007", bearer: "auditor"}, 200, "ended_all.json"},
		"logout, of nobody":             {request{method: del, path: "/sessions?user_id=42"}, 401, "unauthorized.json"},
		"logout, of a backend":          {request{method: del, path: "/sessions?user_id=42", bearer: "backend"}, 403, "forbidden_backend.json"},
		"logout without a user":         {request{method: del, path: "/sessions", bearer: "admin"}, 400, "missing_user.json"},
		"logout nobody":                 {request{method: del, path: "/sessions?user_id=0", bearer: "admin"}, 400, "nobody.json"},
		"logout with an empty flag":     {request{method: del, path: "/sessions?user_id=42&except_current=", bearer: "user"}, 400, "invalid_flag.json"},
		"logout with a listed flag":     {request{method: del, path: "/sessions?user_id=42&except_current[]=true", bearer: "user"}, 400, "invalid_flag.json"},
		"logout with another word":      {request{method: del, path: "/sessions?user_id=42&except_current=yes", bearer: "user"}, 400, "invalid_flag.json"},
		"a session without its id":      {request{method: del, path: "/sessions/?user_id=42", bearer: "admin"}, 400, "missing_session.json"},
		"a session that is two slashes": {request{method: del, path: "/sessions//?user_id=42", bearer: "admin"}, 400, "missing_session.json"},
		"without its id, to be kept":    {request{method: del, path: "/sessions/?user_id=42&except_current=true", bearer: "user"}, 400, "missing_session.json"},
		"without its id, of nobody":     {request{method: del, path: "/sessions/?user_id=42"}, 401, "unauthorized.json"},
		"sessions and a slash":          {request{path: "/sessions/?user_id=42", bearer: "admin"}, 200, "sessions.json"},
		"nothing is there":              {request{path: "/nothing", bearer: "admin"}, 404, "no_route.json"},
		"nothing, of nobody":            {request{path: "/nothing"}, 404, "no_route.json"},
		"the prefix":                    {request{path: ""}, 404, "no_route.json"},
		"the prefix and a slash":        {request{path: "/"}, 404, "no_route.json"},
		"signing in is not here":        {request{method: "POST", path: "/refresh"}, 404, "no_route.json"},
		"a method that is not there":    {request{method: "PUT", path: "/sessions", bearer: "admin"}, 404, "no_route.json"},
		"no token":                      {request{path: "/test"}, 200, "test_none.json"},
		"a token in the header":         {request{path: "/test", bearer: "x"}, 200, "test_header.json"},
		"a token in vain":               {request{path: "/test?authorization=Bearer+x"}, 200, "test_ignored.json"},
		"one of two tokens counts":      {request{path: "/test?authorization=Bearer+x", bearer: "x"}, 200, "test_header_ignored.json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, prefix := range []string{v1, v2} {
				r := setup(t)
				r.shop()
				q := row.request
				q.path = prefix + q.path
				r.answers(q, row.status, row.file)
			}
		})
	}
}
