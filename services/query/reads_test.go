package query_test

import (
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/services/query"
	"github.com/posse-pos/posse/services/query/reads"
)

func TestUsersAreThoseWhoAreSignedIn(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig) {
		position := r.shop()

		got := r.get("admin", "/v1/users")
		var page query.UsersBody
		got.into(r.T, &page)
		if got.status != http.StatusOK || page.Total != 2 || len(page.Users.Users) != 2 || page.Sessions != 3 {
			r.Fatalf("answer %d %s", got.status, got.raw)
		}
		if page.Position != position || got.header.Get("Posse-Position") != strconv.FormatUint(position, 10) {
			r.Errorf("position %d and header %q, want %d", page.Position, got.header.Get("Posse-Position"), position)
		}
		if page.Age == nil || got.header.Get("Posse-Age") == "" {
			r.Errorf("no age in %s", got.raw)
		}
		byID := map[string]query.User{}
		for _, u := range page.Users.Users {
			byID[u.ID] = u
		}
		if carl := byID["carl"]; carl.SessionCount != 2 || carl.IsYou || !carl.ActiveNow || carl.DisplayName != "The carl" {
			r.Errorf("carl is %+v", carl)
		}
		if !byID["anna"].IsYou {
			r.Error("anna is not told that she is herself")
		}
	})
}

func TestUsersAreFilteredAndPaged(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig) {
		r.shop()

		var first, second, filtered query.UsersBody
		r.get("admin", "/v1/users?page_size=1").into(r.T, &first)
		if first.NextPageToken == "" || len(first.Users.Users) != 1 || first.Total != 2 {
			r.Fatalf("first page is %+v", first)
		}
		r.get("admin", "/v1/users?page_size=1&page_token="+url.QueryEscape(first.NextPageToken)).into(r.T, &second)
		if second.NextPageToken != "" || len(second.Users.Users) != 1 || second.Users.Users[0].ID == first.Users.Users[0].ID {
			r.Fatalf("second page is %+v", second)
		}
		r.get("admin", "/v1/users?filter=HE+CAR").into(r.T, &filtered)
		if filtered.Total != 1 || filtered.Users.Users[0].ID != "carl" {
			r.Errorf("filtered page is %+v", filtered)
		}
	})
}

func TestBadParametersAreNamed(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig) {
		r.shop()
		future := url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339))
		for path, field := range map[string]string{
			"/v1/users?page_size=501":                      "query.page_size",
			"/v1/users?page_token=nonsense":                "query.page_token",
			"/v1/users?as_of=" + future:                    "query.as_of",
			"/v1/users?as_of=yesterday":                    "query.as_of",
			"/v1/users?as_of=0001-01-01T00:00:00Z":         "query.as_of",
			"/v1/users?as_of=0000-01-01T00:00:00%2B23:59":  "query.as_of",
			"/v1/users?wait_for=-1":                        "query.wait_for",
			"/v1/users?wait=31":                            "query.wait",
			"/v1/users?fliter=carl":                        "query.fliter",
			"/v1/users/carl/sessions?state=dead":           "query.state",
			"/v1/users/carl/sessions?limit=0":              "query.limit",
			"/v1/sessions/carl-1?as_of=" + future:          "query.as_of",
			"/v1/users/carl/sessions?as_of=2020-13-01T00Z": "query.as_of",
		} {
			got := r.get("admin", path)
			var problem struct {
				Reason string `json:"reason"`
				Errors []struct {
					Field string `json:"field"`
				} `json:"errors"`
			}
			got.into(r.T, &problem)
			if got.status != http.StatusUnprocessableEntity || problem.Reason != "invalid" || len(problem.Errors) != 1 || problem.Errors[0].Field != field {
				r.Errorf("%s answered %d %s, want the field %s", path, got.status, got.raw, field)
			}
		}
	})
}

