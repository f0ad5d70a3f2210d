package pgtest_test

import (
	"context"
	"fmt"
	"net/url"
	"os"

	"github.com/posse-pos/posse/pkg/pgtest"
)

func startAndPanic() {
	server, err := pgtest.Start(context.Background(), "")
	if err != nil {
		panic(err)
	}
	address, err := url.Parse(server.URL("postgres"))
	if err != nil {
		panic(err)
	}
	_, _ = fmt.Fprintln(os.Stdout, server.Pid(), address.Query().Get("host"))
	panic("as planned")
}
