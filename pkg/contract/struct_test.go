package contract_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/posse-pos/posse/events"
)

// jsonFields lists the JSON fields of a struct type as paths, and marks those
// that are always written with an exclamation mark.
func jsonFields(typ reflect.Type, prefix string) []string {
	var fields []string
	for field := range typ.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "":
			fields = append(fields, jsonFields(field.Type, prefix)...)
			continue
		case options == "":
			fields = append(fields, prefix+name+"!")
		default:
			fields = append(fields, prefix+name)
		}
		if field.Type.Kind() == reflect.Struct {
			fields = append(fields, jsonFields(field.Type, prefix+name+".")...)
		}
	}
	return fields
}

func TestStructsAndSchemasHaveTheSameFields(t *testing.T) {
	t.Parallel()
	for _, form := range forms() {
		var fields []string
		schemaNode(t, form.name).fields(t, func(field node, required bool) {
			if required {
				field.path += "!"
			}
			fields = append(fields, field.path)
		})
		wantSame(t, form.name, fields, jsonFields(reflect.TypeOf(form.full), ""))
	}
}

// TestFormsAreFull keeps the other tests honest: a field that nobody sets is a
// field that nobody validates.
func TestFormsAreFull(t *testing.T) {
	t.Parallel()
	for _, form := range forms() {
		wantNoZero(t, form.name, reflect.ValueOf(form.full))
	}
}

func wantNoZero(t *testing.T, name string, value reflect.Value) {
	t.Helper()
	if value.IsZero() {
		t.Errorf("%s is zero in forms()", name)
	}
	if value.Kind() != reflect.Struct {
		return
	}
	for i := range value.NumField() {
		wantNoZero(t, name+"."+value.Type().Field(i).Name, value.Field(i))
	}
}

func TestSchemasKnowTheLimits(t *testing.T) {
	t.Parallel()
	limits := map[string]int{
		"session.logged_in.v1 platform":                  events.MaxDeclared,
		"session.logged_in.v1 app_version":               events.MaxDeclared,
		"session.logged_in.v1 build":                     events.MaxDeclared,
		"session.logged_in.v1 personal.username":         events.MaxUsername,
		"session.logged_in.v1 personal.display_name":     events.MaxDisplayName,
		"session.logged_in.v1 personal.avatar_url":       events.MaxAvatarURL,
		"session.logged_in.v1 personal.device_label":     events.MaxDeviceLabel,
		"session.logged_in.v1 personal.user_agent":       events.MaxUserAgent,
		"session.logged_in.v1 personal.client_hints":     events.MaxClientHints,
		"session.logged_in.v1 personal.client_hints key": events.MaxClientHint,
		"session.logged_in.v1 personal.client_hints *":   events.MaxClientHint,
		"session.refreshed.v1 personal.user_agent":       events.MaxUserAgent,
		"session.touched.v1 personal.user_agent":         events.MaxUserAgent,
		"session.revoked.v1 actor.user":                  events.MaxID,
		"session.revoked.v1 actor.session":               events.MaxID,
		"session.revoked.v1 command_id":                  events.MaxCommandID,
		"session.revoked.v1 personal.reason_admin":       events.MaxReason,
		"session.revoked.v1 personal.reason_user":        events.MaxReason,
		"session.logged_in.v1 sealed.key":                events.MaxKeyID,
		"session.refreshed.v1 sealed.key":                events.MaxKeyID,
		"session.revoked.v1 sealed.key":                  events.MaxKeyID,
		"user.forgotten.v1 actor.user":                   events.MaxID,
		"user.forgotten.v1 actor.session":                events.MaxID,
		"user.forgotten.v1 command_id":                   events.MaxCommandID,
		"user.forgotten.v1 keys *":                       events.MaxKeyID,
		"audit.read.v1 kind":                             events.MaxID,
		"audit.read.v1 actor.user":                       events.MaxID,
		"audit.read.v1 actor.session":                    events.MaxID,
		"audit.read.v1 actor.key":                        events.MaxID,
		"audit.read.v1 filter.user":                      events.MaxID,
		"audit.read.v1 filter.session":                   events.MaxID,
		"audit.read.v1 filter.types":                     events.MaxAuditTypes,
		"audit.read.v1 filter.types *":                   events.MaxID,
		"audit.read.v1 filter.cause":                     events.MaxID,
		"audit.read.v1 filter.actor":                     events.MaxID,
		"audit.read.v1 format":                           events.MaxID,
		"audit.read.v1 personal.os_user":                 events.MaxAuditClaim,
		"audit.read.v1 personal.host":                    events.MaxAuditClaim,
		"gateway_status.v1 gateway":                      events.MaxID,
		"changed.v1 users":                               events.MaxChangedUsers,
		"changed.v1 users *":                             events.MaxID,
	}
	for _, form := range forms() {
		schemaNode(t, form.name).fields(t, func(field node, _ bool) {
			wantLimits(t, form.name, field, limits)
		})
	}
	for name := range limits {
		t.Errorf("no schema has the limit of %s", name)
	}
}

// wantLimits checks a field, its items and its keys, and strikes them off limits.
func wantLimits(t *testing.T, form string, field node, limits map[string]int) {
	t.Helper()
	name := form + " " + field.path
	members := field.object(t)
	for part, suffix := range map[string]string{"propertyNames": " key", "additionalProperties": " *", "items": " *"} {
		if sub, ok := members[part]; ok {
			wantLimits(t, form, node{field.file, field.path + suffix, sub}, limits)
		}
	}
	for _, keyword := range []string{"maxLength", "maxItems", "maxProperties"} {
		if limit, ok := members[keyword]; ok {
			wantLimit(t, name+" "+keyword, limit, limitOf(name, limits))
		}
	}
}

// limitOf takes the limit of a field from limits; every form's own ids have one.
func limitOf(name string, limits map[string]int) int {
	_, field, _ := strings.Cut(name, " ")
	switch field {
	case "tenant", "user", "session":
		return events.MaxID
	}
	limit := limits[name]
	delete(limits, name)
	return limit
}

func wantLimit(t *testing.T, name string, got any, want int) {
	t.Helper()
	if number, ok := got.(interface{ Int64() (int64, error) }); ok {
		if limit, err := number.Int64(); err == nil && limit == int64(want) {
			return
		}
	}
	t.Errorf("%s is %v in the schema and %d in package events", name, got, want)
}
