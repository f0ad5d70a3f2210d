package replay

import (
	"cmp"
	"encoding/json"
	"net/netip"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// OCSF writes one event of the Open Cybersecurity Schema Framework a line: class 3002,
// Authentication, of schema 1.2.0. A login is a Logon, a revocation a Logoff, a refresh
// and the forgetting of a user Other; what posse does not know is Unknown. What the class has no attribute for
// stands under "unmapped".
type OCSF struct{}

var _ Encoder = OCSF{}

const (
	ocsfVersion = "1.2.0"
	ocsfClass   = 3002

	ocsfUnknown       = 0
	ocsfLogon         = 1
	ocsfLogoff        = 2
	ocsfOther         = 99
	ocsfInformational = 1
	ocsfSuccess       = 1
)

type ocsfEvent struct {
	ActivityID   int            `json:"activity_id"`
	ActivityName string         `json:"activity_name"`
	CategoryUID  int            `json:"category_uid"`
	CategoryName string         `json:"category_name"`
	ClassUID     int            `json:"class_uid"`
	ClassName    string         `json:"class_name"`
	TypeUID      int            `json:"type_uid"`
	TypeName     string         `json:"type_name"`
	SeverityID   int            `json:"severity_id"`
	Severity     string         `json:"severity"`
	StatusID     int            `json:"status_id"`
	Status       string         `json:"status"`
	StatusDetail string         `json:"status_detail,omitempty"`
	Time         int64          `json:"time"`
	Message      string         `json:"message,omitempty"`
	Metadata     ocsfMetadata   `json:"metadata"`
	User         ocsfUser       `json:"user"`
	Session      ocsfSession    `json:"session,omitzero"`
	Actor        ocsfActor      `json:"actor,omitzero"`
	Service      ocsfService    `json:"service"`
	SrcEndpoint  ocsfEndpoint   `json:"src_endpoint,omitzero"`
	HTTPRequest  ocsfHTTP       `json:"http_request,omitzero"`
	Unmapped     map[string]any `json:"unmapped,omitempty"`
}

type ocsfMetadata struct {
	Version        string      `json:"version"`
	Product        ocsfProduct `json:"product"`
	UID            string      `json:"uid,omitempty"`
	Sequence       uint64      `json:"sequence"`
	LoggedTime     int64       `json:"logged_time"`
	EventCode      string      `json:"event_code,omitempty"`
	LogName        string      `json:"log_name"`
	TenantUID      string      `json:"tenant_uid,omitempty"`
	CorrelationUID string      `json:"correlation_uid,omitempty"`
}

type ocsfProduct struct {
	Name       string `json:"name"`
	VendorName string `json:"vendor_name"`
}

type ocsfUser struct {
	UID      string `json:"uid"`
	Name     string `json:"name,omitempty"`
	FullName string `json:"full_name,omitempty"`
}

type ocsfSession struct {
	UID              string `json:"uid,omitempty"`
	CreatedTime      int64  `json:"created_time,omitzero"`
	ExpirationTime   int64  `json:"expiration_time,omitzero"`
	ExpirationReason string `json:"expiration_reason,omitempty"`
}

type ocsfActor struct {
	User    *ocsfUser   `json:"user,omitempty"`
	Session ocsfSession `json:"session,omitzero"`
}

type ocsfService struct {
	Name string `json:"name"`
	UID  string `json:"uid,omitempty"`
}

type ocsfEndpoint struct {
	IP   string `json:"ip,omitempty"`
	Name string `json:"name,omitempty"`
}

type ocsfHTTP struct {
	UserAgent string `json:"user_agent,omitempty"`
}

// Header implements Encoder.
func (OCSF) Header() string { return "" }

// Append implements Encoder.
func (OCSF) Append(line []byte, fact eventlog.Recorded) ([]byte, error) {
	r, err := rowOf(fact)
	if err != nil {
		return nil, err
	}
	id, name := ocsfActivity(fact.Event)
	event := ocsfEvent{
		ActivityID: id, ActivityName: name, TypeUID: ocsfClass*100 + id, TypeName: "Authentication: " + name,
		CategoryUID: ocsfClass / 1000, CategoryName: "Identity & Access Management", ClassUID: ocsfClass, ClassName: "Authentication",
		SeverityID: ocsfInformational, Severity: "Informational", StatusID: ocsfSuccess, Status: "Success",
		StatusDetail: r.Cause, Message: cmp.Or(r.ReasonAdmin, r.ReasonUser),
		Time: fact.Time.UnixMilli(), Metadata: ocsfMetadataOf(r),
		User:        ocsfUser{UID: r.User, Name: r.Username, FullName: r.DisplayName},
		Session:     ocsfSession{UID: r.Session, ExpirationReason: r.Cause},
		Actor:       ocsfActorOf(r),
		Service:     ocsfService{Name: "point of sale", UID: r.Tenant},
		SrcEndpoint: ocsfEndpointOf(r), HTTPRequest: ocsfHTTP{UserAgent: r.UserAgent}, Unmapped: ocsfUnmapped(r),
	}
	if !r.Time.IsZero() {
		event.Time = r.Time.UnixMilli()
	}
	if !r.Created.IsZero() {
		event.Session.CreatedTime = r.Created.UnixMilli()
	}
	if !r.Expires.IsZero() {
		event.Session.ExpirationTime = r.Expires.UnixMilli()
	}
	return appendJSON(line, event)
}

func ocsfActivity(event events.Event) (id int, name string) {
	switch event.(type) {
	case events.LoggedIn:
		return ocsfLogon, "Logon"
	case events.Revoked:
		return ocsfLogoff, "Logoff"
	case events.Refreshed:
		return ocsfOther, "Refresh"
	case events.Forgotten:
		return ocsfOther, "Forget"
	default:
		return ocsfUnknown, "Unknown"
	}
}

func ocsfMetadataOf(r row) ocsfMetadata {
	return ocsfMetadata{
		Version: ocsfVersion, Product: ocsfProduct{Name: "posse", VendorName: "posse"},
		UID: r.ID, Sequence: r.Sequence, LoggedTime: r.Stored.UnixMilli(), EventCode: r.Type,
		LogName: events.StreamSessions, TenantUID: r.Tenant, CorrelationUID: r.CommandID,
	}
}

func ocsfActorOf(r row) ocsfActor {
	if r.ActorUser == "" {
		return ocsfActor{}
	}
	return ocsfActor{User: &ocsfUser{UID: r.ActorUser}, Session: ocsfSession{UID: r.ActorSession}}
}

func ocsfEndpointOf(r row) ocsfEndpoint {
	endpoint := ocsfEndpoint{Name: r.DeviceLabel}
	if ip, err := netip.ParseAddr(r.IP + r.ActorIP); err == nil { // a fact has one or the other
		endpoint.IP = ip.WithZone("").String()
	}
	return endpoint
}

func ocsfUnmapped(r row) map[string]any {
	unmapped := map[string]any{}
	for name, value := range map[string]string{
		"initiating_entity": r.InitiatingEntity, "reason_user": r.ReasonUser, "platform": r.Platform,
		"app_version": r.AppVersion, "build": r.Build, "avatar_url": r.AvatarURL, "source": r.Source,
		"subject": r.Subject, "data_base64": r.PayloadBase64,
	} {
		if value != "" {
			unmapped[name] = value
		}
	}
	for name, value := range map[string]string{"client_hints": r.ClientHints, "payload": r.Payload} {
		if value != "" {
			unmapped[name] = json.RawMessage(value)
		}
	}
	if r.Generation > 0 {
		unmapped["generation"] = r.Generation
	}
	return unmapped
}
