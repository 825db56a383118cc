/*
 * main.c
 *		taskq-gateway: Temporal's clients and workers on a database with taskq.
 *
 * Exits with 0 after SIGTERM or SIGINT, when all is answered; with 1 if it
 * could not start; with 2 if the arguments make no sense. A second signal ends
 * it at once.
 */
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "gateway/api_keys.h"
#include "gateway/command_line.h"
#include "gateway/database.h"
#include "gateway/grpc.h"
#include "gateway/health_service.h"
#include "gateway/http2.h"
#include "gateway/listener.h"
#include "gateway/log.h"
#include "gateway/loop.h"
#include "gateway/metrics.h"
#include "gateway/metrics_server.h"
#include "gateway/methods.h"
#include "gateway/notifications.h"
#include "gateway/parked.h"
#include "gateway/payloads.h"
#include "gateway/run_waiters.h"
#include "gateway/tls.h"

#define KEPT_MEMORY (8 * 1024 * 1024)
/* When the gateway ends, microseconds. */
#define GRACE INT64_C(10000000) /* for clients to take their answers */
#define LAST_WORDS INT64_C(2000000) /* for what is said to the database then */
#define LOOK_AGAIN 10000

static CommandLine line;
static LoopSocket signals;

static double
read_connections(void)
{
	return http2_connections();
}

static Metric connections = {.kind = METRIC_GAUGE, .name = "taskq_gateway_connections",
	.help = "Clients that are connected.", .read = read_connections};

/* Certificates and keys. False if some could not be used; it is logged. */
static bool
load_files(LogLevel level)
{
	Buffer		error = {0};
	bool		succeeded = line.tls_certificate == NULL ||
		tls_load(line.tls_certificate, line.tls_key, line.tls_client_ca, &error);

	if (line.api_key_file != NULL)
	{
		if (error.length > 0)
			buffer_text(&error, "; ");
		succeeded = api_keys_load(line.api_key_file, &error) && succeeded;
	}
	if (!succeeded)
		log_line(level, "%s", error.data);
	buffer_free(&error);
	return succeeded;
}

static bool
listen_everywhere(void)
{
	Buffer		error = {0};
	bool		succeeded = true;

	for (int i = 0; i < line.listen_count && succeeded; i++)
		succeeded = listener_open(line.listen[i], "gRPC", http2_accept, &error);
	if (succeeded && line.metrics != NULL)
		succeeded = listener_open(line.metrics, "metrics", metrics_accept, &error);
	if (!succeeded)
		log_line(LOG_LEVEL_ERROR, "%s", error.data);
	buffer_free(&error);
	return succeeded;
}

/*
 * The clients have gone; what the database still has to hear is that of tasks
 * which they did not take.
 */
static void
finish(void *arg)
{
	static LoopTimer again;
	static Instant latest;

	if (latest == 0)
		latest = loop_now() + LAST_WORDS;
	if (database_is_idle() || loop_now() > latest)
		loop_stop();
	else
		loop_set_timer(&again, loop_now() + LOOK_AGAIN, finish, arg);
}

static void
on_drained(void)
{
	finish(NULL);
}

static void
shut_down(int signal_number)
{
	static bool is_ending;

	if (is_ending)
	{
		log_line(LOG_LEVEL_WARNING, "ending at once");
		_exit(128 + signal_number);
	}
	is_ending = true;
	log_line(LOG_LEVEL_INFO, "shutting down");
	listener_close_all();
	health_end();
	run_waiters_give_up();
	parked_answer_all_empty();
	http2_drain(GRACE, on_drained);
}

static void
on_signal(void *arg, uint32_t events)
{
	struct signalfd_siginfo info;

	(void) arg;
	(void) events;
	if (read(signals.fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGHUP)
		shut_down((int) info.ssi_signo);
	else if (load_files(LOG_LEVEL_WARNING))
		log_line(LOG_LEVEL_INFO, "certificates and keys were read anew");
	else
		log_line(LOG_LEVEL_WARNING, "what could not be read stays as it was");
}

static void
watch_signals(void)
{
	sigset_t	set;
	int			fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		abort();
	loop_watch(&signals, fd, EPOLLIN, on_signal, NULL);
}

/*
 * Start everything, serve, and end.
 */
int
main(int argc, char **argv)
{
	int			count;
	const Method *methods = gateway_methods(&count);

	/* what a burst took from the system is kept for the next one */
	mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY);
	command_line_parse(&line, argc, argv);
	log_init(line.log_level, line.log_json);
	payloads_keep_exact(line.exact_payloads);
	loop_init();
	watch_signals();
	if (!load_files(LOG_LEVEL_ERROR))
		return 1;
	grpc_serve(methods, count, line.max_age);
	metric_show(&connections);
	if (!listen_everywhere())
		return 1;
	database_init(line.conninfo, line.pool, notification_arrived);
	loop_run();
	database_close();
	log_line(LOG_LEVEL_INFO, "shut down");
	return 0;
}
