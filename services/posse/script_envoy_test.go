package main

import (
	"context"
	"net/http"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// cmdEnvoy: envoy METHOD URL [option=value]... asks about a request as Envoy does
// over gRPC, at the URL's host and port, and keeps the answer: 200 with the headers
// for the backend, or what the client is to be told.
func cmdEnvoy(ts *testscript.TestScript, neg bool, args []string) {
	request, err := newRequest(ts, args)
	if neg || err != nil {
		ts.Fatalf("usage: envoy METHOD grpc://HOST:PORT/PATH [option=value]...: %v", err)
	}
	conn, err := grpc.NewClient(request.URL.Host, grpc.WithTransportCredentials(insecure.NewCredentials()))
	ts.Check(err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got, err := authv3.NewAuthorizationClient(conn).Check(ctx, describe(request))
	ts.Check(err)
	result := answer{request: "envoy " + request.Method + " " + request.URL.Path, status: http.StatusOK}
	options := got.GetOkResponse().GetHeaders()
	if denied := got.GetDeniedResponse(); denied != nil {
		result.status, result.body, options = int(denied.GetStatus().GetCode()), []byte(denied.GetBody()), denied.GetHeaders()
	}
	result.header = headersOf(options)
	sharedOf(ts).last = result
	ts.Logf("%s", result)
}

func describe(request *http.Request) *authv3.CheckRequest {
	headers := map[string]string{}
	for name := range request.Header {
		headers[strings.ToLower(name)] = request.Header.Get(name)
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{
		Http: &authv3.AttributeContext_HttpRequest{Method: request.Method, Path: request.URL.RequestURI(), Headers: headers},
	}}}
}

func headersOf(options []*corev3.HeaderValueOption) http.Header {
	header := http.Header{}
	for _, option := range options {
		header.Set(option.GetHeader().GetKey(), option.GetHeader().GetValue())
	}
	return header
}
