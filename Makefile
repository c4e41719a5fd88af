# For people.  The build itself is CMake's: see CMakePresets.json.

PRESET ?= dev
export PATH := $(CURDIR)/.tools/node/bin:$(PATH)

.PHONY: help run test test-platform lint install image fuzz workloads load soak \
        outage scale-from-zero bench bench-instructions bench-peers format clean \
        build

help:
	@echo 'make run      set up, build, and serve: on stand-ins, or on the backends'
	@echo '              named in the environment (VLLM_BASE_URL, ANTHROPIC_API_KEY)'
	@echo 'make test     set up, build, and run all tests   [PRESET=asan|tsan]'
	@echo 'make test-platform   the charts by a real API server, and the stacks'
	@echo 'make lint     format, static analysis, and the rules of the house'
	@echo 'make fuzz     every fuzzer for FUZZ_SECONDS (60)'
	@echo 'make workloads   classify, summarize, plan and an agent: on stand-ins,'
	@echo '              or on the router at ROUTER_URL'
	@echo 'make bench    what a hop costs, beside HAProxy and nginx'
	@echo '              [BENCH_ROUNDS=3 BENCH_ONLY=streams,100]'
	@echo 'make bench-peers   beside LiteLLM, Portkey and Switchyard, installed for it'
	@echo '              [BENCH_ROUNDS=5 BENCH_ONLY=portkey]'
	@echo 'make bench-instructions   instructions per request; fails above +3 %'
	@echo 'make soak     half the peak rate with random faults, for SOAK_SECONDS (1800)'
	@echo 'make outage   a collector that is away under load, for OUTAGE_SECONDS (60)'
	@echo 'make scale-from-zero   the local tier falls asleep and wakes, told as it goes'
	@echo 'make image    the container image, build/image/weir.tar, and a try of it'
	@echo 'make load     realistic traffic on stand-ins, or on ROUTER_URL'
	@echo '              [LOAD_PROFILE=short LOAD_ONLY=mix,tools,cold,saturation]'
	@echo 'make install  release build into DESTDIR/PREFIX (/usr/local)'

build/release/weir: FORCE
	@scripts/setup run
	@cmake --preset release >/dev/null
	@cmake --build --preset release
FORCE:

build: build/release/weir

run: build/release/weir
	@HOST=$${HOST:-127.0.0.1} scripts/run build/release/weir

test:
	@scripts/setup test
	@scripts/test $(PRESET)

test-platform: build/release/weir
	@scripts/setup platform
	@WEIR_BIN=build/release/weir scripts/test-platform

lint:
	@scripts/setup lint
	@scripts/lint

fuzz:
	@scripts/setup lint
	@scripts/fuzz

bench bench-instructions: build/release/weir
	@scripts/setup $(if $(filter bench,$@),bench,lint)
	@cmake --preset release -DWEIR_BENCH=ON >/dev/null
	@cmake --build --preset release
	@bench/$(if $(filter bench,$@),run,instructions)

bench-peers: build/release/weir
	@scripts/setup peers
	@bench/peers/setup
	@cmake --preset release -DWEIR_BENCH=ON >/dev/null
	@cmake --build --preset release
	@bench/peers/run

workloads:
	@scripts/setup workloads
	@scripts/workloads

soak:
	@scripts/setup test
	@scripts/soak

outage:
	@scripts/setup test
	@scripts/outage

scale-from-zero:
	@scripts/setup test
	@scripts/scale-from-zero

load: $(if $(ROUTER_URL),,build/release/weir)
	@scripts/setup load
	@scripts/load

install: build/release/weir
	@cmake --install build/release --strip --prefix $${PREFIX:-/usr/local}

image:
	@scripts/image build
	@scripts/image test

format:
	@scripts/setup lint
	@scripts/format

clean:
	rm -rf build
