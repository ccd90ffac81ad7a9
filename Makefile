# make run    start Deputy for trying out, with a sample world
# make test   everything: vet, Go on SQLite and Postgres, Rego with coverage, real OAuth clients, a real browser
# make help   the other targets

export CGO_ENABLED := 0
GO ?= go
NPM ?= npm

.PHONY: help tools run build test check go-test policy-test client-test browser-test pages generate bench bench-layers fuzz laws refusals replicas upgrade sabotage race clean

help:
	@echo "run          start Deputy for trying out (SQLite, sample world, tour on first start)"
	@echo "build        ./deputy"
	@echo "test         everything below up to check"
	@echo "check        vet, formatting, generated code, dependencies"
	@echo "go-test      Go tests, on SQLite and Postgres"
	@echo "policy-test  the Rego's own tests, with coverage; go-test runs them, too"
	@echo "client-test  OAuth clients from npm against a running server"
	@echo "browser-test people's pages in Chromium: keyboard, axe, sizes, light and dark, no JavaScript"
	@echo "pages        people's pages with sample views on http://127.0.0.1:8090, to look at"
	@echo "laws         random worlds, 100,000 requests on each database: docs/laws.md"
	@echo "refusals     every reason to refuse, with every grant, on both databases each"
	@echo "replicas     two replicas on one Postgres, killed fifty times under load: docs/replicas.md"
	@echo "upgrade      an older release (OLD=commit) is replaced by this one, under load: docs/replicas.md"
	@echo "race         Go tests under the race detector (needs a C compiler)"
	@echo "bench        the real server against the bare limit, over loopback (docs/performance.md)"
	@echo "bench-layers Go benchmarks: the steps of a token request, which add up, and what they hang from"
	@echo "fuzz         every fuzz target, FUZZTIME (5m) each"
	@echo "generate     generated code, anew"
	@echo "clean        remove what run and build left"

run: build
	./deputy serve --dev

build:
	$(GO) build -trimpath -tags nomsgpack -ldflags "-s -w" -o deputy ./cmd/deputy

test: tools check go-test client-test browser-test
	@echo "make test: everything passed"

tools:
	tests/tools.sh

check:
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	@unformatted=$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go')); \
	  if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	$(GO) mod verify
	tests/generated.sh

# Tests wait for databases, and for time to pass: one package more is tested at once
# than there are processors.
go-test:
	$(GO) test -timeout 14m -p $$(($$(getconf _NPROCESSORS_ONLN) + 1)) ./...

policy-test:
	$(GO) run ./cmd/deputy policy test

# The clients need Node; where there is none, CI fails and a laptop is told so.
client-test:
	tests/clients/run.sh

# So does the browser.
browser-test:
	tests/browser/run.sh

pages:
	$(GO) run ./tests/browser/preview

race:
	CGO_ENABLED=1 $(GO) test -race -timeout 30m ./...

laws:
	LAWS_CASES=$${LAWS_CASES:-100000} $(GO) test -count=1 -timeout 8h -run TestLaws -v ./tests/laws

refusals:
	EVERY_DATABASE=yes $(GO) test -count=1 -timeout 30m -run TestEveryGrantRefuses ./tests

# Also holds them to their times, so nothing else should run beside it.
replicas:
	REPLICAS=full $(GO) test -count=1 -timeout 1h -v ./tests/replicas

# The newest release or, before there is one, the first commit that others can be upgraded from.
OLD ?= $(shell git describe --tags --abbrev=0 2>/dev/null || git log -1 --format=%h --grep='^models: reads name their columns$$')

upgrade:
	@test -n "$(OLD)" || { echo "make upgrade OLD=commit: which release is the older one? There is no git history here"; exit 1; }
	UPGRADE_FROM=$(OLD) $(GO) test -count=1 -timeout 30m -run TestRollingUpgrade -v ./tests/replicas

sabotage:
	SABOTAGE=all $(GO) test -count=1 -timeout 2h -run TestEverySabotageIsNoticed ./bundles

fuzz:
	tests/fuzz.sh

bench:
	$(GO) run ./tests/bench $(BENCH_ARGS)

bench-layers:
	$(GO) test -run '^$$' -bench . -benchmem ./server/grants ./bundles ./models

generate:
	$(GO) generate ./...

clean:
	rm -rf deputy data
