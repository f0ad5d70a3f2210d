package signin

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/token"
)

const (
	// maxBody and maxToken bound what anybody may post, in bytes.
	maxBody  = 64 << 10
	maxToken = 16 << 10
	// bodyTimeout is how long a browser may take to send it.
	bodyTimeout = 10 * time.Second
)

// post signs in with what a form sends: "link", the token of a link that was
// confirmed, or "token", an access token of posse's.
func (s *SignIn) post(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // fails where there are no deadlines
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		s.tooMuch(w, r, err)
		return
	}
	next := localPath(r.Form.Get("next"))
	err := fail(NoticeBadToken, errors.New("a link, a token, or nothing good was posted"))
	switch link, bearer := r.PostForm.Get("link"), r.PostForm.Get("token"); {
	case link != "" && bearer == "":
		err = s.redeem(w, r, link, next)
	case bearer != "" && link == "":
		err = s.takeBearer(w, r, bearer, next)
	}
	if err != nil {
		s.refuse(w, r, err, next)
	}
}

// tooMuch answers what is no form, or one that nobody fills in.
func (s *SignIn) tooMuch(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusBadRequest
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		status = http.StatusRequestEntityTooLarge
	}
	s.show(w, r, View{Status: status, Notice: NoticeBadToken})
}

// redeem signs in whom a link names, if nobody was signed in by it before: the
// session's id is made of the link's, and an id is issued once.
func (s *SignIn) redeem(w http.ResponseWriter, r *http.Request, sent, next string) error {
	link, err := s.openLink(sent)
	if err != nil {
		return err
	}
	err = s.signIn(w, r, identityOf(link), sessionOf(link), next)
	for _, used := range []error{commands.ErrSessionExists, commands.ErrSessionEnded, commands.ErrSessionExpired} {
		if errors.Is(err, used) {
			return fail(NoticeUsedLink, err)
		}
	}
	return err
}

// sessionOf is the id of the session that a link begins. Knowing a session's id,
// nobody knows the link's.
func sessionOf(link token.Link) string {
	sum := sha256.Sum256([]byte("sign-in link\x00" + link.ID))
	return "link-" + hex.EncodeToString(sum[:16])
}

// takeBearer signs in this browser for somebody who has a session elsewhere, such
// as in an admin that embeds the screen. It gets a session of its own.
func (s *SignIn) takeBearer(w http.ResponseWriter, r *http.Request, bearer, next string) error {
	if s.config.Bearer == nil || len(bearer) > maxToken {
		return fail(NoticeBadToken, errors.New("it is too long, or none are taken here"))
	}
	p, err := s.config.Bearer.Authenticate(r.Context(), bearer)
	switch {
	case errors.Is(err, principal.ErrUnavailable):
		return fail(NoticeUnavailable, err)
	case err != nil:
		return fail(NoticeBadToken, err)
	case p.User == "":
		return fail(NoticeBadToken, errors.New("it is the key of a "+p.Kind.String()+", which is nobody who looks at a screen"))
	}
	return s.signIn(w, r, Identity{Tenant: p.Tenant, User: p.User, Roles: rolesOf(p.Kind)}, "", next)
}

// rolesOf are the roles that make somebody of a kind.
func rolesOf(kind principal.Kind) []string {
	switch kind {
	case principal.Admin:
		return []string{principal.DefaultAdminRole}
	case principal.Auditor:
		return []string{principal.DefaultAuditorRole}
	default:
		return nil
	}
}
