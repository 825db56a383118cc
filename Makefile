# taskq: durable task queues and activities inside PostgreSQL
#
#   make && make install         build against the PostgreSQL of pg_config, install
#   make gateway                 taskq-gateway alone; it is a part of make where the
#                                libraries that it takes are there: src/gateway/Makefile
#   make cli                     taskq, the program, alone; it takes libpq: src/cli/Makefile
#   make installcheck            regress, isolation and TAP tests against a running server
#   make installcheck-pgtap      pgTAP tests against a running server
#   make installcheck-unit       unit tests, in a running server
#   make bench, bench-steady     benchmarks, on a server of their own: docs/benchmarks.md
#
# The server needs shared_preload_libraries = 'taskq'. `bash test/run` does
# all of this with a server of its own.

EXTENSION = taskq
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" taskq.control)
MODULE_big = taskq
PGFILEDESC = "taskq - durable task queues and activities"

DATA = $(sort $(wildcard sql/taskq--*--*.sql)) sql/taskq--$(EXTVERSION).sql

# In layers: each folder uses those above it alone (docs/internals.md).
SRC_common = base64 failure_form json_check json_text payload_form payload_json proto_answers proto_canonical \
	proto_commands proto_enums proto_events proto_numbers proto_parts proto_requests proto_scalars proto_shape \
	proto_times text_buffer utf8
SRC_base = clock grow json json_print pending_table proto_check rate_limiter savepoint server_memory settings \
	shared_table shown
SRC_task = channel_names kinds queue_keys task
SRC_model = action_parts activity attempt_actions command_call control_actions controls duration failure \
	failure_given machine option_values options options_json proto_json proto_values queue_settings retry_policy \
	retry_policy_json run_activity_commands run_close_commands run_commands run_facts run_mail run_other_commands \
	run_rebuild run_start run_step run_task search_values timeout value_sizes
SRC_shared = channel_asks channel_marks channels counts counts_known cursor_table cursors delays directory \
	function_pool heartbeat_pool heartbeat_slots lane_cursor layout leaf_hints listened_queues listener_marks pollers \
	queue_locks queues ring sizes stat_file tell timer_ring waiter_debts waiter_state waiters watched_runs
SRC_notes = beats chains cursor_notes effects ledger ledger_end ledger_entries ledger_sums listens marks
SRC_store = activity_row catalog catalog_shape closed closed_runs config_rows extension find find_run \
	function_rows heartbeat_row history history_leaves inbox instance kept keyed_rows lane leaf_table leaves open \
	open_row overdue places queue_names ready ready_count row run_requests run_row run_timers run_troubles scan \
	search_attributes sweep write write_known
SRC_engine = activity_kind admission attempt_report claim count_queue enqueue execute fairness functions heartbeat \
	own_attempt owner_mail queue_config refusal round run_activities run_complete run_deliver run_end run_kind \
	run_lock run_open run_refusal run_replay run_retire run_search run_sticky run_token run_uuid run_world run_write \
	tasks token transaction
SRC_worker = channel_queues chore cursor_check function_call function_claim function_gone function_run \
	function_supervisor function_worker heartbeat_flush history_retention inboxes instance_check launcher lifecycle \
	listen_commands notify notify_listeners notify_runs put_off recount retention timer_look timers worker
SRC_calls = args call_activity channel commands configure_queue developer event_summary health health_backlogs \
	health_report health_workflows history_text input_arguments internal listen one_queue operate operate_many \
	payload_values policy poll poll_many queue_counts queue_kinds queue_views read report report_batch run_ids \
	schedule schedule_args sleep test_hooks wait wait_close watch workflow_args workflow_control workflow_read \
	workflow_replay workflow_report workflow_report_batch workflow_start workflow_task workflow_wait
FOLDERS = common base task model shared notes store engine worker calls
OBJS = $(foreach folder,$(FOLDERS),$(SRC_$(folder):%=src/$(folder)/%.o)) src/taskq.o

# What is switched off is what PostgreSQL's own headers trip over.
PG_CFLAGS = -Wall -Wextra -Werror -Wno-unused-parameter -MMD -MP
PG_CPPFLAGS = -I$(srcdir)/src

# Files call each other directly, not by way of a table that another library could
# have written to (on a Mac they do anyway), and PostgreSQL without a detour.
PG_CFLAGS += -fno-semantic-interposition -fno-plt
SHLIB_LINK = $(if $(filter darwin,$(PORTNAME)),,-Wl,-Bsymbolic)

