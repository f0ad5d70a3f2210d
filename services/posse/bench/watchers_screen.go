package bench

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/token"
)

// listedUsers is how many users a screen lists of its own accord.
const listedUsers = 50

// errNotLive says that a screen stopped showing what happens.
var errNotLive = errors.New("a screen is not live")

// openScreen is the screen in an administrator's browser. It does what the
// screen's script does.
type openScreen struct {
	admin   string
	browser *browser
	looked  *activity // what it looks at
	stream  string    // path of the events
	panes   []*pane

	mu      sync.Mutex
	seen    int // touches that the screen has shown
	samples []sample
}

// newScreen signs an administrator in, who looks at the user of a session.
func newScreen(ctx context.Context, base, admin string, links *token.Issuer, looked *activity) (*openScreen, error) {
	link, err := links.MintLink(token.Link{
		Tenant: tenant, User: admin, Roles: []string{principal.DefaultAdminRole}, Username: admin, DisplayName: "The " + admin,
	})
	if err != nil {
		return nil, err
	}
	user := url.Values{"user": {looked.key.User}}.Encode()
	s := &openScreen{admin: admin, looked: looked, panes: []*pane{
		newPane("sessions", "section#sessions", "/?"+user),
		newPane("users", "div#user-list-pane", "/users?"+user+"&rows="+strconv.Itoa(listedUsers)),
	}}
	if s.browser, err = newBrowser(ctx, base, link); err != nil {
		return nil, fmt.Errorf("%s: %w", admin, err)
	}
	if err := s.open(ctx, "/?"+user); err != nil {
		return nil, fmt.Errorf("%s: %w", admin, err)
	}
	return s, nil
}

var streamIn = regexp.MustCompile(`hx-sse:connect="([^"]+)"`)

// open loads the page, of which the panes are refreshed from then on.
func (s *openScreen) open(ctx context.Context, path string) error {
	page, err := s.browser.get(ctx, path)
	if err != nil {
		return err
	}
	stream := streamIn.FindSubmatch(page)
	if stream == nil {
		return errors.New("the page names no stream")
	}
	s.stream = html.UnescapeString(string(stream[1]))
	for _, p := range s.panes {
		if err := p.show(page); err != nil {
			return err
		}
	}
	return nil
}

// run follows the stream and refreshes the panes, until the context ends.
func (s *openScreen) run(ctx context.Context) error {
	defer s.browser.client.CloseIdleConnections()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.follow(ctx) })
	for _, p := range s.panes {
		group.Go(func() error { return s.refreshWhenTold(ctx, p) })
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("%s: %w", s.admin, err)
	}
	return nil
}

// follow hears which panes to read again. A stream does not end by itself.
func (s *openScreen) follow(ctx context.Context) error {
	answer, err := s.browser.ask(ctx, s.stream, "text/event-stream")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if event, found := strings.CutPrefix(lines.Text(), "event: "); found {
			if err := s.tell(event); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("%w: the stream broke: %w", errNotLive, cmp.Or(lines.Err(), io.ErrUnexpectedEOF))
}

func (s *openScreen) tell(event string) error {
	for _, p := range s.panes {
		if p.event == event {
			p.tell()
			return nil
		}
	}
	return fmt.Errorf("%w: the stream says %q", errNotLive, event)
}

func (s *openScreen) refreshWhenTold(ctx context.Context, p *pane) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.told:
		}
		if err := s.refresh(ctx, p); err != nil {
			return fmt.Errorf("%w: %w", errNotLive, err)
		}
	}
}
