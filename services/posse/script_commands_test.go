package main

import (
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptCommands are the words that the scripts have beyond those of testscript;
// see testdata/README.md.
var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"http":             cmdHTTP,
	"status":           cmdStatus,
	"json":             cmdJSON,
	"header":           cmdHeader,
	"problem":          cmdProblem,
	"save":             cmdSave,
	"save-body":        cmdSaveBody,
	"save-raw":         cmdSaveRaw,
	"wait-until":       cmdWaitUntil,
	"follow":           cmdFollow,
	"repeat":           cmdRepeat,
	"bytes":            cmdBytes,
	"free-address":     cmdFreeAddress,
	"together":         cmdTogether,
	"addresses":        cmdAddresses,
	"capture":          cmdCapture,
	"quit":             cmdQuit,
	"crash":            cmdCrash,
	"start":            cmdStart,
	"empty-read-model": cmdEmptyReadModel,
	"nowhere":          cmdNowhere,
	"envoy":            cmdEnvoy,
}

// patience is how long wait-until waits for what should take milliseconds.
const patience = 30 * time.Second

type sharedKey struct{}

// shared is what the commands of one script share.
type shared struct {
	posse installation
	last  answer
}

func sharedOf(ts *testscript.TestScript) *shared {
	s, ok := ts.Value(sharedKey{}).(*shared)
	if !ok {
		ts.Fatalf("the script has not been prepared")
	}
	return s
}

// cmdRepeat: repeat NAME TEXT COUNT puts a text, repeated, into a variable.
func cmdRepeat(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: repeat NAME TEXT COUNT")
	}
	count, err := strconv.Atoi(args[2])
	ts.Check(err)
	ts.Setenv(args[0], strings.Repeat(args[1], count))
}

// cmdBytes: bytes FILE writes one of each byte to a file.
func cmdBytes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: bytes FILE")
	}
	data := make([]byte, 256)
	for i := range data {
		data[i] = byte(i)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o600))
}

// cmdFreeAddress: free-address NAME puts a host:port that was free a moment ago into
// a variable.
func cmdFreeAddress(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: free-address NAME")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], listener.Addr().String())
	ts.Check(listener.Close())
}
