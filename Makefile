# convo: the only entry point a person needs.  `make help` lists the commands.

SHELL     := /bin/bash
NGINX_SRC ?= /usr/share/nginx/src
PREFIX    ?= /usr
OUT       ?= build
PATH      := $(CURDIR)/.deps/bin:$(PATH):/usr/sbin
export PATH

WARNINGS := -Wall -Wextra -Werror -Wpointer-arith -Wstrict-prototypes
CFLAGS   ?= -g -O2 -fstack-protector-strong
CPPFLAGS += -D_GNU_SOURCE -Ilibconvo -Ilibconvo/generated -Iworker
SANITIZE ?=
LDLIBS   := -lhiredis -ljansson -ljwt -lcurl -lsqlite3 -lssl -lcrypto -lpthread
COMPILE   = $(CC) -std=c11 $(WARNINGS) $(CPPFLAGS) $(CFLAGS) $(SANITIZE) \
             -MMD -MP

SCRIPTS   := libconvo/generated/convo_scripts.c
LIBCONVO  := $(wildcard libconvo/*.c) $(SCRIPTS)
WORKER    := $(wildcard worker/*.c)
FIXTURES  := $(filter-out t/unit/test_%,$(wildcard t/unit/*.c))
TESTS     := $(wildcard t/unit/test_*.c)
PROGRAMS  := $(patsubst %.c,$(OUT)/%,$(wildcard t/aws/*.c t/worker/*.c))

objects    = $(patsubst %.c,$(OUT)/%.o,$(1))
UNITS     := $(patsubst %.c,$(OUT)/%,$(TESTS))
ASAN      := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
             -fno-omit-frame-pointer
# What NGINX itself does everywhere: copy nothing from NULL, read unaligned.
NGINX_OWN := -fno-sanitize=nonnull-attribute,alignment,pointer-overflow

FUZZ_SECONDS ?= 20
LONG_FUZZ_SECONDS ?= 120
LONG_FUZZ_INPUTS ?= 1000000
LONG_SEEDS ?= 1 2 3 4 5 6 7 8 9 10
LONG_LOSSES ?= 11 12
FUZZERS   := $(patsubst %.c,$(OUT)/%,$(wildcard t/fuzz/fuzz_*.c))

.PHONY: help run up down test test-long torture test-nginx lint asan fuzz \
        bench build module test-module worker units fuzzers fuzz-targets page \
        install clean setup-build setup-run setup-test setup-bench
.DELETE_ON_ERROR:
.NOTPARALLEL:

help:           ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | \
	    expand -t 20

# --- running

run: setup-run build page  ## start the whole stack on loopback; Ctrl-C ends it
	@exec dev/stack run

up: setup-run build page   ## the same in the background, ready when it returns
	@dev/stack up

down:                   ## end what `make up` started
	@dev/stack down

# --- testing

test: setup-test build page test-module units fuzzers ## every suite, no skips
	@t/all

test-long: setup-test build fuzzers     ## ten seeds of torture, long fuzzing
	@node t/torture/main.mjs --store=both 60 $(LONG_SEEDS)
	@node t/torture/main.mjs --store=both --loss 60 $(LONG_LOSSES)
	@t/fuzz/run $(LONG_FUZZ_SECONDS)
	@t/fuzz/run $(LONG_FUZZ_INPUTS)x base64 document jws jwks

torture: setup-test build   ## torture; SECONDS=60 SEED=any STORE=sqlite
	@node t/torture/main.mjs --store=$(or $(STORE),sqlite) \
	    --users=$(or $(USERS),200) $(if $(LOSS),--loss) \
	    $(or $(SECONDS),60) $(SEED)

test-nginx: setup-test test-module  ## the Test::Nginx suites of the edge
	@t/run

lint: setup-test $(SCRIPTS)     ## style and static checks
	@dev/lint

asan: setup-test page           ## the suites under ASan and UBSan
	@CONVO_TEST_MODULE=1 dev/nginx-build static .deps/nginx-src build/asan \
	    "-g -O1 $(ASAN) $(NGINX_OWN) -DNGX_DEBUG_PALLOC=1"
	@$(MAKE) --no-print-directory OUT=build/asan CFLAGS='-g -O1' \
	    SANITIZE='$(ASAN)' worker units
	@t/all --asan

fuzz: setup-test fuzzers  ## each parser of outside bytes, for FUZZ_SECONDS
	@t/fuzz/run $(FUZZ_SECONDS)

bench: setup-bench build page   ## measurements side by side, bench/report.md
	@bench/run

# --- building

build: module worker    ## the edge's module and the worker, in build/

module: setup-build $(SCRIPTS)  ## the module; NGINX_SRC=DIR: any NGINX tree
	@dev/nginx-build dynamic $(NGINX_SRC) $(OUT)

test-module: setup-build $(SCRIPTS)     # with t/module in it
	@CONVO_TEST_MODULE=1 dev/nginx-build dynamic $(NGINX_SRC) $(OUT)/test

worker: setup-build $(OUT)/convo-worker

units: $(UNITS) $(PROGRAMS)

$(OUT)/convo-worker: $(call objects,$(WORKER) $(LIBCONVO))
	@echo "  LINK $@"
	@$(COMPILE) -o $@ $^ $(LDLIBS)

TESTABLE := $(LIBCONVO) $(filter-out worker/main.c,$(WORKER))
$(OUT)/libconvo.a: $(call objects,$(TESTABLE))
	@rm -f $@
	@$(AR) -rcs $@ $^

$(UNITS): $(OUT)/%: $(OUT)/%.o $(call objects,$(FIXTURES)) $(OUT)/libconvo.a
	@echo "  LINK $@"
	@$(COMPILE) -o $@ $^ -lcmocka $(LDLIBS)

$(PROGRAMS): $(OUT)/%: $(OUT)/%.o $(OUT)/libconvo.a
	@echo "  LINK $@"
	@$(COMPILE) -o $@ $^ $(LDLIBS)

fuzzers: $(SCRIPTS)     # in build/fuzz, with clang as libFuzzer wants
	@$(MAKE) --no-print-directory OUT=build/fuzz CC=clang CFLAGS='-g -O1' \
	    SANITIZE='-fsanitize=fuzzer-no-link $(ASAN)' fuzz-targets

fuzz-targets: $(FUZZERS)

$(FUZZERS): $(OUT)/%: $(OUT)/%.o $(OUT)/t/fuzz/input.o $(OUT)/libconvo.a
	@echo "  LINK $@"
	@$(COMPILE) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

$(OUT)/%.o: %.c | $(SCRIPTS)
	@echo "  CC $@"
	@mkdir -p $(@D)
	@$(COMPILE) -c -o $@ $<

$(SCRIPTS): libconvo/scripts/embed $(wildcard libconvo/scripts/*.lua \
                                              libconvo/scripts/lib/*.lua)
	@libconvo/scripts/embed
	@touch $@

-include $(shell find $(OUT) -name '*.d' 2> /dev/null)

page: setup-run web/dist/index.html   ## the page, in web/dist/

web/dist/index.html: $(wildcard web/*.* web/public/* web/src/*)
	@echo "  PAGE $(@D)"
	@cd web && npm run --silent build -- --logLevel warn

# --- the rest

install: build          ## to $(DESTDIR)$(PREFIX)
	install -D -m 644 $(OUT)/ngx_http_convo_module.so \
	    $(DESTDIR)$(PREFIX)/lib/nginx/modules/ngx_http_convo_module.so
	install -D $(OUT)/convo-worker $(DESTDIR)$(PREFIX)/sbin/convo-worker
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/convo/conf conf/*.conf

clean:                  ## remove what was built (.deps stays)
	rm -rf build libconvo/generated web/dist

setup-build setup-run setup-test setup-bench: setup-%:
	@dev/setup $*
