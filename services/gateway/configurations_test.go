package gateway_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	extauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3" // a type that the files name
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3" // a type that the files name
	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	sdk "github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/services/gateway"
)

// There is no Envoy on the machines that test, so its files are read into Envoy's
// own types, with its own rules for them, and compared with what posse serves.

// validated is a message with the rules of its fields.
type validated interface {
	proto.Message
	ValidateAll() error
}

// envoyFile reads one of Envoy's files: its clusters by name, its connection
// manager and its filter.
func envoyFile(t *testing.T, name string) (map[string]*clusterv3.Cluster, *hcmv3.HttpConnectionManager, *extauthzv3.ExtAuthz) {
	t.Helper()
	var bootstrap bootstrapv3.Bootstrap
	if err := protojson.Unmarshal(asJSON(t, configurations+"/envoy/"+name), &bootstrap); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	check(t, &bootstrap)
	clusters := map[string]*clusterv3.Cluster{}
	for _, cluster := range bootstrap.GetStaticResources().GetClusters() {
		clusters[cluster.GetName()] = cluster
		for _, options := range cluster.GetTypedExtensionProtocolOptions() {
			message, err := options.UnmarshalNew()
			if err != nil {
				t.Fatal(err)
			}
			check(t, message.(validated))
		}
	}
	manager, filter := &hcmv3.HttpConnectionManager{}, &extauthzv3.ExtAuthz{}
	unpack(t, bootstrap.GetStaticResources().GetListeners()[0].GetFilterChains()[0].GetFilters()[0].GetTypedConfig(), manager)
	filters := manager.GetHttpFilters()
	unpack(t, filters[0].GetTypedConfig(), filter)
	if last := filters[len(filters)-1].GetTypedConfig().GetTypeUrl(); !strings.HasSuffix(last, ".router.v3.Router") {
		t.Errorf("the last filter is %s", last)
	}
	return clusters, manager, filter
}

func unpack(t *testing.T, packed *anypb.Any, message validated) {
	t.Helper()
	if err := packed.UnmarshalTo(message); err != nil {
		t.Fatal(err)
	}
	check(t, message)
}

func check(t *testing.T, message validated) {
	t.Helper()
	if err := message.ValidateAll(); err != nil {
		t.Errorf("%s: %v", message.ProtoReflect().Descriptor().FullName(), err)
	}
}

func asJSON(t *testing.T, file string) []byte {
	t.Helper()
	var document any
	if err := yaml.Unmarshal([]byte(read(t, file)), &document); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	data, err := json.Marshal(document)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return data
}

func TestEnvoyConfigurations(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"grpc.yaml", "http.yaml"} {
		clusters, manager, filter := envoyFile(t, name)
		route := manager.GetRouteConfig().GetVirtualHosts()[0].GetRoutes()[0].GetRoute()
		if clusters[route.GetCluster()] == nil {
			t.Errorf("%s: there is no cluster %q", name, route.GetCluster())
		}
		if filter.GetFailureModeAllow() || filter.GetStatusOnError().GetCode() != 503 || filter.GetWithRequestBody() != nil {
			t.Errorf("%s: a posse that is away is answered with %v, or bodies are sent to it", name, filter.GetStatusOnError())
		}
		if drops := manager.GetCommonHttpProtocolOptions().GetHeadersWithUnderscoresAction(); drops.String() != "DROP_HEADER" {
			t.Errorf("%s: headers with underscores: %v", name, drops)
		}
		if !manager.GetUseRemoteAddress().GetValue() || manager.GetUpgradeConfigs()[0].GetUpgradeType() != "websocket" || !filter.GetEncodeRawHeaders() {
			t.Errorf("%s: %v", name, manager)
		}
	}
}

func TestEnvoyOverGRPC(t *testing.T) {
	t.Parallel()
	clusters, _, filter := envoyFile(t, "grpc.yaml")
	posse := clusters[filter.GetGrpcService().GetEnvoyGrpc().GetClusterName()]
	if posse.GetHealthChecks()[0].GetGrpcHealthCheck() == nil || posse.GetTypedExtensionProtocolOptions() == nil {
		t.Errorf("the cluster of posse is %v", posse)
	}
	if filter.GetAllowedHeaders() != nil {
		t.Errorf("posse is told of %v only", filter.GetAllowedHeaders())
	}
}

