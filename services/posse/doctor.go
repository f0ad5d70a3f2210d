package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/eventlog/natslog"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "show how posse wants its surroundings",
		Description: `With --streams it prints the streams as JSON, one a line, for an operator who
makes them by hand because no role may. Give it the recorders' --policies: a
lifetime over 90 days lengthens how long POS_TOUCHES keeps what it has.

   posse doctor --streams --replicas 3 | while read -r stream; do
     nats stream add --config <(echo "$stream")
   done`,
		Flags: []cli.Flag{
			toggle("streams", "print the streams as JSON that `nats stream add --config` takes"),
			replicasFlag(),
			policiesFlag(),
		},
		Action: doctor,
	}
}

func doctor(_ context.Context, cmd *cli.Command) error {
	if !cmd.Bool("streams") {
		return errors.New("posse doctor needs --streams: what to show")
	}
	policies, err := loadPolicies(cmd)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(cmd.Root().Writer)
	encoder.SetEscapeHTML(false) // subjects end in >
	for _, stream := range forStreams(cmd, natslog.Config{}, policies).StreamConfigs() {
		if err := encoder.Encode(stream); err != nil {
			return err
		}
	}
	return nil
}
