# SPDX-License-Identifier: Apache-2.0
# Thin wrappers; CMake does the work. `make run` and `make test` install what is missing (apt).
# There are two set-ups of one build folder: what runs (preset `run`), and that with its tests
# (`dev`). A folder that has the tests keeps them; only `make test` and its kind build them.
.PHONY: all help build run demo test test-vm bench lint packages install uninstall clean \
	configured packages-run with-tests
.NOTPARALLEL:

BUILD = build
DESTDIR ?=
TEST_FLAGS ?=

all: build

help: ## List these
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

configured:
	@[ -f $(BUILD)/build.ninja ] || cmake --preset run >/dev/null

build: configured ## Build what runs
	@cmake --build --preset run

packages-run:
	@scripts/packages run

run: packages-run build ## Install packages, build, and protect a scratch folder in the foreground
	@exec $(BUILD)/bin/tocsind --try $(BUILD)/run

demo: packages-run build ## Show the whole scenario on a scratch mount, and leave its page up (root)
	@scripts/demo $(BUILD)

packages: ## Install the packages for all of this
	@scripts/packages test

with-tests: packages
	@grep -qs '^BUILD_TESTING:[A-Z]*=ON' $(BUILD)/CMakeCache.txt || cmake --preset dev >/dev/null
	@cmake --build --preset dev

# The guests last and side by side: nothing in them measures time, as tests on the host do.
test: with-tests ## Install packages, build, and run every test (as root: the sensors', too)
	@ctest --test-dir $(BUILD) --output-on-failure --no-tests=error $(TEST_FLAGS) -LE 'vm|stress'
	@ctest --test-dir $(BUILD) --output-on-failure --no-tests=error -L vm -j 2

# With the kernels of KERNELS, two at a time. 6.1 and 6.12 are part of `make test` when CI=true.
test-vm: KERNELS ?= 6.1 6.12
test-vm: with-tests ## Run chosen tests on other kernels, in emulated machines (KERNELS="7.2 7.3")
	@echo $(KERNELS) | TOCSIN_BUILD=$(BUILD) xargs -n 1 -P 2 tests/vm/run

bench: with-tests ## Measure, each figure beside its floor from the same run
	@scripts/bench $(BUILD)

lint: packages ## Check format, warnings, clang-tidy and the house rules
	@scripts/lint

install: build ## Install below /usr and /etc (DESTDIR=...); keep a configuration that is there
	@DESTDIR=$(DESTDIR) cmake --install $(BUILD)

uninstall: configured ## Remove what was installed; keep state and what was changed (DESTDIR=...)
	@DESTDIR=$(DESTDIR) cmake -P $(BUILD)/uninstall.cmake

clean: ## Remove every build folder
	rm -rf build build-*