# Install scripts live in ./sql, tests below ./test, and what both kinds of
# SQL test should print in ./expected. pg_isolation_regress would look below
# output_iso, hence --outputdir.
REGRESS := $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test --load-extension=taskq

ISOLATION := $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=taskq

PROVE_TESTS := $(sort $(wildcard test/t/*/*.pl))
ifneq ($(PROVE_TESTS),)
TAP_TESTS = 1
endif

PGTAP_TESTS := $(sort $(wildcard test/pgtap/*/*.sql))
PGTAP_DB = taskq_pgtap
PG_PROVE = pg_prove

UNIT_TESTS := $(sort $(wildcard test/modules/unit/sql/*.sql))
UNIT_DB = taskq_unit

EXTRA_CLEAN = results regression.diffs regression.out output_iso tmp_check $(OBJS:.o=.d) \
	$(wildcard test/modules/*/*.o test/modules/*/*.so) test/modules/grpc/grpc_client

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# What an object includes it says when it is compiled (-MMD); its bitcode follows it.
-include $(OBJS:.o=.d)
$(OBJS): Makefile
$(OBJS:.o=.bc): %.bc: %.o

# the program, which has nothing to do with the server's flags
.PHONY: gateway gateway-install gateway-uninstall gateway-clean
all: gateway
install: gateway-install
uninstall: gateway-uninstall
clean: gateway-clean
GATEWAY = +$(MAKE) -C src/gateway PG_CONFIG='$(PG_CONFIG)'
gateway:
	$(GATEWAY) all
gateway-install: gateway
	$(GATEWAY) install
gateway-uninstall:
	$(GATEWAY) uninstall
gateway-clean:
	$(GATEWAY) clean

# the program for the shell, likewise
.PHONY: cli cli-install cli-uninstall cli-clean
all: cli
install: cli-install
uninstall: cli-uninstall
clean: cli-clean
CLI = +$(MAKE) -C src/cli PG_CONFIG='$(PG_CONFIG)'
cli:
	$(CLI) all
cli-install: cli
	$(CLI) install
cli-uninstall:
	$(CLI) uninstall
cli-clean:
	$(CLI) clean

# a library that a TAP test loads
TOY = test/modules/toy/taskq_toy.so
$(TOY): $(wildcard test/modules/toy/*.c src/*/*.h)
	$(MAKE) -C $(@D) PG_CONFIG=$(PG_CONFIG)

# a client for tests of the gateway, where that was built
GRPC_CLIENT = test/modules/grpc/grpc_client
$(GRPC_CLIENT): $(wildcard test/modules/grpc/*.c)
	test ! -x src/gateway/taskq-gateway || $(MAKE) -C $(@D)
ifneq ($(PROVE_TESTS),)
installcheck: $(TOY) $(GRPC_CLIENT)
endif
ifneq ($(filter %/sanitized.pl,$(PROVE_TESTS)),)
installcheck: gateway-sanitized
endif
# its parts, each tested by itself
ifneq ($(filter %/parts.pl %/published.pl,$(PROVE_TESTS)),)
installcheck: gateway-parts
endif
.PHONY: gateway-parts
gateway-parts: gateway
	test ! -x src/gateway/taskq-gateway || $(MAKE) -C test/modules/gateway PG_CONFIG='$(PG_CONFIG)'
.PHONY: gateway-sanitized
gateway-sanitized:
	$(GATEWAY) SANITIZE=1 all

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

.PHONY: installcheck-unit
installcheck-unit: $(OBJS)
	$(MAKE) -C test/modules/unit PG_CONFIG=$(PG_CONFIG) install
	$(bindir)/psql -X -q -v ON_ERROR_STOP=1 -d postgres \
		-c 'SET client_min_messages = warning' \
		-c 'DROP DATABASE IF EXISTS $(UNIT_DB)' \
		-c 'CREATE DATABASE $(UNIT_DB) TEMPLATE template0'
	$(bindir)/psql -X -q -v ON_ERROR_STOP=1 -d $(UNIT_DB) -c 'CREATE EXTENSION pgtap'
	PATH="$(bindir):$$PATH" $(PG_PROVE) --dbname $(UNIT_DB) $(PROVE_FLAGS) $(UNIT_TESTS)

.PHONY: bench bench-steady
bench:
	bash test/bench/run races
bench-steady:
	bash test/bench/run steady
