package torture

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/pkg/netfault"
	"github.com/posse-pos/posse/services/posse/natsusers/natsuserstest"
)

// natsNode is one server of NATS.
type natsNode struct {
	name     string
	address  string // for clients
	monitor  string
	routes   string // for the other servers; "" if there are none
	storeDir string
}

// startNATS starts servers with the shipped configuration, of which only the name,
// addresses and paths are replaced, and to which those of a cluster are added. Servers
// of a cluster reach each other over lines.
func (in *installation) startNATS(ctx context.Context) error {
	root, err := repository(ctx)
	if err != nil {
		return err
	}
	shipped, err := natsuserstest.Copy(filepath.Join(root, "deployments", "nats"), in.path("nats-keys"), "nats.conf", "accounts.conf")
	if err != nil {
		return err
	}
	text, err := os.ReadFile(shipped)
	if err != nil {
		return err
	}
	if in.nodes, err = newNodes(ctx, in.count); err != nil {
		return err
	}
	for i, node := range in.nodes {
		in.nodes[i].storeDir = in.path(filepath.Join(dirWritten, node.name))
		if err := in.mountDisk(node.name, in.nodes[i].storeDir); err != nil {
			return err
		}
	}
	for _, node := range in.nodes {
		config := filepath.Join(filepath.Dir(shipped), node.name+".conf")
		clustered, err := in.clustered(node)
		if err != nil {
			return err
		}
		replaced := strings.NewReplacer("0.0.0.0:4222", node.address, "0.0.0.0:8222", node.monitor,
			"server_name: posse", "server_name: "+node.name, "store_dir: /data", "store_dir: "+node.storeDir).Replace(string(text))
		if err := os.WriteFile(config, []byte(replaced+clustered), 0o600); err != nil { //nolint:gosec // it is our own
			return err
		}
		if err := in.startProgram(node.name, in.natsServer, []string{"-c", config}); err != nil {
			return err
		}
	}
	return nil
}

// node is a server by its name.
func (in *installation) node(name string) natsNode {
	return in.nodes[slices.IndexFunc(in.nodes, func(node natsNode) bool { return node.name == name })]
}

func newNodes(ctx context.Context, count int) ([]natsNode, error) {
	nodes := make([]natsNode, count)
	for i := range nodes {
		nodes[i].name = nats
		addresses := []*string{&nodes[i].address, &nodes[i].monitor}
		if count > 1 {
			nodes[i].name = fmt.Sprintf("%s-%d", nats, i+1)
			addresses = append(addresses, &nodes[i].routes)
		}
		for _, address := range addresses {
			var err error
			if *address, err = natstest.Address(ctx); err != nil {
				return nil, err
			}
		}
	}
	return nodes, nil
}

// clustered is what the configuration of a server says about the others. Nobody tells
// others an address that leads past the lines.
func (in *installation) clustered(node natsNode) (text string, err error) {
	if node.routes == "" {
		return "", nil
	}
	var routes []string
	for _, other := range in.nodes {
		if other.name == node.name {
			continue
		}
		// Both directions are one line: who is cut off hears nobody either.
		names := []string{min(node.name, other.name), max(node.name, other.name)}
		address, err := in.line(names[0]+" with "+names[1], other.routes)
		if err != nil {
			return "", err
		}
		routes = append(routes, "nats-route://"+address)
	}
	return fmt.Sprintf("\ncluster {\n  name: torture\n  listen: %s\n  no_advertise: true\n  routes: [ %s ]\n}\n",
		node.routes, strings.Join(routes, ", ")), nil
}

// natsURL is where a role finds NATS: at the other ends of its lines.
func (in *installation) natsURL(role string) (string, error) {
	var urls []string
	for _, node := range in.nodes {
		disorder := netfault.NewDisorder(in.seed ^ hash(role))
		address, err := in.line(role+" to "+node.name, node.address, netfault.Through(disorder.Reader))
		if err != nil {
			return "", err
		}
		in.disorders[role] = append(in.disorders[role], disorder)
		urls = append(urls, "nats://"+address)
	}
	return strings.Join(urls, ","), nil
}

// directURL is where the run itself finds NATS.
func (in *installation) directURL() string {
	urls := make([]string, len(in.nodes))
	for i, node := range in.nodes {
		urls[i] = "nats://" + node.address
	}
	return strings.Join(urls, ",")
}

// command is posse as somebody runs it by hand, as a role and on the servers themselves.
func (in *installation) command(ctx context.Context, role string, arguments ...string) *exec.Cmd {
	arguments = append(arguments, "--nats", in.directURL(), "--nats-nkey", in.key(role))
	command := exec.CommandContext(ctx, in.posse, arguments...) //nolint:gosec // it is our own
	command.Env = withoutPosse(os.Environ())
	return command
}

// connect connects to NATS itself, as a role.
func (in *installation) connect(ctx context.Context, role string) (*bus.Conn, error) {
	return bus.Connect(ctx, bus.Config{URL: in.directURL(), NKeyFile: in.key(role), Name: "torture", Logger: quiet})
}

// isWhole reports whether every server runs, and has what it is to have of each stream.
func (in *installation) isWhole(ctx context.Context) bool {
	return !slices.ContainsFunc(in.nodes, func(node natsNode) bool { return !in.isHealthy(ctx, node) })
}

func (in *installation) isHealthy(ctx context.Context, node natsNode) bool {
	status, _, err := get(ctx, "http://"+node.monitor+"/healthz")
	return err == nil && status == http.StatusOK
}

// whole waits until isWhole, for so long.
func (in *installation) whole(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !in.isWhole(ctx) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the servers of NATS have not all that they are to have after %s", patience)
		case <-time.After(mendLook):
		}
	}
	return nil
}
