package natsfeed

import (
	"errors"
	"net/url"
	"strings"
)

// redact takes passwords and tokens out of a list of addresses.
func redact(addresses string) string {
	list := strings.Split(addresses, ",")
	for i, address := range list {
		u, err := url.Parse(strings.TrimSpace(address))
		if err != nil {
			list[i] = "(not a URL)"
			continue
		}
		if u.User != nil {
			u.User = url.User("xxxxx")
		}
		list[i] = u.String()
	}
	return strings.Join(list, ",")
}

// withoutURL keeps an error from quoting an address with its password.
func withoutURL(err error) error {
	if _, ok := errors.AsType[*url.Error](err); ok {
		return errors.New("it is not a URL")
	}
	return err
}
