# One line a target: `make` prints them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
GO      ?= go
TOOLS   := .cache/tools
LDFLAGS := -s -w -X main.version=$(VERSION)
PACKAGES ?= ./...
FUZZTIME ?= 20s
SCALE    ?= 100
# The Kubernetes of the tests' control plane and node, such as 1.36.3; empty for the newest.
KUBERNETES ?= $(PODCULLIS_KUBERNETES)
export PODCULLIS_KUBERNETES := $(KUBERNETES)

.PHONY: help
help: ## Print this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build podcullis and podcullis-webhook into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/podcullis ./cmd/podcullis-webhook

.PHONY: demo
demo: build ## Watch changes being refused by the real server, on loopback, without a cluster
	@CGO_ENABLED=0 $(GO) run -trimpath ./test/demo

.PHONY: demo-cluster
demo-cluster: build ## The same with kubectl against a real API server; the first build takes minutes. KEEP=1 leaves it up
	@CGO_ENABLED=0 $(GO) run -trimpath ./test/demo --cluster

.PHONY: test
test: $(TOOLS)/gotestsum control-plane-bin ## Run every test: unit, Rego, conformance, scenarios, end to end. PACKAGES=./webhook for some
	@if [[ '$(PACKAGES)' == ./... ]]; then $(GO) test -C test/oracle -count=1 ./...; fi
	PODCULLIS_REQUIRE_CONTROL_PLANE=1 $(TOOLS)/gotestsum --format pkgname-and-test-fails --format-hide-empty-pkg -- -count=1 -timeout=20m $(PACKAGES)

.PHONY: verify
verify: lint ## Check what needs no run of the tests: formatting, lint, go.mod, scripts, the tables of the documentation
	$(GO) vet ./...
	$(GO) mod tidy -diff
	$(GO) -C test/oracle mod tidy -diff
	$(GO) mod verify
	@if command -v shellcheck >/dev/null; then echo shellcheck; git ls-files '*.sh' .ci/run | xargs -r shellcheck; else echo 'shellcheck is not installed: scripts are not checked'; fi
	$(GO) test -count=1 .
	$(GO) test -count=1 -run TestGenerated ./cmd/podcullis
	@$(MAKE) --no-print-directory generate
	git diff --exit-code -- customresource/v1alpha1 charts/podcullis/files/crds

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## Run golangci-lint; its first build takes about two minutes
	$(TOOLS)/golangci-lint run ./...

.PHONY: fmt
fmt: $(TOOLS)/golangci-lint ## Format the Go code
	$(TOOLS)/golangci-lint fmt ./...

.PHONY: docs
docs: ## Regenerate the generated parts of docs/
	$(GO) test -count=1 -run TestGenerated . ./cmd/podcullis -update

.PHONY: generate
generate: $(TOOLS)/controller-gen ## Make the definitions and deep copies of the custom resources anew
	$(TOOLS)/controller-gen object crd paths=./customresource/v1alpha1 output:object:dir=customresource/v1alpha1 output:crd:dir=charts/podcullis/files/crds

.PHONY: images
images: ## Take the screenshots in docs/images anew, with Chromium; the drawings beside them are made by docs
	PODCULLIS_REQUIRE_BROWSER=1 PODCULLIS_IMAGES=$(CURDIR)/docs/images $(GO) test -count=1 -run TestImages ./test/browser

.PHONY: fuzz
fuzz: ## Run the laws of the delta on 10,000 and 5,000 clusters, a million interleavings of the ledger, and each fuzz target for FUZZTIME (20s)
	$(GO) test -count=1 -timeout=30m -run NaiveReading ./connectivity -rapid.checks=1000
	$(GO) test -count=1 -timeout=60m -v -run 'Simulator|EveryRule|OneOfThem' ./ledger -simulate 1000000
	@git grep -lE '^func Fuzz' -- '*_test.go' | sort | while read -r file; do \
		sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$$file" | while read -r target; do \
			$(GO) test -C "$$(dirname "$$file")" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) . </dev/null || exit 1; \
		done || exit 1; \
	done

.PHONY: race
race: ## Run the tests under the race detector, package by package (needs gcc, half an hour). PACKAGES=./webhook for some
	@for p in $$($(GO) list $(PACKAGES) | grep -v /test/); do CGO_ENABLED=1 $(GO) test -race -short -count=1 -timeout=40m "$$p" || exit 1; done

