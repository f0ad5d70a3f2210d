package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/process"
)

func healthcheckCommand() *cli.Command {
	return &cli.Command{
		Name:  "healthcheck",
		Usage: "ask a posse process on this machine whether it is ready",
		Description: `It exits with 0 when /readyz of the admin address answers that all is ready, and
with 1 and the reasons otherwise. Container engines call it: the image has no
shell and no curl.`,
		Flags: []cli.Flag{
			adminListenFlag(),
			span("timeout", 3*time.Second, "how long to wait for the answer"),
		},
		Action: healthcheck,
	}
}

func healthcheck(ctx context.Context, cmd *cli.Command) error {
	ctx, cancel := context.WithTimeout(ctx, cmd.Duration("timeout"))
	defer cancel()
	host, port, err := net.SplitHostPort(cmd.String("admin-listen"))
	if err != nil {
		return fmt.Errorf("--admin-listen %q is not host:port: %w", cmd.String("admin-listen"), err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return askReady(ctx, "http://"+net.JoinHostPort(host, port)+"/readyz")
}

func askReady(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	defer response.Body.Close()
	var answer process.ReadyAnswer
	if err := json.NewDecoder(http.MaxBytesReader(nil, response.Body, 1<<20)).Decode(&answer); err != nil {
		return fmt.Errorf("%s answers %s and no readiness: %w", url, response.Status, err)
	}
	if answer.Ready {
		return nil
	}
	return fmt.Errorf("not ready: %s", reasons(answer.Unready))
}

func reasons(unready map[string]string) string {
	all := make([]string, 0, len(unready))
	for _, name := range slices.Sorted(maps.Keys(unready)) {
		all = append(all, name+": "+unready[name])
	}
	return strings.Join(all, "; ")
}