func TestSessionsOfAUser(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig) {
		r.shop()

		var active, ended query.SessionsBody
		r.get("user", "/v1/users/carl/sessions").into(r.T, &active)
		if len(active.Sessions.Sessions) != 2 {
			r.Fatalf("carl's sessions are %+v", active)
		}
		for _, s := range active.Sessions.Sessions {
			if s.IsCurrent != (s.Session == "carl-1") || s.State != reads.StateActive || !s.ActiveNow || s.IP != "192.0.2.7" || s.Ended != nil {
				r.Errorf("session is %+v", s)
			}
			if s.Device.Application == "" && s.UserAgent != "Mozilla/5.0" {
				r.Errorf("session shows no device: %+v", s)
			}
		}
		r.get("user", "/v1/users/carl/sessions?state=ended").into(r.T, &ended)
		if len(ended.Sessions.Sessions) != 1 || ended.Sessions.Sessions[0].Session != "carl-0" || ended.Sessions.Sessions[0].State != reads.StateEnded {
			r.Errorf("carl's ended sessions are %+v", ended)
		}
	})
}

func TestAnEndedSessionSaysWhoEndedItAndWhy(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig) {
		r.shop()

		var admin, user query.SessionBody
		r.get("admin", "/v1/sessions/carl-0").into(r.T, &admin)
		end := admin.Ended
		if admin.State != reads.StateEnded || end == nil || end.ActorUser != "anna" || end.Cause != "terminate" ||
			end.InitiatingEntity != "admin" || end.ReasonAdmin != "stolen" || end.ReasonUser != "call us" || end.ActorIP == "" || end.Position != 7 {
			r.Fatalf("session is %+v, ended %+v", admin.Session, end)
		}
		r.get("user", "/v1/sessions/carl-0").into(r.T, &user)
		if user.Ended == nil || user.Ended.ReasonAdmin != "" || user.Ended.ActorIP != "" || user.Ended.ReasonUser != "call us" {
			r.Errorf("the person who was signed out sees %+v", user.Ended)
		}
	})
}

func TestAsOfAnswersForThePast(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig) {
		r.shop()
		before := url.QueryEscape(r.now.Add(-30 * time.Minute).Format(time.RFC3339Nano))
		early := url.QueryEscape(r.now.Add(-2 * time.Hour).Format(time.RFC3339Nano))

		var page query.UsersBody
		r.get("admin", "/v1/users?as_of="+before).into(r.T, &page)
		if page.Total != 2 || page.Sessions != 4 {
			r.Errorf("half an hour ago: %+v", page)
		}
		r.get("admin", "/v1/users?as_of="+early).into(r.T, &page)
		if page.Total != 0 {
			r.Errorf("before anybody signed in: %+v", page)
		}
		var session query.SessionBody
		r.get("admin", "/v1/sessions/carl-0?as_of="+before).into(r.T, &session)
		if session.State != reads.StateActive || session.Ended != nil || session.ActiveNow {
			r.Errorf("the session half an hour ago: %+v", session)
		}
		if later := session.EndedLater; later == nil || later.ActorUser != "anna" || later.Cause != "terminate" || later.ReasonAdmin != "stolen" {
			r.Errorf("how it ended since: %+v", later)
		}
		if got := r.get("admin", "/v1/sessions/carl-0?as_of="+early); got.status != http.StatusNotFound {
			r.Errorf("the session before its login: %d %s", got.status, got.raw)
		}
	})
}

