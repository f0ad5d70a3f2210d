package screen

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/services/query/reads"
)

const (
	maxAvatar     = 256 << 10 // bytes of a picture
	maxAvatars    = 512       // pictures in memory
	avatarTimeout = 5 * time.Second
	avatarFor     = time.Hour // that a picture, or the lack of one, is kept
)

var (
	errNotListed = errors.New("screen: a picture of a host that is not listed")
	errNoAvatar  = errors.New("screen: no such picture")
)

// avatars fetches the pictures of users from hosts that the operator listed, so
// that browsers need to ask no host but ours, and tell none who looks at whom. A
// host that is not listed is never asked, whatever a login says.
type avatars struct {
	hosts  []string
	client *http.Client
	now    func() time.Time

	mu    sync.Mutex
	known *lru.Cache[string, *avatar] // by URL
}

type avatar struct {
	once        sync.Once
	until       time.Time
	contentType string
	data        []byte // nil if there is none
}

// newCache forgets what was not used for longest.
func newCache[V any](size int) *lru.Cache[string, V] {
	cache, err := lru.New[string, V](size)
	if err != nil {
		panic(err) // the size is a constant
	}
	return cache
}

func newAvatars(config Config) *avatars {
	a := &avatars{hosts: config.AvatarHosts, now: config.Now, known: newCache[*avatar](maxAvatars)}
	a.client = &http.Client{
		Timeout: avatarTimeout,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 3 || !a.allowed(r.URL) {
				return errNoAvatar
			}
			return nil
		},
	}
	return a
}

func (a *avatars) allowed(u *url.URL) bool {
	return (u.Scheme == "https" || u.Scheme == "http") && u.User == nil && slices.Contains(a.hosts, u.Host)
}

// address is where a user's picture is; "" if they have none that can be shown.
func (a *avatars) address(user, avatarURL string) string {
	if avatarURL == "" || len(a.hosts) == 0 {
		return ""
	}
	u, err := url.Parse(avatarURL)
	if err != nil || !a.allowed(u) {
		return ""
	}
	sum := sha256.Sum256([]byte(avatarURL))
	// Not in the path: a user may be called "..".
	return address("/avatar", url.Values{"user": {user}, "v": {hex.EncodeToString(sum[:6])}})
}

// get returns a picture, and fetches it if it is not known.
func (a *avatars) get(ctx context.Context, avatarURL string) (*avatar, error) {
	u, err := url.Parse(avatarURL)
	if err != nil || !a.allowed(u) {
		return nil, errNotListed
	}
	found := a.entry(avatarURL)
	found.once.Do(func() { found.contentType, found.data, err = a.fetch(ctx, avatarURL) })
	if found.data == nil {
		return nil, errors.Join(errNoAvatar, err)
	}
	return found, nil
}

// entry returns what is known of a picture, or a place to put it.
func (a *avatars) entry(avatarURL string) *avatar {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if found, ok := a.known.Get(avatarURL); ok && now.Before(found.until) {
		return found
	}
	found := &avatar{until: now.Add(avatarFor)}
	a.known.Add(avatarURL, found)
	return found
}

func (a *avatars) fetch(ctx context.Context, avatarURL string) (contentType string, data []byte, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), avatarTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, avatarURL, http.NoBody)
	if err != nil {
		return "", nil, err
	}
	response, err := a.client.Do(request)
	if err != nil {
		return "", nil, err
	}
	defer response.Body.Close()
	data, err = io.ReadAll(io.LimitReader(response.Body, maxAvatar+1))
	if err != nil {
		return "", nil, err
	}
	contentType = http.DetectContentType(data)
	switch {
	case response.StatusCode != http.StatusOK:
		return "", nil, fmt.Errorf("%w: the host answered %d", errNoAvatar, response.StatusCode)
	case len(data) > maxAvatar:
		return "", nil, fmt.Errorf("%w: it is larger than %d bytes", errNoAvatar, maxAvatar)
	case !slices.Contains([]string{"image/png", "image/jpeg", "image/gif", "image/webp"}, contentType):
		return "", nil, fmt.Errorf("%w: it is %s", errNoAvatar, contentType)
	}
	return contentType, data, nil
}

// avatar serves the picture of a user whom the viewer may see.
func (s *Screen) avatar(w http.ResponseWriter, r *http.Request) {
	picture, err := s.avatarOf(r, r.URL.Query().Get("user")) //nolint:contextcheck // the context is the request's
	h := w.Header()
	if err == nil || errors.Is(err, errNoAvatar) {
		h.Set("Cache-Control", "private, max-age=3600") // as long as it is kept here
	}
	if err != nil {
		http.NotFound(w, r)
		return
	}
	h.Set("Content-Type", picture.contentType)
	_, _ = w.Write(picture.data) // the browser may be gone
}

func (s *Screen) avatarOf(r *http.Request, user string) (*avatar, error) {
	ctx, l, err := s.look(r, time.Time{})
	if err != nil {
		return nil, err
	}
	if !l.Viewer.MayRead(user) {
		return nil, commands.NewError(commands.ReasonNotFound, "there is no such user")
	}
	page, err := l.Users(ctx, reads.UsersQuery{User: user})
	if err != nil {
		return nil, err
	}
	if len(page.Users) == 0 {
		return nil, commands.NewError(commands.ReasonNotFound, "there is no such user")
	}
	return s.avatars.get(ctx, page.Users[0].AvatarURL)
}
