package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/gateway"
)

// natsSettings say how to reach NATS and as whom.
type natsSettings struct {
	url         string // may hold a password
	creds, nkey string // files
	ca          string // file
	cert, key   string // files
	inbox       string // "" means that of the nkey or the credentials
}

// openNATSSettings takes them from the flags, or from the context that one names.
func openNATSSettings(cmd *cli.Command) (natsSettings, error) {
	s := natsSettings{
		url: cmd.String("nats"), creds: cmd.String("nats-creds"), nkey: cmd.String("nats-nkey"),
		ca: cmd.String("nats-ca"), cert: cmd.String("nats-cert"), key: cmd.String("nats-key"),
	}
	if name := cmd.String("nats-context"); name != "" {
		if s != (natsSettings{}) {
			return natsSettings{}, errors.New("--nats-context says everything about the connection to NATS: " +
				"leave out --nats, --nats-creds, --nats-nkey, --nats-ca, --nats-cert and --nats-key, and their variables")
		}
		return readNATSContext(name)
	}
	return s, s.check()
}

// check finds settings that contradict each other.
func (s natsSettings) check() error {
	switch {
	case s.creds != "" && s.nkey != "":
		return errors.New("--nats-creds and --nats-nkey are both set: who is it to be?")
	case (s.creds != "" || s.nkey != "") && hasUser(s.url):
		return errors.New("--nats holds a user and there are --nats-creds or --nats-nkey: who is it to be?")
	case (s.cert == "") != (s.key == ""):
		return errors.New("--nats-cert and --nats-key go together")
	default:
		return nil
	}
}

func hasUser(addresses string) bool {
	return slices.ContainsFunc(strings.Split(addresses, ","), func(address string) bool {
		u, err := url.Parse(strings.TrimSpace(address))
		return err == nil && u.User != nil
	})
}

// busConfig is how posse's own roles connect.
func (n *node) busConfig() bus.Config {
	return bus.Config{
		URL:         n.nats.url,
		Name:        "posse " + n.cmd.Name,
		CredsFile:   n.nats.creds,
		NKeyFile:    n.nats.nkey,
		CAFile:      n.nats.ca,
		CertFile:    n.nats.cert,
		KeyFile:     n.nats.key,
		InboxPrefix: n.nats.inbox,
		Replicas:    n.cmd.Int("replicas"),
		Logger:      n.logger,
	}
}

// gatewayNATS is how a gateway connects.
func (n *node) gatewayNATS() gateway.NATS {
	return gateway.NATS{
		URL:       cmp.Or(n.nats.url, bus.DefaultURL),
		CredsFile: n.nats.creds, NKeyFile: n.nats.nkey, CAFile: n.nats.ca,
		CertFile: n.nats.cert, KeyFile: n.nats.key, InboxPrefix: n.nats.inbox,
	}
}

// natsContext is a context of the nats tool, as far as posse follows it: the fields
// of its JSON file.
type natsContext struct {
	URL         string `json:"url"`
	User        string `json:"user"`
	Password    string `json:"password"`
	Token       string `json:"token"`
	Creds       string `json:"creds"`
	NKey        string `json:"nkey"`
	CA          string `json:"ca"`
	Cert        string `json:"cert"`
	Key         string `json:"key"`
	InboxPrefix string `json:"inbox_prefix"`
}

// followed are the fields of natsContext.
var followed = []string{"url", "user", "password", "token", "creds", "nkey", "ca", "cert", "key", "inbox_prefix"}

// harmless are fields of a context that do not concern a connection of posse's.
var harmless = []string{"name", "description", "color_scheme", "jetstream_event_prefix"}

// readNATSContext reads a context of the nats tool, by its name or the absolute path
// of its file. One that asks for what posse does not do is refused: leaving it out
// would connect as somebody else, or past a proxy.
func readNATSContext(name string) (natsSettings, error) {
	file, err := natsContextFile(name)
	if err != nil {
		return natsSettings{}, err
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return natsSettings{}, fmt.Errorf("--nats-context: there is no context %q: %w; `nats context ls` lists them", name, err)
	}
	if err != nil {
		return natsSettings{}, fmt.Errorf("--nats-context: %w", err)
	}
	context, err := parseNATSContext(data)
	if err != nil {
		return natsSettings{}, fmt.Errorf("--nats-context: %s: %w", file, err)
	}
	settings, err := context.settings()
	if err != nil {
		return natsSettings{}, fmt.Errorf("--nats-context: %s: %w", file, err)
	}
	return settings, nil
}

// natsContextFile is where the nats tool keeps a context.
func natsContextFile(name string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	if name != filepath.Base(name) || name == ".." {
		return "", fmt.Errorf("--nats-context: %q is neither the name of a context nor the absolute path of its file", name)
	}
	dir := os.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("--nats-context: %w; name the file by its absolute path", err)
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "nats", "context", name+".json"), nil
}

func parseNATSContext(data []byte) (natsContext, error) {
	var context natsContext
	var fields map[string]any
	if err := errors.Join(json.Unmarshal(data, &context), json.Unmarshal(data, &fields)); err != nil {
		return natsContext{}, fmt.Errorf("it is not a context in JSON: %w", err)
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if isSet(fields[field]) && !slices.Contains(followed, field) && !slices.Contains(harmless, field) {
			return natsContext{}, fmt.Errorf("posse does not follow its setting %q; use the --nats-… flags instead", field)
		}
	}
	return context, nil
}

func isSet(value any) bool {
	list, isList := value.([]any)
	return value != nil && value != "" && value != false && (!isList || len(list) > 0)
}

func (c natsContext) settings() (natsSettings, error) {
	s := natsSettings{
		url: cmp.Or(c.URL, bus.DefaultURL), creds: c.Creds, nkey: c.NKey, ca: c.CA, cert: c.Cert, key: c.Key, inbox: c.InboxPrefix,
	}
	for _, file := range []*string{&s.creds, &s.nkey, &s.ca, &s.cert, &s.key} {
		path, err := expand(*file)
		if err != nil {
			return natsSettings{}, err
		}
		*file = path
	}
	user := url.User(c.Token)
	switch {
	case c.User != "" && c.Token != "":
		return natsSettings{}, errors.New("it has a user and a token: who is it to be?")
	case c.User != "":
		user = url.UserPassword(c.User, c.Password)
	case c.Token == "":
		return s, s.check()
	}
	var err error
	if s.url, err = withUser(s.url, user); err != nil {
		return natsSettings{}, err
	}
	return s, s.check()
}

// expand makes a path of a context absolute: it may begin with ~ and hold variables.
func expand(file string) (string, error) {
	file = os.ExpandEnv(file)
	if scheme, _, found := strings.Cut(file, ":"); found && len(scheme) > 1 && !strings.ContainsAny(scheme, `/\`) {
		return "", fmt.Errorf("posse reads files, and no secrets from a %s: address", scheme)
	}
	rest, ok := strings.CutPrefix(file, "~")
	if !ok {
		return file, nil
	}
	home, err := os.UserHomeDir()
	return home + rest, err
}

func withUser(addresses string, user *url.Userinfo) (string, error) {
	list := strings.Split(addresses, ",")
	for i, address := range list {
		u, err := url.Parse(strings.TrimSpace(address))
		if err != nil || u.Host == "" {
			return "", errors.New("its url is not a URL such as nats://nats.example:4222")
		}
		u.User = user
		list[i] = u.String()
	}
	return strings.Join(list, ","), nil
}