func TestAPastMomentSaysHowSessionsEndedSince(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig) {
		r.shop()
		before := url.QueryEscape(r.now.Add(-30 * time.Minute).Format(time.RFC3339Nano))
		var sessions, own query.SessionsBody
		r.get("admin", "/v1/users/carl/sessions?as_of="+before).into(r.T, &sessions)
		r.get("user", "/v1/users/carl/sessions?as_of="+before).into(r.T, &own)
		if len(sessions.Sessions.Sessions) != 3 || len(own.Sessions.Sessions) != 3 {
			r.Fatalf("carl's sessions half an hour ago: %+v", sessions)
		}
		for i, s := range own.Sessions.Sessions {
			if all := sessions.Sessions.Sessions[i]; (s.EndedLater != nil) != (s.Session == "carl-0") || (all.EndedLater != nil) != (s.Session == "carl-0") {
				r.Errorf("half an hour ago: %+v", s)
			}
			if s.EndedLater != nil && (s.EndedLater.ReasonAdmin != "" || s.EndedLater.ActorIP != "" || s.EndedLater.ReasonUser != "call us") {
				r.Errorf("the person who was signed out later sees %+v", s.EndedLater)
			}
		}
	})
}

func TestExpiredSessionSaysSo(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig) {
		login := r.login("shop", "carl", "old")
		login.Expires = events.TimestampOf(r.now.Add(-time.Minute))
		r.record(events.StreamSessions, login)
		var session query.SessionBody
		r.get("admin", "/v1/sessions/old").into(r.T, &session)
		if session.State != reads.StateExpired || session.ActiveNow || session.Ended != nil {
			r.Errorf("session is %+v", session)
		}
	})
}

func TestWaitForAPosition(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig) {
		position := r.shop()

		behind := r.get("admin", "/v1/users?wait=0.05&wait_for="+strconv.FormatUint(position+1, 10))
		var problem struct {
			Reason string `json:"reason"`
		}
		behind.into(r.T, &problem)
		if behind.status != http.StatusServiceUnavailable || problem.Reason != "behind" || behind.header.Get("Retry-After") == "" {
			r.Fatalf("answer %d %s", behind.status, behind.raw)
		}
		answered := make(chan answer)
		go func() {
			answered <- r.get("admin", "/v1/users/carl/sessions?wait=10&wait_for="+strconv.FormatUint(position+1, 10))
		}()
		r.record(events.StreamSessions, r.revoked("shop", "carl", "carl-2"))
		var sessions query.SessionsBody
		(<-answered).into(r.T, &sessions)
		if len(sessions.Sessions.Sessions) != 1 || sessions.Position != position+1 {
			r.Errorf("after the wait: %+v", sessions)
		}
	})
}

func TestETagIsOfTheContent(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig) {
		r.shop()
		for _, path := range []string{"/v1/users", "/v1/users/carl/sessions", "/v1/sessions/carl-1", "/v1/me", "/v1/gateways"} {
			first := r.get("admin", path)
			etag := first.header.Get("ETag")
			if etag == "" {
				r.Errorf("%s has no ETag", path)
				continue
			}
			again := r.get("admin", path, "If-None-Match", `"other", `+etag)
			if again.status != http.StatusNotModified || again.raw != "" || again.header.Get("Posse-Position") == "" || again.header.Get("ETag") != etag {
				r.Errorf("%s answered %d %q %v", path, again.status, again.raw, again.header)
			}
		}
		etag := r.get("admin", "/v1/users/carl/sessions").header.Get("ETag")
		r.record(events.StreamSessions, r.revoked("shop", "carl", "carl-2"))
		if got := r.get("admin", "/v1/users/carl/sessions", "If-None-Match", etag); got.status != http.StatusOK {
			r.Errorf("after a change: %d", got.status)
		}
	})
}

func TestIDsThatNeedEscaping(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig) {
		const odd = "a/b c%2F?ü"
		r.record(events.StreamSessions, r.login("shop", odd, odd))
		var sessions query.SessionsBody
		r.get("admin", "/v1/users/"+url.PathEscape(odd)+"/sessions").into(r.T, &sessions)
		if len(sessions.Sessions.Sessions) != 1 {
			r.Errorf("sessions are %+v", sessions)
		}
		if got := r.get("admin", "/v1/sessions/"+url.PathEscape(odd)); got.status != http.StatusOK {
			r.Errorf("session: %d %s", got.status, got.raw)
		}
	})
}
