# SPDX-License-Identifier: Apache-2.0
# Thin wrappers; CMake does the work. `make run` and `make test` install what is missing (apt).
.PHONY: all build run test bench lint packages clean install

PRESET ?= dev
BUILD = build
DESTDIR ?=

all: build

packages:
	@scripts/packages

build:
	@[ -f $(BUILD)/build.ninja ] || cmake --preset $(PRESET) >/dev/null
	@cmake --build $(BUILD)

run: packages build
	@exec $(BUILD)/bin/tocsind --try $(BUILD)/run

test: packages build
	@ctest --test-dir $(BUILD) --output-on-failure --no-tests=error

bench: packages build
	@scripts/bench $(BUILD)

lint: packages
	@scripts/lint

install: build
	@DESTDIR=$(DESTDIR) cmake --install $(BUILD)

clean:
	rm -rf build build-*
