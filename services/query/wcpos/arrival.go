package wcpos

import "net/http"

// arrival says in which ways a token reached this server. Clients look at Status
// alone: it is "success" if a way is open that they used, so that a client never
// settles on the parameter where it does not count. The token itself is not
// looked at, and anybody may ask.
type arrival struct {
	Status       string `json:"status"`
	Message      string `json:"message"`
	Header       *bool  `json:"received_header_auth,omitempty"`
	HeaderLength int    `json:"header_length,omitempty"`
	Param        *bool  `json:"received_param_auth,omitempty"`
	ParamLength  int    `json:"param_length,omitempty"`
	Method       string `json:"auth_method,omitempty"`
}

// test answers GET test.
func (a *API) test(w http.ResponseWriter, r *http.Request) {
	header, param := r.Header.Get("Authorization"), r.URL.Query().Get(tokenParameter)
	writeJSON(w, http.StatusOK, a.arrived(header, param))
}

func (a *API) arrived(header, param string) arrival {
	byHeader, byParam := header != "", param != ""
	answer := arrival{Status: "success", Message: "A token arrived."}
	if byHeader || byParam {
		answer.Header, answer.HeaderLength = &byHeader, len(header)
		answer.Param, answer.ParamLength = &byParam, len(param)
	}
	usable := byParam && a.config.TokenParameter
	switch {
	case byHeader && usable:
		answer.Method = "both"
	case byHeader:
		answer.Method = "header"
	case usable:
		answer.Method = "param"
	case byParam:
		answer.Status, answer.Message = "error", "A token arrived as a parameter, where it does not count: send the Authorization header."
	default:
		answer.Status, answer.Message = "error", "No token arrived."
	}
	return answer
}
