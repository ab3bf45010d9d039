# SPDX-License-Identifier: Apache-2.0

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
GOFLAGS_BUILD = -trimpath -ldflags "-s -w -X main.version=$(VERSION)"
# A static binary: it runs in any container and any distribution.
export CGO_ENABLED ?= 0

.PHONY: help build demo test check setup generate check-generated lint test-go test-bench-module fuzz fuzz-long churn test-kernels interop bench bench-sipparse install clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

build: ## bin/viaduct
	go build $(GOFLAGS_BUILD) -o bin/viaduct ./cmd/viaduct

demo: build ## play good and bad SIP peers on loopback and show the report (root)
	bin/viaduct demo

test: setup check-generated lint test-go test-bench-module fuzz test-kernels ## everything that CI runs (root, Debian)

check: lint ## quick checks without root: vet, staticcheck, unit tests
	go test ./...

setup: ## install what the tests need (Debian, root)
	scripts/setup.sh

generate: ## rebuild the BPF objects with the pinned compiler, docs/rules.md and docs/metrics.md
	scripts/generate.sh

check-generated: ## prove that what is generated and committed is current
	scripts/check-generated.sh

lint: ## gofmt, vet, staticcheck
	@test -z "$$(gofmt -l agent bpf cmd exporter internal sipparse bench)" || { gofmt -l agent bpf cmd exporter internal sipparse bench; echo "lint: run gofmt -w on these" >&2; exit 1; }
	go vet ./...
	go vet -tags kernels ./internal/kernels/...
	go vet -tags interop ./internal/interop
	go vet -tags churn ./internal/livetest
	go tool staticcheck ./...

# One package at a time: several load probes and make traffic on the same host.
test-go: build ## all Go tests, the live ones too; a skip is a failure (root)
	VIADUCT_STRICT=1 go test -p 1 ./...
	go test -tags countwork -run TestWorkIsLinear ./sipparse

test-bench-module: ## sipparse against another parser
	cd bench && CGO_ENABLED=1 go test -tags cpeers ./...

fuzz: ## every fuzz target, a minute in all
	scripts/fuzz-sipparse.sh 40
	go test -run '^$$' -fuzz FuzzHandle -fuzztime 20s ./agent
	go test -run '^$$' -fuzz FuzzRead -fuzztime 20s ./internal/capture

fuzz-long: ## the parser's fuzz targets for an hour
	scripts/fuzz-sipparse.sh 3600

CHURN ?= 10m
churn: ## 2,000 connections for ten minutes (CHURN=3m for less) under a policy that closes them (root, 8192 open files)
	go test -count=1 -tags churn -run 'TestChurn$$' -v -timeout 30m ./internal/livetest -churn $(CHURN)

test-kernels: ## boot other kernels under qemu, load everything, play calls
	scripts/kernels.sh
	go test -count=1 -tags kernels ./internal/kernels/...

# The cases wait for timers of up to two minutes, side by side.
interop: ## real SIP programs, and what docs/interop.md says of them (root, Debian)
	scripts/setup-interop.sh
	go test -count=1 -tags interop -parallel 24 -timeout 10m ./internal/interop

bench: build ## what viaduct costs on this host (root, quiet machine)
	go run ./internal/benchmark bin/viaduct

bench-sipparse: ## the parser beside others, in Go and C
	scripts/bench-sipparse.sh

install: build ## into $(DESTDIR)/usr/local/bin
	install -D -m 0755 bin/viaduct $(DESTDIR)/usr/local/bin/viaduct

clean: ## remove what was built
	rm -rf bin .cache
