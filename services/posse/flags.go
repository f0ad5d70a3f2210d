package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
)

// environment is the variable of a flag: --log-level is POSSE_LOG_LEVEL.
func environment(flag string) string {
	return "POSSE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// flags joins groups of flags.
func flags(groups ...[]cli.Flag) []cli.Flag { return slices.Concat(groups...) }

func text(name, value, usage string) *cli.StringFlag {
	return &cli.StringFlag{Name: name, Value: value, Usage: usage, Sources: cli.EnvVars(environment(name)), Local: true}
}

func texts(name, usage string) *cli.StringSliceFlag {
	return &cli.StringSliceFlag{Name: name, Usage: usage, Sources: cli.EnvVars(environment(name)), Local: true}
}

func toggle(name, usage string) *cli.BoolFlag {
	return &cli.BoolFlag{Name: name, Usage: usage, Sources: cli.EnvVars(environment(name)), Local: true}
}

func number(name string, value int, usage string) *cli.IntFlag {
	return &cli.IntFlag{Name: name, Value: value, Usage: usage, Sources: cli.EnvVars(environment(name)), Local: true}
}

func size(name string, value int64, usage string) *cli.Int64Flag {
	return &cli.Int64Flag{Name: name, Value: value, Usage: usage, Sources: cli.EnvVars(environment(name)), Local: true}
}

func count64(name, usage string) *cli.Uint64Flag {
	return &cli.Uint64Flag{Name: name, Usage: usage, Sources: cli.EnvVars(environment(name)), Local: true}
}

func span(name string, value time.Duration, usage string) *cli.DurationFlag {
	return &cli.DurationFlag{Name: name, Value: value, Usage: usage, Sources: cli.EnvVars(environment(name)), Local: true}
}

// secret is a flag whose value may also stand in the file that POSSE_<FLAG>_FILE
// names, so that it need not be on a command line or in an environment.
func secret(name, usage string) *cli.StringFlag {
	flag := text(name, "", usage)
	flag.Sources.Chain = append(flag.Sources.Chain, secretFile{environment(name) + "_FILE"})
	return flag
}

// secretFile reads the file that an environment variable names.
type secretFile struct{ variable string }

func (s secretFile) read() (value string, found bool, err error) {
	name, found := os.LookupEnv(s.variable)
	if !found || name == "" {
		return "", false, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return "", false, fmt.Errorf("%s: %w", s.variable, err)
	}
	return strings.TrimSpace(string(data)), true, nil
}

// Lookup implements cli.ValueSource. It cannot report an error; checkSources does.
func (s secretFile) Lookup() (value string, found bool) {
	value, found, err := s.read()
	return value, found && err == nil
}

// IsFromEnv and Key have the help name the variable.
func (secretFile) IsFromEnv() bool { return true }

// Key is the name of the variable.
func (s secretFile) Key() string { return s.variable }

func (s secretFile) String() string   { return "file named by " + s.variable }
func (s secretFile) GoString() string { return "secretFile{" + s.variable + "}" }

// checkSources reports a file with a secret that cannot be read, and arguments
// that nobody asked for.
func checkSources(ctx context.Context, cmd *cli.Command) (context.Context, error) {
	for _, flag := range cmd.Flags {
		if err := checkSource(flag); err != nil {
			return ctx, err
		}
	}
	if cmd.ArgsUsage == "" && cmd.Args().Present() && cmd.Command(cmd.Args().First()) == nil {
		return ctx, fmt.Errorf("%s takes no argument, but got %q", cmd.FullName(), cmd.Args().First())
	}
	return ctx, nil
}

func checkSource(flag cli.Flag) error {
	withSources, ok := flag.(*cli.StringFlag)
	if !ok {
		return nil
	}
	for _, source := range withSources.Sources.Chain {
		if file, ok := source.(secretFile); ok {
			if _, _, err := file.read(); err != nil {
				return err
			}
		}
	}
	return nil
}

// required names the first of the flags that has no value.
func required(cmd *cli.Command, names ...string) error {
	i := slices.IndexFunc(names, func(name string) bool { return cmd.String(name) == "" })
	if i < 0 {
		return nil
	}
	return fmt.Errorf("%s needs --%s or %s", cmd.FullName(), names[i], environment(names[i]))
}
