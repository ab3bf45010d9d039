# SPDX-License-Identifier: Apache-2.0

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
GOFLAGS_BUILD = -trimpath -ldflags "-s -w -X main.version=$(VERSION)"
# A static binary: it runs in any container and any distribution.
export CGO_ENABLED ?= 0

.PHONY: help build demo test check setup generate check-generated lint test-go test-bench-module fuzz fuzz-long churn injections keepalive-soak screenshots test-kernels interop bench bench-keepalives bench-sipparse image deb manifests test-deploy install clean FORCE

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

build: ## bin/viaduct
	go build $(GOFLAGS_BUILD) -o bin/viaduct ./cmd/viaduct

demo: build ## play good and bad SIP peers on loopback and show the report (root)
	bin/viaduct demo

test: setup check-generated lint test-go test-bench-module test-deploy test-kernels ## everything that CI runs (root, Debian)

check: lint ## quick checks without root: vet, staticcheck, unit tests
	go test ./...

setup: ## install what the tests need (Debian, root)
	scripts/setup.sh

generate: ## rebuild the BPF objects with the pinned compiler, docs/rules.md, docs/metrics.md and the dashboard
	scripts/generate.sh

check-generated: ## prove that what is generated and committed is current
	scripts/check-generated.sh

lint: ## gofmt, vet, staticcheck
	@test -z "$$(gofmt -l agent bpf cmd exporter fleet internal sipparse bench deploy)" || { gofmt -l agent bpf cmd exporter fleet internal sipparse bench deploy; echo "lint: run gofmt -w on these" >&2; exit 1; }
	go vet ./...
	go vet -tags kernels ./internal/kernels/...
	go vet -tags interop ./internal/interop
	go vet -tags churn,soak ./internal/livetest
	go vet -tags screenshots ./internal/screenshots
	go tool staticcheck ./...

# One package at a time: several load probes and make traffic on the same host. The
# live tests wait for timers of SIP for minutes, on a slow machine for more. What
# they find depends on the host and on the binary beside them, which go's cache of
# results does not know.
test-go: build ## all Go tests, the live ones too; a skip is a failure (root)
	VIADUCT_STRICT=1 go test -count=1 -p 1 -timeout 20m ./...
	go test -tags countwork -run TestWorkIsLinear ./sipparse

test-bench-module: ## sipparse against another parser
	cd bench && CGO_ENABLED=1 go test -tags cpeers ./...

# Helm renders and lints, Kubernetes' types decode; nfpm makes what dpkg installs.
test-deploy: deb image ## the chart, the manifests, the unit and the package (root, Debian)
	cd deploy && go vet ./... && VIADUCT_STRICT=1 go test -count=1 ./...

# test-go runs what the targets have found before. What is found at random is no
# verdict on the change at hand, so this is no part of test.
fuzz: ## every fuzz target, a minute and a half in all
	scripts/fuzz.sh 90

fuzz-long: ## every fuzz target, two hours in all
	scripts/fuzz.sh 7200

screenshots: build ## the pictures in docs/images, of the page, the report and the terminal
	go test -count=1 -tags screenshots ./internal/screenshots

CHURN ?= 10m
churn: ## 2,000 connections for ten minutes (CHURN=3m for less) under a policy that closes them (root, 8192 open files)
	go test -count=1 -tags churn -run 'TestChurn$$' -v -timeout 30m ./internal/livetest -churn $(CHURN)

injections: ## a million keep-alives into streams that are being written to (root)
	go test -count=1 -run 'TestNeverMidMessage$$' -v -timeout 30m ./internal/act -injections 1000000

SOAK ?= 10m
keepalive-soak: ## programs that cannot stand pongs, kept alive for ten minutes (SOAK=1m for less; root)
	go test -count=1 -tags soak -run 'TestPongsSoak$$' -v -timeout 60m ./internal/livetest -soak $(SOAK)

test-kernels: ## boot other kernels under qemu, load everything, play calls
	scripts/kernels.sh
	go test -count=1 -tags kernels ./internal/kernels/...

# The cases wait for timers of up to two minutes, side by side.
interop: ## real SIP programs, and what docs/interop.md says of them (root, Debian)
	scripts/setup.sh
	go test -count=1 -tags interop -parallel 24 -timeout 10m ./internal/interop

bench: build ## what viaduct costs on this host (root, quiet machine)
	go run ./internal/benchmark bin/viaduct

bench-keepalives: build ## what keep-alives on 100,000 sockets cost, and how punctual they are (root, quiet machine; seven minutes)
	go run ./internal/benchmark/keepalives bin/viaduct

bench-sipparse: ## the parser beside others, in Go and C
	scripts/bench-sipparse.sh

# What is built twice from one commit is the same: its time is the commit's.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
ARCHES ?= amd64 arm64

# Without symbols of the build's place, and for each architecture.
bin/linux-%/viaduct: FORCE
	GOOS=linux GOARCH=$* go build $(GOFLAGS_BUILD) -buildvcs=false -o $@ ./cmd/viaduct
FORCE:

IMAGE ?= localhost/viaduct:latest
image: $(ARCHES:%=bin/linux-%/viaduct) ## container images IMAGE-ARCH, by podman
	@for arch in $(ARCHES); do \
		podman build -q --platform linux/$$arch --build-arg TARGETARCH=$$arch --timestamp $(SOURCE_DATE_EPOCH) -t $(IMAGE)-$$arch . || exit; \
	done

# Debian's versions begin with a digit: that of the tag, or of the commit's day.
DEB_VERSION ?= $(shell git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/^v//; s/-/+/; s/-/./' | grep . || git log -1 --format=0~%cd.%h --date=format:%Y%m%d 2>/dev/null || echo 0~development)
deb: $(ARCHES:%=bin/linux-%/viaduct) ## Debian packages in bin/, by nfpm
	@for arch in $(ARCHES); do \
		(cd deploy && DEB_ARCH=$$arch DEB_VERSION='$(DEB_VERSION)' \
			go tool nfpm package -f debian/nfpm.yaml -p deb -t ../bin/viaduct_$$arch.deb) || exit; \
	done

manifests: ## deploy/kubernetes/viaduct.yaml, from the chart, and the chart's copies of fleet/
	cd deploy && go test -count=1 -run 'TestRulesAreCurrent$$' . -update && go test -count=1 -run 'TestPlain$$|TestEverything$$' . -update

PREFIX ?= /usr/local
install: build ## into $(DESTDIR)$(PREFIX): the binary and the systemd unit; a policy if there is none
	install -D -m 0755 bin/viaduct $(DESTDIR)$(PREFIX)/bin/viaduct
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's,/usr/bin/viaduct,$(PREFIX)/bin/viaduct,' deploy/systemd/viaduct.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/viaduct.service
	test -e $(DESTDIR)/etc/viaduct/policy.yaml || install -D -m 0644 deploy/systemd/policy.yaml $(DESTDIR)/etc/viaduct/policy.yaml

clean: ## remove what was built
	rm -rf bin .cache
