package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/posse-pos/posse/pkg/bus"
)

const (
	// leastMajor and leastMinor are the version that the streams and the permissions
	// of posse need.
	leastMajor, leastMinor = 2, 14

	// pingJetStream asks every server how its JetStream is configured.
	pingJetStream = "$SYS.REQ.SERVER.PING.JSZ"

	monitorTimeout = 5 * time.Second
	maxMonitored   = 1 << 20 // bytes of an answer
)

func serverFindings(server bus.Server) []Finding {
	where := "a server of its own"
	if server.Cluster != "" {
		where = fmt.Sprintf("of the cluster %q", server.Cluster)
	}
	if !newEnough(server.Version) {
		return []Finding{{
			Problem,
			fmt.Sprintf("nats-server %q, %s, is version %s; posse needs %d.%d", server.Name, where, server.Version, leastMajor, leastMinor),
			"update NATS, one server after the other",
		}}
	}
	return []Finding{ok("nats-server %q, %s, is version %s", server.Name, where, server.Version)}
}

func newEnough(version string) bool {
	var major, minor int
	_, err := fmt.Sscanf(version, "%d.%d", &major, &minor)
	return err == nil && (major > leastMajor || major == leastMajor && minor >= leastMinor)
}

// jetStream is what a server says of its storage, under $SYS.REQ.SERVER.PING.JSZ as
// under /jsz, as far as it is of interest: JSInfo of nats-server 2.15.2.
type jetStream struct {
	Name     string `json:"-"`
	Disabled bool   `json:"disabled"`
	Storage  int64  `json:"storage"` // bytes
	Config   struct {
		MaxStorage   int64         `json:"max_storage"` // bytes
		SyncAlways   bool          `json:"sync_always"`
		SyncInterval time.Duration `json:"sync_interval"`
	} `json:"config"`
}

// askServers asks all servers that it can.
func askServers(ctx context.Context, config Config) (servers []jetStream, failed []Finding) {
	if config.System != nil {
		answers, err := askSystem(ctx, config.System)
		servers = append(servers, answers...)
		if err != nil {
			failed = append(failed, Finding{
				Warning, fmt.Sprintf("the servers do not tell how they are configured: %v", err),
				"name the key of a user of the system account, such as SYSTEM of deployments/nats/accounts.conf",
			})
		}
	}
	for _, monitor := range config.Monitors {
		server, err := askMonitor(ctx, monitor)
		if err != nil {
			failed = append(failed, Finding{
				Warning, fmt.Sprintf("the monitoring of NATS does not answer: %v", err),
				"name the server's http: address, such as http://nats.example:8222",
			})
			continue
		}
		servers = append(servers, server)
	}
	return servers, failed
}

func askSystem(ctx context.Context, system *bus.Conn) ([]jetStream, error) {
	answers, err := system.Survey(ctx, pingJetStream, []byte("{}"))
	if err != nil {
		return nil, err
	}
	var servers []jetStream
	for _, data := range answers {
		var answer struct {
			Server struct {
				Name string `json:"name"`
			} `json:"server"`
			Data *jetStream `json:"data"`
		}
		if err := json.Unmarshal(data, &answer); err != nil {
			return servers, fmt.Errorf("an answer on %s is not a server's: %w", pingJetStream, err)
		}
		if answer.Data != nil { // else the server has no JetStream
			answer.Data.Name = answer.Server.Name
			servers = append(servers, *answer.Data)
		}
	}
	if len(servers) == 0 {
		return nil, errors.New("nobody answers on " + pingJetStream + ": the user is not of the system account")
	}
	return servers, nil
}

func askMonitor(ctx context.Context, monitor string) (jetStream, error) {
	ctx, cancel := context.WithTimeout(ctx, monitorTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(monitor, "/")+"/jsz", http.NoBody)
	if err != nil {
		return jetStream{}, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return jetStream{}, err // with the password of the URL left out
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return jetStream{}, fmt.Errorf("%s answers %s", request.URL.Redacted(), response.Status)
	}
	server := jetStream{Name: request.URL.Host}
	if err := json.NewDecoder(http.MaxBytesReader(nil, response.Body, maxMonitored)).Decode(&server); err != nil {
		return jetStream{}, fmt.Errorf("%s is no monitoring of a nats-server: %w", request.URL.Redacted(), err)
	}
	return server, nil
}

// storageFindings say whether what is acknowledged is on a disk, and how full that is.
func storageFindings(servers []jetStream, replicated bool, reserve int64) []Finding {
	var lazy, synced []string
	var interval time.Duration
	var found []Finding
	for _, server := range servers {
		switch {
		case server.Disabled:
			continue
		case server.Config.SyncAlways:
			synced = append(synced, server.Name)
		default:
			lazy = append(lazy, server.Name)
			interval = max(interval, server.Config.SyncInterval)
		}
		room := fmt.Sprintf("the JetStream storage of server %q", server.Name)
		const mend = "give it a larger disk or a larger max_file_store"
		found = append(found, fullness(room, server.Storage, server.Config.MaxStorage, reserve, mend)...)
	}
	switch {
	case len(lazy) > 0:
		found = append(found, lazyFinding(lazy, interval, replicated))
	case len(synced) > 0:
		found = append(found, ok("an fsync stands behind every acknowledged login and revocation (sync_interval: always): %s",
			names("server", synced)))
	default:
		found = append(found, Finding{
			Warning, "whether an fsync stands behind every acknowledgement cannot be told: only the servers know",
			"let posse doctor ask them, with --nats-monitor http://SERVER:8222 or --nats-system-nkey system.nk",
		})
	}
	return found
}

func lazyFinding(lazy []string, interval time.Duration, replicated bool) Finding {
	const mend = "set `sync_interval: always` in the jetstream block of each, as deployments/nats/nats.conf does, and restart it"
	if replicated {
		return Finding{
			Warning, fmt.Sprintf("no fsync stands behind an acknowledgement, but one every %v: %s; "+
				"a power cut of all copies at once takes logins that were acknowledged", interval, names("server", lazy)), mend,
		}
	}
	return Finding{
		Problem, fmt.Sprintf("no fsync stands behind an acknowledgement, but one every %v: %s; "+
			"a power cut takes logins that were acknowledged", interval, names("server", lazy)), mend,
	}
}
