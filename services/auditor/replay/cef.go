package replay

import (
	"cmp"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// CEF writes the Common Event Format, revision 26 of its specification ("ArcSight
// Common Event Format Implementation Standard"), version CEF:0. The device version
// is that of the facts, not of the program: the bytes do not change with a release.
type CEF struct{}

var _ Encoder = CEF{}

// cefNames and severities by type; CEF counts severities from 0 to 10.
var cefNames = map[events.Type]struct {
	name     string
	severity int
}{
	events.TypeLoggedIn:  {"User signed in", 2},
	events.TypeRefreshed: {"Session refreshed", 1},
	events.TypeRevoked:   {"Session ended", 3},
	events.TypeForgotten: {"User forgotten", 5},
}

// Header implements Encoder.
func (CEF) Header() string { return "" }

// Append implements Encoder.
func (CEF) Append(line []byte, fact eventlog.Recorded) ([]byte, error) {
	r, err := rowOf(fact)
	if err != nil {
		return nil, err
	}
	kind, known := cefNames[fact.Event.EventType()]
	if !known {
		kind.name, kind.severity = "Message that posse does not know", 5
	}
	line = append(line, "CEF:0|posse|posse|1|"...)
	line = append(line, cefHeader.Replace(cmp.Or(r.Type, "unknown"))+"|"+kind.name+"|"+strconv.Itoa(kind.severity)+"|"...)
	for i, pair := range cefPairs(r) {
		if i > 0 {
			line = append(line, ' ')
		}
		line = append(line, pair[0]+"="+cefValue.Replace(pair[1])...)
	}
	return append(line, '\n'), nil
}

// Of the header, CEF escapes \ and |, and allows no line break; of the values \ and =,
// and line breaks as \n and \r.
var (
	cefHeader = strings.NewReplacer(`\`, `\\`, `|`, `\|`, "\n", " ", "\r", " ")
	cefValue  = strings.NewReplacer(`\`, `\\`, `=`, `\=`, "\n", `\n`, "\r", `\r`)
)

// cefPairs are the extensions that have a value. rt is when the log stored the fact;
// s… is who did it, d… whose session it is.
func cefPairs(r row) [][2]string {
	subject, actor, ip := [2]string{r.User, r.Username}, [2]string{r.ActorUser, ""}, r.ActorIP
	if r.ActorUser == "" && r.Cause == "" {
		actor, ip = subject, r.IP
	}
	all := [][2]string{
		{"rt", millis(r.Stored)},
		{"start", millis(r.Time)},
		{"externalId", r.ID},
		{"cn1", strconv.FormatUint(r.Sequence, 10)},
		{"suid", actor[0]},
		{"suser", actor[1]},
		{"duid", subject[0]},
		{"duser", subject[1]},
		address(ip),
		{"requestClientApplication", r.UserAgent},
		{"act", r.Cause},
		{"reason", r.ReasonAdmin},
		{"msg", r.ReasonUser},
		{"cs1", r.Tenant},
		{"cs2", r.Session},
		{"cs3", r.CommandID},
		{"cs4", r.InitiatingEntity},
		{"cs5", r.DeviceLabel},
		{"cs6", r.Payload + r.PayloadBase64},
	}
	var pairs [][2]string
	for _, pair := range all {
		if pair[1] == "" {
			continue
		}
		pairs = append(pairs, pair)
		if label, ok := cefLabels[pair[0]]; ok {
			pairs = append(pairs, [2]string{pair[0] + "Label", label})
		}
	}
	return pairs
}

// cefLabels say what the fields hold that CEF leaves to the sender.
var cefLabels = map[string]string{
	"cn1": "sequence", "cs1": "tenant", "cs2": "session", "cs3": "command_id", "cs4": "initiating_entity",
	"cs5": "device_label", "cs6": "payload", "c6a2": "Source IPv6 Address",
}

// address is an IPv4 address as src and an IPv6 one as c6a2. Text that is neither goes
// into a field of posse's own.
func address(ip string) [2]string {
	parsed, err := netip.ParseAddr(ip)
	switch {
	case err != nil:
		return [2]string{"posseIp", ip}
	case parsed.Unmap().Is4():
		return [2]string{"src", parsed.Unmap().String()}
	default:
		return [2]string{"c6a2", parsed.WithZone("").String()}
	}
}

func millis(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}
