package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"
)

// flagText describes a flag in two lines: its name, and under it what it is for,
// what it is if not given, and which variable holds it.
func flagText(flag cli.Flag) string {
	described, ok := flag.(cli.DocGenerationFlag)
	if !ok {
		return flag.String()
	}
	head := "--" + strings.Join(flag.Names(), ", -")
	if described.TakesValue() {
		head += " " + strings.ToUpper(strings.TrimSuffix(described.TypeName(), "Slice"))
	}
	text := described.GetUsage()
	if value := strings.Trim(described.GetValue(), `"`); value != "" && value != "[]" && described.TakesValue() {
		text += fmt.Sprintf(" (default: %s)", value)
	}
	if variables := described.GetEnvVars(); len(variables) > 0 {
		text += " [" + strings.Join(variables, "] [") + "]"
	}
	return head + "\n         " + text
}

// group puts flags under a heading in the help.
func group(heading string, flags ...cli.Flag) []cli.Flag {
	for _, flag := range flags {
		if categorizable, ok := flag.(cli.CategorizableFlag); ok {
			categorizable.SetCategory(heading)
		}
	}
	return flags
}

// usageError says what was wrong and where to read on, instead of the whole help.
func usageError(_ context.Context, cmd *cli.Command, err error, _ bool) error {
	return fmt.Errorf("%w; `%s --help` lists what it takes", err, cmd.FullName())
}
