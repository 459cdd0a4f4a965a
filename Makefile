# SPDX-License-Identifier: Apache-2.0
# Thin wrappers; CMake does the work. `make run` and `make test` install what is missing (apt).
.PHONY: all build run test test-vm bench lint packages clean install

PRESET ?= dev
BUILD = build
DESTDIR ?=
TEST_FLAGS ?=

all: build

packages:
	@scripts/packages

build:
	@[ -f $(BUILD)/build.ninja ] || cmake --preset $(PRESET) >/dev/null
	@cmake --build $(BUILD)

run: packages build
	@exec $(BUILD)/bin/tocsind --try $(BUILD)/run

# The guests last and side by side: nothing in them measures time, as tests on the host do.
test: packages build
	@ctest --test-dir $(BUILD) --output-on-failure --no-tests=error $(TEST_FLAGS) -LE vm
	@ctest --test-dir $(BUILD) --output-on-failure --no-tests=error -L vm -j 2

# The chosen tests on other kernels, in emulated machines: with the kernels of KERNELS, two at
# a time. 6.1 and 6.12 are part of `make test` when CI=true.
test-vm: KERNELS ?= 6.1 6.12
test-vm: packages build
	@echo $(KERNELS) | TOCSIN_BUILD=$(BUILD) xargs -n 1 -P 2 tests/vm/run

bench: packages build
	@scripts/bench $(BUILD)

lint: packages
	@scripts/lint

install: build
	@DESTDIR=$(DESTDIR) cmake --install $(BUILD)

clean:
	rm -rf build build-*
