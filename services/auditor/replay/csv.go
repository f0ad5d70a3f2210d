package replay

import (
	"bytes"
	"encoding/csv"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/posse-pos/posse/pkg/eventlog"
)

// CSV writes RFC 4180 with a header and one column per field of any fact. A text
// that a spreadsheet would take for a formula has ' before it, as OWASP has it
// (https://owasp.org/www-community/attacks/CSV_Injection).
type CSV struct{}

var _ Encoder = CSV{}

// csvColumns name what cells returns, in its order.
var csvColumns = []string{
	"sequence", "stored", "type", "id", "source", "time", "tenant", "user", "session", "created", "expires", "generation",
	"platform", "app_version", "build", "username", "display_name", "avatar_url", "device_label", "user_agent", "client_hints", "ip",
	"cause", "initiating_entity", "actor_user", "actor_session", "actor_ip", "reason_admin", "reason_user", "command_id",
	"subject", "payload", "data_base64",
}

// Header implements Encoder.
func (CSV) Header() string { return strings.Join(csvColumns, ",") + "\n" }

// Append implements Encoder.
func (CSV) Append(line []byte, fact eventlog.Recorded) ([]byte, error) {
	r, err := rowOf(fact)
	if err != nil {
		return nil, err
	}
	cells := r.cells()
	for i, cell := range cells {
		cells[i] = formulaSafe(cell)
	}
	buffer := bytes.NewBuffer(line)
	writer := csv.NewWriter(buffer)
	if err := writer.Write(cells); err != nil {
		return nil, err
	}
	writer.Flush()
	return buffer.Bytes(), writer.Error()
}

func (r *row) cells() []string {
	generation := ""
	if r.Generation > 0 {
		generation = strconv.FormatUint(r.Generation, 10)
	}
	return []string{
		strconv.FormatUint(r.Sequence, 10), rfc3339(r.Stored), r.Type, r.ID, r.Source, rfc3339(r.Time), r.Tenant, r.User, r.Session,
		rfc3339(r.Created), rfc3339(r.Expires), generation,
		r.Platform, r.AppVersion, r.Build, r.Username, r.DisplayName, r.AvatarURL, r.DeviceLabel, r.UserAgent, r.ClientHints, r.IP,
		r.Cause, r.InitiatingEntity, r.ActorUser, r.ActorSession, r.ActorIP, r.ReasonAdmin, r.ReasonUser, r.CommandID,
		r.Subject, r.Payload, r.PayloadBase64,
	}
}

// formulaSafe puts ' before a text that begins as a formula does, also in the wide
// forms that some spreadsheets read alike.
func formulaSafe(cell string) string {
	if first, _ := utf8.DecodeRuneInString(cell); cell != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
		return "'" + cell
	}
	return cell
}
