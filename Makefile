# Causeway: every developer habit is a target. `make help` lists them.

BOARD   ?= x86_64
BOOT    ?= kernel
VARIANT ?= release
CALLS   ?= 200
RATE    ?= 20
FUZZ    ?= 60s
CUTS    ?= 50
ROUNDS  ?= 100
MINUTES ?= 10
SECONDS ?= 20
STICKS  ?= 200

# What is needed of Debian, and installed: by what builds and boots, and by what
# tests. Kernels, their EFI loaders and certificates of the image are fetched by the
# build itself; daemons that the box is tried against are unpacked in the cache
# and never installed (qemu/lab/peers.go).
RUN_PACKAGES  = ca-certificates faketime ovmf qemu-efi-aarch64 qemu-system-arm qemu-system-x86 sbsigntool xz-utils
TEST_PACKAGES = baresip-core chromium-headless-shell curl e2fsprogs fonts-dejavu-core iproute2 libxml2-utils mtools nftables openssh-client openssl sip-tester ssh-audit swtpm tshark \
	$(if $(shell command -v npm),,npm)

.PHONY: help run test check smoke image reproduce bench-sip bench-billing bench-boot bench-firewall powercut test-powercut test-update test-sticks chaos-network \
	leak soak overload flood test-cps bench-com com-line scan test-access-load pages bench-pages clock-offset fuzz packages test-packages clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  Variables: BOARD=x86_64|arm64 BOOT=kernel|disk VARIANT=release|debug CALLS=n RATE=n CUTS=n ROUNDS=n STICKS=n SECONDS=n MINUTES=n FUZZ=time CONFIG=file TPM=1 (with BOOT=disk)"

run: packages ## Build the appliance and boot it in QEMU, console in front of you (Ctrl-A X leaves)
	@go run ./images build -board $(BOARD) -variant $(VARIANT)
	@go run ./qemu run -board $(BOARD) -variant $(VARIANT) -boot $(BOOT) $(if $(CONFIG),-config $(CONFIG)) $(if $(TPM),-tpm)

# One suite of `make test`: its name, and the command. Go's own test lines pass
# through; the seconds are printed whether it passed or not: those on the wall, and
# those of processors, machines included, which are much the same on a busy host.
suite = @start=$$(date +%s); TIMEFORMAT='%0U+%0S'; exec 3>&1 4>&2; \
	used=$$({ time { $(2); } >&3 2>&4; } 2>&1); status=$$?; \
	echo "suite=$(1) seconds=$$(($$(date +%s) - start)) processor_seconds=$$((used)) status=$$status"; exit $$status

# The end-to-end tests are those that place calls on this host, those that boot a
# machine, those of the pages in a browser, and the rest, which boot none and mostly
# wait: many at a time.
calls    = ^TestSIP|^TestBilling
pages    = ^TestPages
machines = ^Test(Boot|Console|Images)|^TestAccess(Boxes|FirstBoot|TPM)$$|^TestNetwork$$|^Test(COM|CallHome|Licensing|Pages)Box$$

# Limits are for a machine in trouble: a slow one is not wrong.
test: test-packages ## Install what is needed and pass every test
	$(call suite,check,$(MAKE) --no-print-directory check)
	$(call suite,host,go test -timeout 20m ./...)
	$(call suite,build,go run ./images build -board x86_64 && go run ./images build -board arm64)
	$(call suite,reproducible,go run ./images reproduce -board x86_64 -made out/x86_64-release && go run ./images reproduce -board arm64 -made out/arm64-release -fresh=false)
	$(call suite,sip,go test -tags e2e -count=1 -timeout 20m -run '$(calls)' ./qemu/e2e)
	$(call suite,services,go test -tags e2e -count=1 -timeout 20m -parallel 6 -skip '$(calls)|$(pages)|$(machines)' ./qemu/e2e)
	$(call suite,pages,go test -tags e2e -count=1 -timeout 20m -parallel 6 -run '$(pages)' -skip '$(machines)' ./qemu/e2e)
	$(call suite,x86_64,go test -tags e2e -count=1 -timeout 50m -parallel 4 -run '$(machines)' ./qemu/e2e -boards x86_64)
	$(call suite,arm64,go test -tags e2e -count=1 -timeout 30m -run '^TestBoot(Kernel|Disk)$$|^TestConsoleSerial$$|^TestImagesSecureBoot$$' ./qemu/e2e -boards arm64)

check: ## Format, vet, staticcheck
	@unformatted=$$(gofmt -l appliance board images init qemu rootfs); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	@go vet ./... && go vet -tags e2e ./qemu/... && go vet -tags testclock ./appliance/...
	@go tool staticcheck ./... && go tool staticcheck -tags e2e ./qemu/...

smoke: test-packages ## Boot headless, place CALLS real calls through it at RATE a second, power off
	@go run ./images build -board $(BOARD)
	@go run ./qemu smoke -board $(BOARD) -boot $(BOOT) -calls $(CALLS) -rate $(RATE)

image: packages ## Build what is flashed: out/BOARD-VARIANT/
	@go run ./images build -board $(BOARD) -variant $(VARIANT)

reproduce: packages ## Build the commit twice in different surroundings and compare the bytes
	@go run ./images reproduce -board $(BOARD)

