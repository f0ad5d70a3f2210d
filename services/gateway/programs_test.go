package gateway_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// configurations is where the files are that people copy.
const configurations = "../../deployments/gateways"

// patience is how long a test waits for what should take milliseconds.
const patience = 30 * time.Second

// lookUp returns the path of a program that the tests need.
func lookUp(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			path, err = filepath.Abs(path)
			if err != nil {
				t.Fatal(err)
			}
			return path
		}
	}
	t.Fatalf("%s is missing: `make test` installs it", names[0])
	return ""
}

// change copies a configuration into a directory with the lines replaced that are
// marked with CHANGE: each must be there once, and none may be left.
func change(t *testing.T, source, dir string, lines map[string]string) {
	t.Helper()
	text := read(t, source)
	if marked := strings.Count(text, "# CHANGE:"); marked != len(lines) {
		t.Fatalf("%s has %d lines to change, and the test knows %d", source, marked, len(lines))
	}
	for line, replacement := range lines {
		if strings.Count(text, line+" # CHANGE:") != 1 {
			t.Fatalf("%s does not have %q once as a line to change", source, line)
		}
		text = strings.Replace(text, line, replacement, 1)
	}
	write(t, filepath.Join(dir, filepath.Base(source)), text)
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// program is a process that serves on a port.
type program struct {
	cmd   *exec.Cmd
	log   string
	ended chan struct{}
}

// start runs what command makes for a free port, until the test ends, and returns
// its address once up says that it serves. Somebody else may take the port first:
// then the program ends, and gets another one.
func start(t *testing.T, command func(address string) *exec.Cmd, up func(address string) bool) string {
	t.Helper()
	for attempt := 0; ; attempt++ {
		address := freeAddress(t)
		p := &program{cmd: command(address), log: filepath.Join(t.TempDir(), "log"), ended: make(chan struct{})}
		p.begin(t)
		if p.serves(t, func() bool { return up(address) }) {
			return address
		}
		if attempt == 3 {
			t.Fatalf("%s does not serve on %s:\n%s", p.cmd, address, read(t, p.log))
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func (p *program) begin(t *testing.T) {
	t.Helper()
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// Its children go with it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(patience):
			t.Errorf("%s does not end", p.cmd)
		}
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
		if t.Failed() {
			t.Logf("%s said:\n%s", p.cmd, read(t, p.log))
		}
	})
}

// serves waits until the program serves, and returns false when it ended instead.
func (p *program) serves(t *testing.T, up func() bool) bool {
	t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !up() {
		select {
		case <-p.ended:
			return false
		case <-deadline:
			t.Fatalf("%s does not serve after %v:\n%s", p.cmd, patience, read(t, p.log))
		case <-again.C:
		}
	}
	return true
}

// startNginx starts nginx with the shipped file. What people have around it, in
// /etc/nginx/nginx.conf, is made for the test.
func startNginx(t *testing.T, s *shop) string {
	t.Helper()
	nginx := lookUp(t, "nginx", "/usr/sbin/nginx")
	return start(t, func(address string) *exec.Cmd {
		dir := t.TempDir()
		change(t, configurations+"/nginx/posse.conf", dir, map[string]string{
			"server 127.0.0.1:8480;": "server " + s.posse + ";",
			"server 127.0.0.1:8080;": "server " + s.backend + ";",
			"listen 80;":             "listen " + address + ";",
		})
		var user string
		if os.Geteuid() == 0 {
			user = "user root;" // the worker writes to the test's directory
		}
		write(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(`
			daemon off; worker_processes 1; pid pid; %s
			events {}
			http {
				access_log off;
				client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
				include posse.conf;
			}`, user))
		return exec.Command(nginx, "-p", dir, "-c", "nginx.conf", "-e", "stderr")
	}, s.isUp(t))
}

func startCaddy(t *testing.T, s *shop) string {
	t.Helper()
	caddy := lookUp(t, "caddy")
	return start(t, func(address string) *exec.Cmd {
		dir := t.TempDir()
		cmd := exec.Command(caddy, "run", "--config", configurations+"/caddy/Caddyfile", "--adapter", "caddyfile")
		cmd.Env = append(os.Environ(), "POSSE_GATEWAY="+s.posse, "POS_BACKEND="+s.backend, "POS_SITE=http://"+address,
			"XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, "CADDY_ADMIN=unix/"+filepath.Join(dir, "admin"))
		return cmd
	}, s.isUp(t))
}

func startTraefik(t *testing.T, s *shop, traefik string) string {
	t.Helper()
	return start(t, func(address string) *exec.Cmd {
		dir := t.TempDir()
		change(t, configurations+"/traefik/traefik.yml", dir, map[string]string{`address: ":8000"`: `address: "` + address + `"`})
		write(t, filepath.Join(dir, "posse.yml"), read(t, configurations+"/traefik/posse.yml"))
		cmd := exec.Command(traefik, "--configFile=traefik.yml")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "POSSE_GATEWAY=http://"+s.posse, "POS_BACKEND=http://"+s.backend)
		return cmd
	}, s.isUp(t))
}
