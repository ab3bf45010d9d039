# SPDX-License-Identifier: Apache-2.0

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
GOFLAGS_BUILD = -trimpath -ldflags "-s -w -X main.version=$(VERSION)"
# A static binary: it runs in any container and any distribution.
export CGO_ENABLED ?= 0

.PHONY: help build demo test check setup generate check-generated lint test-go test-bench-module fuzz fuzz-long test-kernels bench bench-sipparse install clean

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

generate: ## rebuild the BPF objects with the pinned compiler
	scripts/generate.sh

check-generated: ## prove that the committed BPF objects are current
	scripts/check-generated.sh

lint: ## gofmt, vet, staticcheck
	@test -z "$$(gofmt -l agent bpf cmd exporter internal sipparse bench)" || { gofmt -l agent bpf cmd exporter internal sipparse bench; echo "lint: run gofmt -w on these" >&2; exit 1; }
	go vet ./...
	go vet -tags kernels ./internal/kernels/...
	go tool staticcheck ./...

test-go: build ## all Go tests, the live ones too; a skip is a failure (root)
	VIADUCT_STRICT=1 go test ./...

test-bench-module: ## sipparse against another parser
	cd bench && CGO_ENABLED=1 go test ./...

install: build ## into $(DESTDIR)/usr/local/bin
	install -D -m 0755 bin/viaduct $(DESTDIR)/usr/local/bin/viaduct

clean: ## remove what was built
	rm -rf bin .cache