func TestEnvoyOverHTTP(t *testing.T) {
	t.Parallel()
	clusters, manager, filter := envoyFile(t, "http.yaml")
	service := filter.GetHttpService()
	if service.GetPathPrefix() != gateway.PathExtAuthz || clusters[service.GetServerUri().GetCluster()] == nil {
		t.Errorf("posse is asked at %q", service.GetPathPrefix())
	}
	var set []string
	for _, pattern := range service.GetAuthorizationResponse().GetAllowedUpstreamHeaders().GetPatterns() {
		set = append(set, pattern.GetExact())
	}
	if want := []string{"x-session-id", "x-user-id", "x-tenant-id"}; !slices.Equal(set, want) {
		t.Errorf("the backend gets %v, want %v", set, want)
	}
	reply := manager.GetLocalReplyConfig().GetMappers()[0]
	checkProblem(t, reply.GetBodyFormatOverride().GetTextFormatSource().GetInlineString())
}

// checkProblem checks a problem document that a proxy writes in posse's place.
func checkProblem(t *testing.T, text string) {
	t.Helper()
	var problem sdk.Problem
	if err := json.Unmarshal([]byte(text), &problem); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if problem.Status != 503 || problem.Type != "urn:posse:problem:"+string(problem.Reason) || problem.Title == "" || problem.Detail == "" {
		t.Errorf("problem = %+v", problem)
	}
}

// TestAPISIXConfiguration holds that the plugin asks where posse answers, and lets
// nobody pass with a name of their own choice. Its options are those of the plugin's
// reference.
func TestAPISIXConfiguration(t *testing.T) {
	t.Parallel()
	file := configurations + "/apisix/apisix.yaml"
	var config struct {
		Routes []struct {
			EnableWebsocket bool `json:"enable_websocket"`
			Upstream        struct {
				Nodes map[string]int
			}
			Plugins map[string]struct {
				URI              string
				RequestMethod    string   `json:"request_method"`
				RequestHeaders   []string `json:"request_headers"`
				UpstreamHeaders  []string `json:"upstream_headers"`
				ClientHeaders    []string `json:"client_headers"`
				Timeout          int
				AllowDegradation *bool `json:"allow_degradation"`
				StatusOnError    int   `json:"status_on_error"`
			}
		}
	}
	decode(t, file, &config)
	if !strings.HasSuffix(read(t, file), "\n#END\n") {
		t.Error("APISIX reads the file only if it ends with #END")
	}
	route := config.Routes[0]
	plugin := route.Plugins["forward-auth"]
	if !strings.HasSuffix(plugin.URI, gateway.PathForwardAuth) || plugin.RequestMethod != "GET" || !route.EnableWebsocket || len(route.Upstream.Nodes) != 1 {
		t.Errorf("route = %+v", route)
	}
	if plugin.AllowDegradation == nil || *plugin.AllowDegradation || plugin.StatusOnError != 503 || plugin.Timeout <= 2000 {
		t.Errorf("a posse that is away: %+v", plugin)
	}
	if !slices.Equal(plugin.UpstreamHeaders, []string{sdk.HeaderSession, sdk.HeaderUser, sdk.HeaderTenant}) ||
		!slices.Contains(plugin.ClientHeaders, "WWW-Authenticate") || !slices.Contains(plugin.ClientHeaders, "Retry-After") ||
		!slices.Contains(plugin.RequestHeaders, "Authorization") {
		t.Errorf("headers: %+v", plugin)
	}
	var server struct {
		NginxConfig struct {
			HTTP struct {
				Underscores string `json:"underscores_in_headers"`
			} `json:"http"`
		} `json:"nginx_config"`
	}
	decode(t, configurations+"/apisix/config.yaml", &server)
	if server.NginxConfig.HTTP.Underscores != "off" {
		t.Errorf("underscores in headers: %q", server.NginxConfig.HTTP.Underscores)
	}
}

func decode(t *testing.T, file string, into any) {
	t.Helper()
	if err := json.Unmarshal(asJSON(t, file), into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
