package commands

// ServiceName is what the recorder calls itself among NATS micro services.
const ServiceName = "posse-recorder"

// Subjects on which the commands are asked for. The answer to each is its JSON
// result, or an error whose body is an Error.
const (
	SubjectPrefix        = "pos.v1.command."
	SubjectLogin         = SubjectPrefix + "login"
	SubjectRefresh       = SubjectPrefix + "refresh"
	SubjectRecordRefresh = SubjectPrefix + "record_refresh"
	SubjectTouch         = SubjectPrefix + "touch"
	SubjectEndSession    = SubjectPrefix + "end_session"
	SubjectEndUser       = SubjectPrefix + "end_user"
	SubjectForgetUser    = SubjectPrefix + "forget_user"
)