.PHONY: vuln
vuln: ## Ask Go's vulnerability database about all that is linked; skipped, and said so, where it cannot be reached
	@if curl --fail --silent --show-error --max-time 20 --output /dev/null https://vuln.go.dev/index/db.json; \
		then $(GO) run golang.org/x/vuln/cmd/govulncheck@latest ./...; \
		else echo 'SKIPPED: https://vuln.go.dev cannot be reached, so nobody was asked about vulnerabilities'; fi

.PHONY: bench
bench: control-plane-bin ## Measure speed and memory against docs/performance.md, about ten minutes. BENCHFLAGS='-run model' for a part
	@$(GO) run ./test/bench $(BENCHFLAGS)

.PHONY: bench-peers
bench-peers: ## Ask Gatekeeper, OPA and cyclonus the same, in the same run; the first build takes minutes
	@$(GO) run -C test/bench/peers -mod=mod . $(BENCHFLAGS)

.PHONY: chaos
chaos: control-plane-bin ## Bad days in full, three hours or so; prints the table of docs/reliability.md. CHAOS=Rolling for some, SCALE=10 for a tenth
	PODCULLIS_REQUIRE_CONTROL_PLANE=1 $(GO) test -count=1 -timeout=6h -v -run '$(CHAOS)' ./test/chaos -scale $(SCALE)

.PHONY: control-plane-bin
control-plane-bin: ## Build etcd, kube-apiserver, kubectl, ... for the tests into .cache (minutes, once). KUBERNETES=1.36.3 for an older one, with any target
	@$(GO) run ./test/controlplane/build

.PHONY: e2e
e2e: build $(TOOLS)/gotestsum ## Install the chart on a real node and drive it (root and Debian packages, see CONTRIBUTING.md)
	@$(GO) run ./test/node/build
	PODCULLIS_NODE=1 $(TOOLS)/gotestsum --format testname -- -count=1 -timeout=20m ./test/node/...

.PHONY: control-plane
control-plane: ## Start a real Kubernetes API on loopback for yourself, until Ctrl-C
	@$(GO) run ./test/controlplane/run

.PHONY: image
image: ## Build the container image with docker
	docker build --build-arg VERSION=$(VERSION) --tag podcullis-webhook:$(VERSION) .

.PHONY: image-oci
image-oci: build ## Write the container image without an engine: bin/podcullis-webhook-image (OCI layout) and .tar
	@$(GO) run ./internal/image/build -out bin/podcullis-webhook-image -tag podcullis-webhook:$(VERSION) -version $(VERSION) \
		-revision "$$(git rev-parse HEAD 2>/dev/null)" -created "$$(git log -1 --format=%cI 2>/dev/null)" bin/podcullis-webhook

.PHONY: release-check
release-check: $(TOOLS)/goreleaser $(TOOLS)/actionlint ## Check the files of a release: goreleaser's configuration, workflows, scripts. The first build takes minutes
	$(TOOLS)/goreleaser check
	$(TOOLS)/actionlint
	$(GO) test -count=1 ./test/release

.PHONY: release-snapshot
release-snapshot: $(TOOLS)/goreleaser $(TOOLS)/actionlint ## Make what a release consists of in dist/, without signatures and SBOMs, and publish nothing.
	$(TOOLS)/goreleaser release --snapshot --clean --skip=sign,sbom
	$(TOOLS)/validate-krew-manifest -skip-install -manifest dist/krew/podcullis.yaml

.PHONY: release
release: $(TOOLS)/goreleaser ## Make a draft of a release of the tag that is checked out; for the workflow (docs/release.md)
	$(TOOLS)/goreleaser release --clean --release-notes '$(RELEASE_NOTES)'

# The tools are pinned in modules of their own, so that they choose no version of ours.
$(TOOLS)/gotestsum: tools/go.mod tools/go.sum
	$(GO) build -C tools -o ../$(TOOLS)/ tool
	@touch $@

$(TOOLS)/controller-gen: tools/codegen/go.mod tools/codegen/go.sum
	$(GO) build -C tools/codegen -o ../../$(TOOLS)/ tool
	@touch $@

$(TOOLS)/golangci-lint: tools/lint/go.mod tools/lint/go.sum
	@echo 'Building golangci-lint (about two minutes, once) ...'
	$(GO) build -C tools/lint -o ../../$(TOOLS)/ tool
	@touch $@

$(TOOLS)/actionlint: tools/release/go.mod tools/release/go.sum
	$(GO) build -C tools/release -o ../../$(TOOLS)/ tool
	@touch $@

$(TOOLS)/goreleaser: tools/goreleaser/go.mod tools/goreleaser/go.sum
	@echo 'Building goreleaser (a minute or two, once) ...'
	$(GO) build -C tools/goreleaser -o ../../$(TOOLS)/ tool
	@touch $@