bench-sip: ROUNDS = 3
bench-sip: test-packages ## CPU per proxied call beside Kamailio: ROUNDS of SECONDS each
	@go run ./qemu bench-sip -rounds $(ROUNDS) -seconds $(SECONDS)

bench-billing: test-packages ## Event messages a second beside FreeRADIUS's own client, and memory with a million that wait
	@go run ./qemu bench-billing

leak: CALLS = 200000
leak: test-packages ## What our proxy holds after CALLS calls, beside what it held before
	@go run ./qemu leak -calls $(CALLS)

soak: MINUTES = 60
soak: test-packages ## Calls for MINUTES, and what grew
	@go run ./qemu soak -minutes $(MINUTES)

overload: SECONDS = 60
overload: test-packages ## Ten times the calls that our proxy can do, for SECONDS
	@go run ./qemu overload -seconds $(SECONDS)

flood: test-packages ## A million datagrams from 100,000 sources that are not there, while calls go on
	@go run ./qemu flood

test-cps: test-packages ## Calls below, at and above the licence's calls per second, in both modes, for eight minutes
	@go run ./qemu cps

bench-com: test-packages ## A COM server with 100, 1,000 and 10,000 boxes: what a link costs, and how long until all are back
	@go run ./qemu bench-com

com-line: test-packages ## The link on a line of 128 kbit/s and 200 ms for MINUTES, with a log of 4 MiB fetched over it
	@go run ./qemu com-line -minutes $(MINUTES)

bench-boot: test-packages ## Time to the first answered OPTIONS, beside an init that only prints
	@go run ./images build -board $(BOARD)
	@go run ./qemu bench-boot -board $(BOARD)

powercut: test-packages ## Cut the power CUTS times while the box commits, and look at what is on its disk
	@go run ./images build -board $(BOARD)
	@go run ./qemu powercut -board $(BOARD) -cuts $(CUTS)

test-powercut: CUTS = 100
test-powercut: test-packages ## Cut the power CUTS times while the box bills calls, and see what is left to its record keepers
	@go run ./images build -board $(BOARD)
	@go run ./qemu powercut-calls -board $(BOARD) -cuts $(CUTS)

test-update: test-packages ## Cut the power CUTS times while the box is updated and tries it, and see that it always comes back
	@go run ./images build -board $(BOARD)
	@go run ./qemu powercut-update -board $(BOARD) -cuts $(CUTS)

test-sticks: test-packages ## Plug STICKS USB sticks into a box, four in five of them damaged
	@go run ./images build -board $(BOARD)
	@go run ./qemu sticks -board $(BOARD) -sticks $(STICKS)

bench-firewall: test-packages ## CPU per call in the machine, with the firewall on and off
	@go run ./images build -board $(BOARD)
	@go run ./qemu bench-firewall -board $(BOARD)

chaos-network: test-packages ## Break the network behind control's back ROUNDS times, and time its repair
	@go run ./qemu chaos-network -rounds $(ROUNDS)

scan: test-packages ## Look at all ports of a box from both LANs
	@go run ./images build -board $(BOARD)
	@go test -tags e2e -count=1 -timeout 60m -run '^TestNetwork$$/^only_documented' ./qemu/e2e -boards $(BOARD) -ports 1-65535 -v

test-access-load: test-packages ## Work at all doors of a box for SECONDS while it has all the calls that it can do
	@go run ./images build -board $(BOARD)
	@go test -tags e2e -count=1 -timeout 30m -run '^TestAccessBoxes$$/^(two_boxes|the_same|busy)' ./qemu/e2e -boards $(BOARD) -busy $(SECONDS)s -v

pages: test-packages ## Look at every administration page, as wide as a desk and a phone; pictures of them in out/pages
	@go test -tags e2e -count=1 -timeout 10m -run '^TestPagesEach$$' ./qemu/e2e -v

bench-pages: ROUNDS = 5
bench-pages: test-packages ## What each administration page has to fetch, and how long until there is something to see: the middle one of ROUNDS
	@go test -tags e2e -count=1 -timeout 10m -run '^TestPagesBudget$$' ./qemu/e2e -paints $(ROUNDS) -v

clock-offset: test-packages ## Follow chrony for MINUTES, and print how far the clock is from it
	@go run ./images build -board $(BOARD)
	@go run ./qemu clock-offset -board $(BOARD) -minutes $(MINUTES)

fuzz: ## Fuzz every parser of outside bytes for FUZZ each
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZ) -fuzzminimizetime 10x $$package || exit 1; \
		done; \
	done

packages: ## Install what building and booting need of Debian
	$(call install,$(RUN_PACKAGES) $(if $(TPM),swtpm))

test-packages: packages ## Install what testing needs besides, and fetch the peers
	$(call install,$(TEST_PACKAGES))
	@go run ./qemu peers

install = @missing=$$(dpkg-query -W -f '$${Package} $${Status}\n' $(1) 2>/dev/null | awk '/ok installed$$/ { print $$1 }' | \
		sort | comm -13 - <(printf '%s\n' $(1) | sort)); \
	if [ -n "$$missing" ]; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; \
	fi

clean: ## Remove what was built in the tree, and its own keys
	rm -rf out

SHELL = /bin/bash
