# The one entry point to everything that is done with this repository.
# `make` or `make help` lists the targets; each `##` below is a line of it.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory
.DEFAULT_GOAL := help

# The modules are those of go.work.
MODULES  = $(or $(shell go list -m -f '{{.Dir}}'),$(error posse needs Go 1.26 or later: https://go.dev/dl))
PATTERNS = $(addsuffix /...,$(MODULES))

# The linter is pinned in .ci/tools and built once per version.
LINT := $(CURDIR)/bin/tools/golangci-lint

# Traefik is what the gateway's tests put before a backend, pinned and built
# likewise, by `make traefik`. `make test` uses it where that was done.
TRAEFIK := $(CURDIR)/bin/tools/traefik

# The nats tool runs the commands of docs/audit-consumers.md in the tests.
NATS_TOOL := $(CURDIR)/bin/tools/nats

# govulncheck looks for known vulnerabilities in what posse is made of.
GOVULNCHECK := $(CURDIR)/bin/tools/govulncheck

# What `make up` makes for the containers.
SECRETS := deployments/secrets

# `make test RACE=` runs every package without the race detector.
RACE       ?= -race
TEST_FLAGS ?= -shuffle=on -timeout=20m

# each runs a command in every module, as a stranger who has only that module
# would: without the workspace.
define each
@for module in $(MODULES); do \
	(cd "$$module" && export GOWORK=off && $(1)) || { echo "failed in $${module#$(CURDIR)/}" >&2; exit 1; }; \
done
endef

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## build posse and serve a demo shop on this machine
	@bin/posse serve --demo

.PHONY: build
build: ## build the one binary, bin/posse
	@CGO_ENABLED=0 go build -trimpath -o bin/posse ./services/posse

.PHONY: test
test: ## run all tests, under the race detector where there are goroutines
	@.ci/need postgresql $(if $(RACE),gcc) node npm chromium emoji nginx caddy php strace
	@$(MAKE) $(PLAYWRIGHT) $(NATS_TOOL) $(NODE_CONSUMER) $(NODE_GATEWAY)
	@$(MAKE) -k test-race test-plain test-faults test-contract test-browser

.PHONY: traefik
traefik: $(TRAEFIK) ## build Traefik, for many minutes, and test its configuration
	@POSSE_TEST_TRAEFIK='$(TRAEFIK)' go test -count=1 -run '^TestFrontDoors$$/^traefik$$' ./services/gateway

# Playwright drives the browser tests; the browser is the machine's own.
PLAYWRIGHT := services/posse/browser/node_modules
$(PLAYWRIGHT): services/posse/browser/package-lock.json
	@cd $(@D) && npm ci && touch $(@F)

# The example of a gateway in Node has the official NATS client.
NODE_GATEWAY := deployments/gateways/node/node_modules
$(NODE_GATEWAY): deployments/gateways/node/package-lock.json
	@cd $(@D) && npm ci --loglevel=error && touch $(@F)

# The example of an audit consumer in Node has it too.
NODE_CONSUMER := deployments/consumers/node/node_modules
$(NODE_CONSUMER): deployments/consumers/node/package-lock.json
	@cd $(@D) && npm ci --loglevel=error && touch $(@F)

.PHONY: audit-consumers
audit-consumers: ## run every command of docs/audit-consumers.md, and its programs
	@.ci/need node npm
	@$(MAKE) $(NATS_TOOL) $(NODE_CONSUMER)
	@go test -count=1 -run '^(TestThePage|TestAuditConsumers)' ./services/posse/natsusers

.PHONY: browser
browser: ## drive the Sessions screen in a real browser
	@.ci/need postgresql node npm chromium emoji
	@$(MAKE) $(PLAYWRIGHT)
	@go test -count=1 -v -timeout=20m -run '$(BROWSER)' ./services/posse

# The browser has the machine to itself, and posse runs there as it is built for
# people.
BROWSER := ^TestScreenInTheBrowser$$
# Gateways are examined for minutes, in which most of the machine waits; all of the
# broken ones only by `make conformance`.
CONTRACT := ^(TestGatewaysThatKeepTheContract|TestSomeFaultsAreFound)$$
BROKEN   := ^TestEachFaultIsFound$$
FAULTS   := ^(TestFaults|TestStoreIsFreshSoonAfterItsLine)$$
# Benchmarks are not faster for being watched.
BENCHES  := ^TestBench
# What floods, fills and upgrades a posse that runs as a process of its own would do
# so with the detector too, and take several times as long. The scripts run under it
# on posse serve, and without it on separate processes.
WHOLE    := ^(TestProcesses|TestSessionsEndWhen|TestReleasesStart|TestEveryListener|TestGigabytes|TestTenThousand|TestAFullListener)
# The fault suite waits for more than half of its time too, and runs beside it.
TORTURE  := ^TestTorture$$
APART    := $(BROWSER)|$(CONTRACT)|$(BROKEN)|$(FAULTS)|$(BENCHES)|$(WHOLE)|$(TORTURE)

.PHONY: conformance
conformance: ## examine gateways by the contract: posse's, the one in Node, and broken ones
	@.ci/need node npm
	@$(MAKE) $(NODE_GATEWAY)
	@go test -count=1 -timeout=20m -run '$(CONTRACT)|$(BROKEN)' ./services/posse/conformance

# Faults are waited for, and what heals has five seconds for it: nothing else runs
# meanwhile.
BREAKING_POINTS := ./services/posse/faults ./services/posse/natsusers
.PHONY: faults test-faults test-contract
faults: ## break what is between gateways and the log, in every way, and see what tills see
	@POSSE_TEST_LIVE=1000000 go test -count=1 -v -timeout=20m -p=1 -parallel=16 -run '$(FAULTS)' $(BREAKING_POINTS)
test-faults:
	@go test -timeout=20m -p=1 -parallel=16 -run '$(FAULTS)' $(BREAKING_POINTS)

test-contract: $(NODE_GATEWAY)
	@go test -timeout=20m -run '$(CONTRACT)|$(TORTURE)' ./services/posse/conformance ./services/posse/torture

.PHONY: torture
torture: ## break everything at random for 20 minutes, and hold posse to docs/reliability.md
	@.ci/need postgresql
	@go run ./services/posse/torture/play $(TORTURE_FLAGS)

.PHONY: test-browser
test-browser:
	@go test -timeout=20m -run '$(BROWSER)' ./services/posse

# Each fuzz target runs for FUZZTIME: `make fuzz FUZZTIME=1h` is for a weekend, and
# `make fuzz FUZZ='events pkg/token'` for the targets below some folders.
FUZZTIME ?= 1m
FUZZ     ?=
.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME, a minute each, and stop at the first finding
	@.ci/fuzz '$(FUZZTIME)' $(FUZZ)

.PHONY: fuzz-corpus
fuzz-corpus: ## keep what fuzzing found interesting on this machine for others
	@tar -C "$$(go env GOCACHE)/fuzz" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - \
		"$$(sed -n 's|^module \(.*\)/events$$|\1|p' events/go.mod)" | gzip -9n > .ci/fuzz-corpus.tar.gz

# A package has goroutines if a file of it starts one, or imports what only
# goroutines need or what calls back on goroutines of its own. Each package is
# tested once, by one of the two below.
CONCURRENT := ^[[:space:]]*go (func|[a-zA-Z_.]+)\(|^[[:space:]]*([a-z_]+ )?"(sync|sync/atomic|net/http|net/http/httptest|golang.org/x/sync/[a-z]+|go.uber.org/goleak|github.com/nats-io/[^"]+)"$$

# packages-race and packages-plain print import paths.
.PHONY: packages-race packages-plain
packages-race:
	@go list -f '{{.ImportPath}} {{.Dir}}' $(PATTERNS) | sort -u | while read -r path dir; do \
		! grep -Eqs '$(CONCURRENT)' "$$dir"/*.go || echo "$$path"; done
packages-plain:
	@comm -23 <(go list $(PATTERNS) | sort -u) <($(MAKE) packages-race | sort -u)

.PHONY: test-race test-plain
test-race:
	@$(MAKE) packages-race | POSSE_TEST_TRAEFIK='$(wildcard $(TRAEFIK))' xargs -r go test $(RACE) $(TEST_FLAGS) -skip '$(APART)'
test-plain:
	@$(MAKE) packages-plain | xargs -r go test $(TEST_FLAGS) -skip '$(APART)'
	@go test $(TEST_FLAGS) -run '$(BENCHES)|$(WHOLE)' ./services/posse

.PHONY: verify
verify: verify-gen verify-fmt verify-modules verify-api verify-vulnerabilities lint ## fail on stale or unformatted files, lint, broken module boundaries, a changed API, known vulnerabilities

# The state of the tree, without what is built or not ours.
SNAPSHOT = find . -type f -not -path './.git/*' -not -path './bin/*' -not -path '*/node_modules/*' -not -path '*/artefacts/*' -print0 | sort -z | xargs -0 sha256sum

.PHONY: verify-gen
verify-gen:
	@echo 'verify: generated files'
	@before=$$($(SNAPSHOT)); $(MAKE) gen; \
		stale=$$(diff <(echo "$$before") <($(SNAPSHOT)) | awk '/^>/ { print $$3 }'); \
		[ -z "$$stale" ] || { printf 'stale, run `make gen` and commit:\n%s\n' "$$stale" >&2; exit 1; }

.PHONY: verify-fmt
verify-fmt: $(LINT)
	@echo 'verify: formatting'
	$(call each,$(LINT) fmt --config '$(CURDIR)/.golangci.yml' --diff ./... || { echo 'run: make fmt' >&2; exit 1; })

.PHONY: verify-modules
verify-modules:
	@echo 'verify: module boundaries'
	$(call each,go build -o /dev/null ./... && go vet ./... && go mod tidy -diff)

.PHONY: verify-api
verify-api:
	@echo 'verify: the API of the SDK'
	@go run ./pkg/sdkapi

# What only imports a vulnerable package passes; what calls the vulnerable part of
# it fails. VULNDB is the URL of another database than Go's.
.PHONY: verify-vulnerabilities
verify-vulnerabilities: $(GOVULNCHECK)
	@echo 'verify: known vulnerabilities'
	@.ci/vulnerabilities '$(GOVULNCHECK)' $(MODULES)

# gosec is one of golangci-lint's linters, and runs with them.
.PHONY: lint
lint: $(LINT) ## run golangci-lint on every module
	@echo 'lint'
	$(call each,$(LINT) run --config '$(CURDIR)/.golangci.yml' ./...)

.PHONY: fmt
fmt: $(LINT) ## format the code
	$(call each,$(LINT) fmt --config '$(CURDIR)/.golangci.yml' ./...)

.PHONY: gen
gen: ## write the generated files anew
	$(call each,go generate ./...)

.PHONY: release-data
release-data: build ## record what a release leaves on the disk, for the test of upgrades: RELEASE=v1.2.0
	@.ci/need postgresql
	@[ -n '$(RELEASE)' ] || { echo 'name it: make release-data RELEASE=v1.2.0' >&2; exit 1; }
	@go test -count=1 -run '^TestRecordRelease$$' ./services/posse -args -record-release '$(RELEASE)' -posse '$(or $(POSSE),$(CURDIR)/bin/posse)'

.PHONY: api
api: ## record what was added to the API of the SDK
	@go run ./pkg/sdkapi -record $(if $(BREAKING),all,additions)

.PHONY: bench
bench: build ## measure posse against the limits it could reach, as ratios
	@.ci/need postgresql
	@go run ./pkg/pgtest/withpostgres bin/posse bench $(BENCH)

.PHONY: up
up: $(SECRETS)/postgres-url $(SECRETS)/nats/accounts-keys.conf ## start posse, NATS and PostgreSQL with docker compose
	@docker compose up --build --detach --wait

# Containers run as other users and must read these; the folder keeps the rest out.
$(SECRETS)/postgres-password:
	@mkdir -p -m 700 $(@D)
	@umask 022; head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >$@
$(SECRETS)/postgres-url: $(SECRETS)/postgres-password
	@umask 022; printf 'postgres://posse:%s@postgres:5432/posse?sslmode=disable' "$$(cat $<)" >$@

$(SECRETS)/nats/accounts-keys.conf: deployments/nats/accounts.conf
	@mkdir -p -m 700 $(SECRETS)
	@go run ./services/posse nats-keys --config $< --dir $(@D) >/dev/null
	@chmod 755 $(@D) && chmod 644 $(@D)/*
	@touch $@

.PHONY: down
down: ## stop what `make up` started, and keep its data
	@docker compose down

$(LINT): .ci/tools/go.mod .ci/tools/go.sum
	@echo 'building golangci-lint, once: it takes a minute or two'
	@cd .ci/tools && GOWORK=off go build -o '$@' github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch '$@'

$(TRAEFIK): .ci/tools/traefik/go.mod .ci/tools/traefik/go.sum
	@echo 'building Traefik, once: it takes some minutes'
	@cd .ci/tools/traefik && GOWORK=off go build -o '$@' github.com/traefik/traefik/v3/cmd/traefik
	@touch '$@'

$(NATS_TOOL): .ci/tools/nats/go.mod .ci/tools/nats/go.sum
	@echo 'building the nats tool, once: it takes a minute or two'
	@cd .ci/tools/nats && GOWORK=off go build -o '$@' github.com/nats-io/natscli/nats
	@touch '$@'

$(GOVULNCHECK): .ci/tools/vuln/go.mod .ci/tools/vuln/go.sum
	@echo 'building govulncheck, once'
	@cd .ci/tools/vuln && GOWORK=off go build -o '$@' golang.org/x/vuln/cmd/govulncheck
	@touch '$@'
