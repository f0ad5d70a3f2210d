package natslog

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
)

// ErrDenied says that the NATS user may not do what was asked of the log. The
// error names the subject that it may not publish to.
var ErrDenied = errors.New("natslog: the NATS user has no permission")

// asked explains the error of a request on a subject of JetStream's API. A request
// that the server does not allow has no answer; the refusal comes by another way.
func (l *Log) asked(subject string, err error) error {
	return l.refused(l.apiPrefix()+subject, err)
}

// refused explains the error of a request on a whole subject likewise.
func (l *Log) refused(subject string, err error) error {
	last := l.js.Conn().LastError()
	if err == nil || !errors.Is(last, nats.ErrPermissionViolation) || !strings.Contains(last.Error(), `"`+subject+`"`) {
		return err
	}
	return fmt.Errorf("%w: allow it to publish to %s, or give posse the credentials of another", ErrDenied, subject)
}
