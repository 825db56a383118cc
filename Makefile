# taskq: durable task queues and activities inside PostgreSQL
#
#   make && make install         build against the PostgreSQL of pg_config, install
#   make installcheck            regress, isolation and TAP tests against a running server
#   make installcheck-pgtap      pgTAP tests against a running server
#   make bench, bench-steady     benchmarks, on a server of their own: docs/benchmarks.md
#
# The server needs shared_preload_libraries = 'taskq'. `bash test/run` does
# all of this with a server of its own.

EXTENSION = taskq
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" taskq.control)
MODULE_big = taskq
PGFILEDESC = "taskq - durable task queues and activities"

DATA = $(sort $(wildcard sql/taskq--*--*.sql)) sql/taskq--$(EXTVERSION).sql
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))

# What is switched off is what PostgreSQL's own headers trip over.
PG_CFLAGS = -Wall -Wextra -Werror -Wno-unused-parameter

# Install scripts live in ./sql, tests below ./test, and what both kinds of
# SQL test should print in ./expected. pg_isolation_regress would look below
# output_iso, hence --outputdir.
REGRESS := $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test --load-extension=taskq

ISOLATION := $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=taskq

PROVE_TESTS := $(sort $(wildcard test/t/*.pl))
ifneq ($(PROVE_TESTS),)
TAP_TESTS = 1
endif

PGTAP_TESTS := $(sort $(wildcard test/pgtap/*.sql))
PGTAP_DB = taskq_pgtap
PG_PROVE = pg_prove

EXTRA_CLEAN = results regression.diffs regression.out output_iso tmp_check

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# No automatic dependencies with PGXS: every object depends on every header.
$(OBJS) $(OBJS:.o=.bc): $(wildcard src/*.h)

.PHONY: installcheck-pgtap
installcheck-pgtap:
ifneq ($(PGTAP_TESTS),)
	$(bindir)/psql -X -q -v ON_ERROR_STOP=1 -d postgres \
		-c 'SET client_min_messages = warning' \
		-c 'DROP DATABASE IF EXISTS $(PGTAP_DB)' \
		-c 'CREATE DATABASE $(PGTAP_DB) TEMPLATE template0'
	$(bindir)/psql -X -q -v ON_ERROR_STOP=1 -d $(PGTAP_DB) \
		-c 'CREATE EXTENSION pgtap' -c 'CREATE EXTENSION taskq'
	PATH="$(bindir):$$PATH" $(PG_PROVE) --dbname $(PGTAP_DB) $(PROVE_FLAGS) $(PGTAP_TESTS)
endif

.PHONY: bench bench-steady
bench:
	bash test/bench/run races
bench-steady:
	bash test/bench/run steady
