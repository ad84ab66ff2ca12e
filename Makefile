# Thin on purpose: every body is plain commands that can be typed.

GO      ?= go
GOTEST   = $(GO) run ./internal/gotest
SECONDS ?= 600# of fuzzing, for each fuzz target
DURATION ?= 10m# of soak and churn
COUNT   ?= 6# runs of each benchmark
DIR     ?=# of data folders that are measured, default: that of temporary files
NEW     ?= .cache/bench-new.txt
OLD     ?= .cache/bench-old.txt

.PHONY: run build test tests suites peers check unit race fuzz golden gen bench bench-diff compare durable tier soak soak-durable crash recovery density events hits compat cross

# Builds, and serves memcache on 127.0.0.1:11211 (and ::1).
run: build
	./bin/panda serve

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/panda ./appliance/cmd/panda

# Everything: the peers that can be had are installed, what cannot run is named
# with its reason, all tests run, then all but the black boxes once more under
# the race detector, and the race build is talked to. A part that fails does not
# keep the next from running. internal/gotest is go test that names skipped tests.
test: peers
	@status=0; for part in tests suites race; do \
		$(MAKE) --no-print-directory $$part || status=1; \
	done; exit $$status

# One package after the other, since some load both cores and others measure.
tests:
	$(GOTEST) -p 1 -timeout 10m $$($(GO) list ./... | grep -v '/wire/compat$$')

suites:
	$(GO) test -timeout 15m -count 1 -v ./wire/compat

peers:
	@if [ -n "$$PANDA_NO_INSTALL" ]; then echo "peers: not installed, since PANDA_NO_INSTALL is set"; \
	else sh wire/compat/install-peers.sh; fi

# The race detector needs a C compiler.
race:
	@if [ "$$($(GO) env CGO_ENABLED)" != 1 ] || ! command -v $$($(GO) env CC) >/dev/null; then \
		echo "SKIPPED: tests under the race detector: they need cgo and a C compiler ($$($(GO) env CC))"; \
	else \
		status=0; set -x; \
		$(GOTEST) -race -timeout 12m $$($(GO) list ./... | grep -v -E '/wire/compat$$|/perf($$|/)') || status=1; \
		PANDA_COMPAT_SEQUENCES=100 $(GOTEST) -race -timeout 8m -count 1 -run '^Test(Hostile|Transcript|Differential)' ./wire/compat || status=1; \
		exit $$status; \
	fi

# Under two minutes: what to run before every commit.
check:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(MAKE) --no-print-directory unit cross

unit:
	$(GOTEST) -short $$($(GO) list ./... | grep -v -E '/wire/compat$$|/perf($$|/)')

# macOS and FreeBSD must build; Linux is the product.
cross:
	GOOS=linux GOARCH=arm64 $(GO) build ./...
	GOOS=darwin GOARCH=arm64 $(GO) vet ./...
	GOOS=freebsd GOARCH=amd64 $(GO) vet ./...

# The peers' own suites, clients and transcripts.
compat: peers suites

fuzz:
	@for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$(GO) test -run '^$$' -fuzz '^$$target$$' -fuzztime $(SECONDS)s $$package"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(SECONDS)s $$package || exit 1; \
		done; \
	done

# Rewrites the expected texts of tests; look at the difference before you commit.
golden:
	$(GO) test ./appliance/config -run 'TestHelp|TestConfigErrors|TestPrintConfig' -rewrite
	$(GO) test ./appliance/status -run 'TestReading|TestReport|TestPages' -rewrite
	$(GO) test ./appliance/cli -run TestBenchResult -rewrite
	$(GO) test ./perf -run 'TestTable|TestBench' -rewrite
	$(GO) test ./perf/hits -run TestTable -rewrite
	$(GO) test ./wire/compat -run Transcript -rewrite # from the originals; asks for memcached itself

gen:
	$(GO) generate ./...

bench:
	@mkdir -p .cache
	$(GO) test -run '^$$' -bench . -benchmem -count $(COUNT) ./slab ./netio/... ./wire/... | tee $(NEW)

# panda beside memcached and the floor, for some minutes: perf/doc.go.
compare:
	$(GO) run ./perf/cmd/pandaperf

# What durability costs, beside none and beside redis, and what fsync=always reaches of
# the disk below DIR: perf/durable.go, perf/group.go. Minutes.
durable:
	$(GO) run ./perf/cmd/pandaperf -durable -dir "$(DIR)"

# Values on flash beside memcached's extstore, in files below DIR: perf/tier.go. Minutes, 4 GB.
tier:
	$(GO) run ./perf/cmd/pandaperf -tier -dir "$(DIR)"

# Hit ratios beside memcached's, and what becomes of them when values change their
# size, for ten minutes: perf/hits/doc.go.
hits:
	$(GO) run ./perf/cmd/pandahits

# Acceptance under memory pressure, every answer checked: perf/checker. Minutes.
soak:
	$(GO) run ./perf/cmd/pandacheck soak -duration $(DURATION)
	$(GO) run ./perf/cmd/pandacheck exhaust

# The same of a server that keeps a log, with snapshots all the time and five restarts, for
# each of fsync=always and everysec.
soak-durable:
	$(GO) run ./perf/cmd/pandacheck soak -fsync always,everysec -duration $(DURATION) -dir "$(DIR)"

# 100 kills under load, and as many recoveries that are killed, for each of fsync=always
# and everysec: what must be there is, and nothing is half there. perf/crash. Minutes.
crash:
	$(GO) run ./perf/cmd/pandacheck crash -dir "$(DIR)"

# Late replies and memory while snapshots of 5 M items are taken, and what it costs to
# recover as many from a snapshot and from a log: perf/events, perf/restart. Minutes, 5 GB.
recovery:
	$(GO) run ./perf/cmd/pandacheck snapshot -dir "$(DIR)"
	$(GO) run ./perf/cmd/pandacheck recovery -dir "$(DIR)"

# What memory holds, beside memcached: perf/density. Minutes, 10 GB.
density:
	$(GO) run ./perf/cmd/pandacheck density
	$(GO) run ./perf/cmd/pandacheck churn -duration $(DURATION)
	$(GO) run ./perf/cmd/pandacheck scale

# Late replies while memory moves, an index grows, items expire: perf/events.
events:
	$(GO) run ./perf/cmd/pandacheck events

bench-diff:
	$(GO) tool benchstat $(OLD) $(NEW)
