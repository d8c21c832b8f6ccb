# sibyl: one non-recursive Makefile. Linux, gcc, one binary.
#
#   make                 release binary: build/release/sibyl
#   make V=debug         the same with asserts and no optimisation (also: asan, tsan, fuzz)
#   make test            unit tests of every folder (V=debug by default), T=src/codec for one folder
#   make check           format, layers, source rules, generated docs
#   make format          clang-format in place
#   make fuzz            fuzz targets (clang, libFuzzer): build/fuzz/fuzz/NAME
#   make bench           ratios against named peers
#
# Sources are found by wildcard; src/LAYERS says which folders a folder may use. Each folder becomes
# one archive, and a unit test links with its folder and what LAYERS allows below it, nothing else.
# O=DIR puts the output of a build elsewhere than build/.

V ?= release
O ?= build
B := $(O)/$(V)

FOLDERS := $(shell sed -n 's/^\([a-z][a-z/_]*\):.*/\1/p' src/LAYERS)
SRC     := $(foreach d,$(FOLDERS),$(wildcard src/$(d)/*.c))
TESTSRC := $(filter %_test.c,$(SRC))
LIBSRC  := $(filter-out %_test.c src/app/main.c,$(SRC))
FUZZSRC := $(wildcard fuzz/*_fuzz.c)

PKGS := libuv sqlite3 yaml-0.1 libzip libisal libxxhash libzstd zlib libcurl libcrypto libseccomp
LLHTTP_SRC := $(wildcard /usr/share/llhttp/*.c)

CC := gcc
AR := gcc-ar
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings \
  -Wpointer-arith -Wformat=2 -Wundef -Wvla -Wimplicit-fallthrough -Werror
GCCWARN := -Wlogical-op -Wduplicated-cond
# Parsers of foreign bytes: no silent conversions. (Sanitizers' own checks confuse gcc about NULL.)
STRICT := -Wconversion -Wcast-qual $(if $(filter asan tsan,$(V)),,-Wnull-dereference)
STRICT_DIRS := src/codec/ src/engine/graphql/ src/engine/pickle/ src/engine/zip/
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=3 -fPIE -fstack-clash-protection -fcf-protection
# Bit-equal to the model libraries: no contraction, anywhere.
CFLAGS := -std=c17 -D_GNU_SOURCE -Isrc -I$(B)/gen -I/usr/share/include/llhttp $(shell pkg-config --cflags $(PKGS)) \
  $(WARN) -g -ffp-contract=off -fno-strict-aliasing -pthread
LDFLAGS := -pthread -pie -Wl,-z,relro,-z,now,--as-needed
LDLIBS := $(shell pkg-config --libs $(PKGS)) -lcsv -lm -ldl

ifeq ($(V),release)
  CFLAGS += -O2 -flto=auto $(HARDEN) $(GCCWARN)
  LDFLAGS += -O2 -flto=auto
else ifeq ($(V),debug)
  CFLAGS += -O0 -fPIE $(GCCWARN)
else ifeq ($(V),asan)
  # -Wno-maybe-uninitialized: the sanitizers' extra code hides from gcc what it sees without them.
  CFLAGS += -Wno-maybe-uninitialized -O1 -fPIE -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
  LDFLAGS += -fsanitize=address,undefined
else ifeq ($(V),tsan)
  CFLAGS += -Wno-maybe-uninitialized -O1 -fPIE -fsanitize=thread
  LDFLAGS += -fsanitize=thread
else ifeq ($(V),fuzz)
  CC := clang-14
  AR := llvm-ar-14
  CFLAGS += -O1 -fPIE -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined \
    -fprofile-instr-generate -fcoverage-mapping
  LDFLAGS += -fsanitize=address,undefined,fuzzer -fprofile-instr-generate
endif
# Planted bugs for the crash suite's negative controls: make V=debug O=build/bug-x BUG=SB_BUG_NO_FDATASYNC
ifdef BUG
  CFLAGS += -D$(BUG)=1
endif
CFLAGS += $(EXTRA)

OBJ      := $(LIBSRC:%.c=$(B)/%.o)
MAINOBJ  := $(B)/src/app/main.o
LLHTTP   := $(LLHTTP_SRC:/usr/share/llhttp/%.c=$(B)/llhttp/%.o)
archive   = $(B)/lib/$(subst /,-,$(1)).a
ARCHIVES := $(foreach d,$(FOLDERS),$(call archive,$(d)))

.PHONY: all test check format fuzz bench clean docs
all: $(B)/sibyl

$(B)/sibyl: $(MAINOBJ) $(ARCHIVES) $(B)/lib/llhttp.a
	$(CC) $(LDFLAGS) -o $@ $(MAINOBJ) -Wl,--start-group $(ARCHIVES) $(B)/lib/llhttp.a -Wl,--end-group $(LDLIBS)

define folder
$(call archive,$(1)): $(filter $(foreach s,$(wildcard src/$(1)/*.c),$(B)/$(s:.c=.o)),$(OBJ))
endef
$(foreach d,$(FOLDERS),$(eval $(call folder,$(d))))
$(ARCHIVES) $(B)/lib/llhttp.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcsD $@ $(filter %.o,$^)
$(B)/lib/llhttp.a: $(LLHTTP)

strict = $(if $(filter $(addsuffix %,$(STRICT_DIRS)),$(1)),$(STRICT))
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(call strict,$<) -MMD -MP -c -o $@ $<
$(B)/llhttp/%.o: /usr/share/llhttp/%.c
	@mkdir -p $(@D)
	$(CC) $(filter-out -W%,$(CFLAGS)) -w -c -o $@ $<

# ---- files of share/ that become part of the program: C arrays in gen/ ----
$(B)/gen/mlflow_schema.h: share/sql/mlflow-3.17.2.sql tools/embed
	@mkdir -p $(@D)
	tools/embed sb_mlflow_schema_sql $< > $@
$(B)/src/domain/registry/schema.o: $(B)/gen/mlflow_schema.h
$(B)/gen/alert_defaults.h: share/alerts.yaml tools/embed
	@mkdir -p $(@D)
	tools/embed sb_alert_defaults $< > $@
$(B)/src/domain/monitor/defaults.o: $(B)/gen/alert_defaults.h
$(B)/gen/web_%.h: web/%.html tools/embed
	@mkdir -p $(@D)
	tools/embed sb_web_$* $< > $@
$(B)/src/api/serving/openapi.o: $(B)/gen/web_docs.h
DASHBOARD := $(wildcard web/dashboard/*.* web/dashboard/*/*.js)
CHARTJS := /usr/share/javascript/chart.js/chart.min.js
$(B)/gen/web_dashboard.h: $(DASHBOARD) $(CHARTJS) tools/embed-tree web/dashboard web/dashboard/lib web/dashboard/pages
	@mkdir -p $(@D)
	tools/embed-tree sb_web_dashboard chart.js=$(CHARTJS) $(foreach f,$(DASHBOARD),$(f:web/dashboard/%=%)=$(f)) > $@
$(B)/src/api/ui/files.o: $(B)/gen/web_dashboard.h

# ---- unit tests: one program per x_test.c, linked with its folder and the layers below it ----
closure  = $(shell awk -v want=$(1) -f tools/layer-closure.awk src/LAYERS)
TESTS   := $(foreach t,$(TESTSRC),$(if $(filter $(T)%,$(t)),$(B)/test/$(t:src/%.c=%)))
define testrule
$(B)/test/$(1:src/%.c=%): $(B)/$(1:.c=.o) $(foreach d,$(call closure,$(patsubst src/%/,%,$(dir $(1)))),$(call archive,$(d))) $(B)/lib/llhttp.a
	@mkdir -p $$(@D)
	$$(CC) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group -lcmocka $$(LDLIBS)
endef
$(foreach t,$(TESTSRC),$(if $(filter $(T)%,$(t)),$(eval $(call testrule,$(t)))))

test: V := $(V)
test: $(TESTS)
	@tools/run-unit-tests $(TESTS)

# ---- programs that tests and benches drive: build/V/tests/NAME ----
# tool,NAME,SOURCES,FOLDER: linked with FOLDER and the layers below it.
define tool
$(B)/tests/$(1): $(addprefix $(B)/,$(2:.c=.o)) $(foreach d,$(call closure,$(3)),$(call archive,$(d))) $(B)/lib/llhttp.a
	@mkdir -p $$(@D)
	$$(CC) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(LDLIBS)
TOOLS += $(B)/tests/$(1)
endef
$(eval $(call tool,http_echo,tests/api/http_echo.c,engine/http))
$(eval $(call tool,worker_tool,tests/api/worker_tool.c,domain/worker))
$(eval $(call tool,registry_tool,tests/api/registry_tool.c,domain/registry))
$(eval $(call tool,registry_server,tests/clients/registry_server.c,api/mlflow))
$(eval $(call tool,predict_tool,tests/exact/predict_tool.c,domain/native))
$(eval $(call tool,journal_tool,tests/crash/journal_tool.c,engine/journal))
$(eval $(call tool,journal_crash,tests/crash/journal_crash.c tests/crash/workload.c tests/crash/model.c,engine/journal))
$(eval $(call tool,journal_bench,bench/journal_bench.c,engine/journal))
$(eval $(call tool,column_bench,bench/column_bench.c,engine/column))
$(eval $(call tool,open_loop,bench/open_loop.c,base))
$(eval $(call tool,search_bench,bench/search_bench.c,engine/column))
$(eval $(call tool,model_bench,bench/model_bench.c,domain/native))
$(eval $(call tool,tree_bench,bench/tree_bench.c,domain/native))
.PHONY: tools
tools: $(TOOLS)

# ---- ratios against named peers ----
bench: all $(TOOLS)
	bench/run.py

# ---- fuzz targets ----
FUZZ := $(FUZZSRC:fuzz/%.c=$(B)/fuzz/%)
fuzz: $(FUZZ)
$(B)/fuzz/%: $(B)/fuzz/%.o $(ARCHIVES) $(B)/lib/llhttp.a
	$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(ARCHIVES) $(B)/lib/llhttp.a -Wl,--end-group $(LDLIBS)

check:
	tools/check-all

format:
	clang-format-14 -i $(shell git ls-files 'src/*.[ch]' 'fuzz/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]')

clean:
	rm -rf $(O)

.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
