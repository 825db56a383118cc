# What the benchmarks share: a private server, contestants that are set up in
# it, pgbench with an account of what it cost, sessions, and results that are
# kept in a file.
#
#	my $bench = Bench->new(settings => { work_mem => '8MB' });
#	$bench->reset('taskq');
#	my $run = $bench->pgbench(script => 'taskq/cycle_1.sql', clients => 4,
#		seconds => 10, sync => 'off');
#	say $run->{tps}, ' ', $run->{cpu_us};
#
# The server is a copy of the PostgreSQL installation that PG_CONFIG names; it
# listens on a unix socket in a temporary directory, runs as an unprivileged
# user (root steps down to $BENCH_USER, default taskq-test) and is gone, by its
# process id, when the program ends.
#
# Costs: "cpu" is all that the machine did, of all cores, clients and kernel
# included, from /proc/stat; it is what results report, and wants a machine
# that does nothing else.  "own_cpu" is what the server's processes and the
# client itself used, for comparisons on a machine that is shared.  Both are in
# seconds, and cpu_us and own_cpu_us in microseconds per transaction.
package Bench;

use strict;
use warnings;

use Bench::Session;
use Carp 'croak';
use Exporter 'import';
use File::Basename 'dirname';
use File::Path qw(make_path remove_tree);
use File::Spec;
use File::Temp 'tempdir';
use IO::Handle;
use JSON::PP;
use POSIX ();
use Time::HiRes qw(sleep time);

our @EXPORT_OK =
  qw(median percentile sum cpu_seconds process_cpu facts say_now);

our $DIR = File::Spec->rel2abs(dirname(__FILE__));

# Settings of the server, on top of initdb's; new() takes more of them.
my %SETTINGS = (
	listen_addresses => '',
	shared_preload_libraries => 'taskq',
	shared_buffers => '2GB',
	max_wal_size => '8GB',
	checkpoint_timeout => '15min',
	max_worker_processes => 32,
	log_timezone => 'UTC');

# The contestants that pgbench can play: how each is set up anew, and which
# rows of it are open.  Databases are made when they are first needed.
my %CONTESTANT = (
	r2 => {
		name => 'R2',
		database => 'r2',
		files => ['r2/setup.sql'],
		open => 'SELECT count(*) FROM r2',
		vacuum => 'r2'
	},
	r2_tuned => {
		name => 'R2 tuned',
		database => 'r2',
		files => [ 'r2/setup.sql', 'r2/tuned.sql' ],
		scripts => 'r2',
		open => 'SELECT count(*) FROM r2',
		vacuum => 'r2'
	},
	r2_no_vacuum => {
		name => 'R2, vacuum does not come',
		database => 'r2',
		files => [ 'r2/setup.sql', 'r2/no_vacuum.sql' ],
		scripts => 'r2',
		open => 'SELECT count(*) FROM r2',
		vacuum => 'r2'
	},
	taskq => {
		name => 'taskq',
		database => 'taskq',
		files => ['taskq/setup.sql'],
		wait => 'taskq worker',
		open => 'SELECT count(*) FROM taskq.open',
		vacuum => 'taskq.open'
	},
	taskq_0 => {
		name => 'taskq, retention 0',
		database => 'taskq',
		files => [ 'taskq/setup.sql', 'taskq/retention_0.sql' ],
		scripts => 'taskq',
		wait => 'taskq worker',
		open => 'SELECT count(*) FROM taskq.open',
		vacuum => 'taskq.open'
	},
	workflow => {
		name => 'taskq, workflows',
		database => 'taskq',
		files => ['taskq/setup.sql'],
		scripts => 'taskq',
		wait => 'taskq worker',
		open => 'SELECT count(*) FROM taskq.open WHERE scope = -1',
		vacuum => 'taskq.open'
	},
	pgq => {
		name => 'PgQ',
		database => 'pgq',
		extension => 'pgq',
		files => ['pgq/setup.sql'],
		daemon => 'pgqd',
		open => q(SELECT count(*) FROM pgq.event_1 WHERE NOT txid_visible_in_snapshot(ev_txid,
			(SELECT tick_snapshot FROM pgq.subscription
			  JOIN pgq.tick ON (tick_queue, tick_id) = (sub_queue, sub_last_tick)))),
		vacuum => 'pgq.event_template'
	},
	floor => {
		name => 'floor',
		database => 'floor',
		files => ['floor/setup.sql'],
		vacuum => 'floor'
	});

# ---- small things --------------------------------------------------------

sub sum
{
	my $total = 0;

	$total += $_ for @_;
	return $total;
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	my $half = @sorted / 2;

	return undef if !@sorted;
	return @sorted % 2
	  ? $sorted[ int $half ]
	  : ($sorted[ $half - 1 ] + $sorted[$half]) / 2;
}

# The value that a share of the values (0.99) does not exceed.
sub percentile
{
	my ($share, @values) = @_;
	my @sorted = sort { $a <=> $b } @values;

	return undef if !@sorted;
	return $sorted[ POSIX::ceil($share * @sorted) - 1 ];
}

sub say_now
{
	print @_, "\n";
	STDOUT->flush;
	return;
}

sub read_file
{
	my ($path) = @_;

	open my $file, '<', $path or return '';
	local $/ = undef;
	my $content = <$file>;
	close $file;
	return $content // '';
}

# What the machine is, as far as it matters: nothing that names it.
sub facts
{
	my ($model) = read_file('/proc/cpuinfo') =~ /^model name\s*:\s*(.*)/m;
	my ($kb) = read_file('/proc/meminfo') =~ /^MemTotal:\s*(\d+)/m;
	my ($release) = read_file('/etc/os-release') =~ /^PRETTY_NAME="?([^"\n]*)/m;
	my $cores = () = read_file('/proc/cpuinfo') =~ /^processor\s*:/mg;

	return {
		cores => $cores,
		cpu => $model // 'unknown',
		memory_gb => sprintf('%.0f', $kb / 1024 / 1024),
		kernel => (POSIX::uname())[2],
		system => $release // 'unknown'
	};
}

# ---- what things cost ----------------------------------------------------

my $HZ = POSIX::sysconf(POSIX::_SC_CLK_TCK());

# Seconds that all cores together have been busy since boot.
sub cpu_seconds
{
	my ($user, $nice, $system, $idle, $iowait, $irq, $softirq) =
	  read_file('/proc/stat') =~
	  /^cpu\s+(\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)/;

	return ($user + $nice + $system + $irq + $softirq) / $HZ;
}

# Seconds that a process has used; with "all", those of its ended children, too.
sub process_cpu
{
	my ($pid, $all) = @_;
	my ($fields) = read_file("/proc/$pid/stat") =~ /^.*\) (.*)/s
	  or return 0;
	my @ticks = (split ' ', $fields)[ 11 .. 14 ];

	return ($ticks[0] + $ticks[1] + ($all ? $ticks[2] + $ticks[3] : 0)) / $HZ;
}

# Processes of the server but the postmaster.
sub server_pids
{
	my ($self) = @_;
	my $pid = $self->{postmaster};

	return split ' ', read_file("/proc/$pid/task/$pid/children");
}

# Seconds that the server's processes have used, ended ones included.
sub server_cpu
{
	my ($self) = @_;

	return sum(
		process_cpu($self->{postmaster}, 'all'),
		map { process_cpu($_) } $self->server_pids);
}

# Bytes of WAL since the server was made.
sub wal
{
	my ($self) = @_;

	return $self->sql(
		"SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn", 'postgres');
}

# ---- the server ----------------------------------------------------------

# A private server, running.  Options: settings (a hash, on top of those above),
# pg_config (default $PG_CONFIG, then pg_config), keep (leave the directory).
sub new
{
	my ($class, %option) = @_;
	my $pg_config = $option{pg_config} // ($ENV{PG_CONFIG} || 'pg_config');
	my $self = bless {
		owner => $$,
		keep => $option{keep} // $ENV{BENCH_KEEP},
		settings => { %SETTINGS, %{ $option{settings} // {} } },
		bin => _output($pg_config, '--bindir'),
		databases => {},
		clients => {}
	}, $class;

	$self->{version} = _output("$self->{bin}/postgres", '--version');
	$self->{version} =~ s/^postgres \(PostgreSQL\) //;
	$self->_choose_user;
	$self->{dir} =
	  tempdir('taskq-bench.XXXXXX', DIR => $ENV{BENCH_TMP} // '/tmp');
	chown $self->{uid}, $self->{gid}, $self->{dir} if $self->{step_down};
	$SIG{$_} = sub { exit 130 }
	  for qw(INT TERM HUP);
	$self->_run("$self->{dir}/initdb.log", "$self->{bin}/initdb", '-D',
		"$self->{dir}/data", '-U', 'postgres', '-A', 'trust', '-E', 'UTF8',
		'--no-locale');
	$self->start;
	return $self;
}

# Root has PostgreSQL and its clients run as somebody else.
sub _choose_user
{
	my ($self) = @_;
	my $name = $ENV{BENCH_USER} // 'taskq-test';

	return if $> != 0;
	(undef, undef, $self->{uid}, $self->{gid}) = getpwnam $name
	  or croak "there is no user $name to run PostgreSQL as";
	$self->{step_down} = 1;
	return;
}

sub start
{
	my ($self) = @_;
	my $conf = "$self->{dir}/data/postgresql.conf";
	my %settings =
	  (%{ $self->{settings} }, unix_socket_directories => $self->{dir});

	open my $file, '>>', $conf or croak "$conf: $!";
	print $file map { "$_ = '$settings{$_}'\n" } sort keys %settings;
	close $file;
	$self->_run(
		"$self->{dir}/start.log", "$self->{bin}/pg_ctl",
		'-D', "$self->{dir}/data",
		'-l', "$self->{dir}/server.log",
		'-w', '-s',
		'start');
	($self->{postmaster}) =
	  read_file("$self->{dir}/data/postmaster.pid") =~ /^(\d+)/;
	return;
}

sub stop
{
	my ($self) = @_;

	return if !$self->{postmaster};
	kill 'INT', $self->{postmaster};
	my $patience = time + 60;
	while (kill(0, $self->{postmaster}) && time < $patience)
	{
		sleep 0.05;
	}
	kill 'QUIT', $self->{postmaster} if time >= $patience;
	delete $self->{postmaster};
	return;
}

# Change settings that a reload takes over, for sessions to come.  undef is back
# to what new() made of it.
sub set
{
	my ($self, %settings) = @_;

	for my $name (sort keys %settings)
	{
		$self->sql(
			defined $settings{$name}
			? "ALTER SYSTEM SET $name = '$settings{$name}'"
			: "ALTER SYSTEM RESET $name",
			'postgres');
	}
	my $session = $self->session('postgres');
	my $loaded = $session->query('SELECT pg_conf_load_time()');
	$session->query('SELECT pg_reload_conf()');
	while ($session->query('SELECT pg_conf_load_time()') eq $loaded)
	{
		sleep 0.01;
	}
	$session->quit;
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $!, $@);

	return if $$ != $self->{owner};
	$self->kill_client($_) for values %{ $self->{clients} };
	$self->stop;
	if ($self->{keep})
	{
		say_now("kept: $self->{dir}");
	}
	elsif ($self->{dir})
	{
		remove_tree($self->{dir});
	}
	return;
}

# ---- child processes -----------------------------------------------------

sub _output
{
	my @command = @_;

	open my $pipe, '-|', @command or croak "$command[0]: $!";
	my $line = <$pipe>;
	close $pipe or croak "$command[0] failed";
	chomp $line;
	return $line;
}

# What a child does before its exec: step down, go to the directory, and point
# libpq to the server.
sub become_client
{
	my ($self, $database) = @_;

	if ($self->{step_down})
	{
		$) = "$self->{gid} $self->{gid}";
		$( = $self->{gid};
		($<, $>) = ($self->{uid}, $self->{uid});
	}
	chdir $self->{dir};
	delete @ENV{ grep { /^PG/ } keys %ENV };
	@ENV{qw(HOME PGHOST PGPORT PGUSER PGDATABASE LC_ALL)} = (
		$self->{dir}, $self->{dir}, 5432, 'postgres', $database // 'postgres',
		'C.UTF-8');
	return;
}

# Start a program with its output in a file; its process id.  Options: database,
# env (a hash).
sub spawn
{
	my ($self, $log, $option, @command) = @_;
	my $pid = fork // croak "fork: $!";

	if ($pid == 0)
	{
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', $log;
		open STDERR, '>&', \*STDOUT;
		$self->become_client($option->{database});
		%ENV = (%ENV, %{ $option->{env} // {} });
		{ exec { $command[0] } @command };
		print "$command[0]: $!\n";
		POSIX::_exit(127);
	}
	return $pid;
}

sub _run
{
	my ($self, $log, @command) = @_;

	waitpid $self->spawn($log, {}, @command), 0;
	croak "$command[0] failed:\n" . read_file($log) if $? != 0;
	return;
}

# ---- SQL -----------------------------------------------------------------

# A psql that stays; see Bench::Session.
sub session
{
	my ($self, $database) = @_;

	return Bench::Session->new($self, $self->database($database // 'taskq'));
}

# Run statements, each in a transaction of its own, in a session of their own;
# what they return as psql -At prints it.
sub sql
{
	my ($self, $statements, $database) = @_;
	my $session = $self->session($database);
	my $result = $session->query($statements);

	$session->quit;
	return $result;
}

# Make a database unless it is there; its name.
sub database
{
	my ($self, $name) = @_;

	if ($name ne 'postgres' && !$self->{databases}{$name})
	{
		$self->{databases}{$name} = 1;
		$self->sql("CREATE DATABASE $name TEMPLATE template0", 'postgres');
	}
	return $name;
}

# ---- contestants ---------------------------------------------------------

sub contestant
{
	my ($name) = @_;

	return $CONTESTANT{$name} // croak "no contestant $name";
}

# Is what a contestant takes installed?
sub has_contestant
{
	my ($self, $name) = @_;
	my $extension = contestant($name)->{extension} // return 1;

	return $self->{extensions}{$extension} //= $self->sql(
		"SELECT count(*) FROM pg_available_extensions WHERE name = '$extension'",
		'postgres');
}

# Set a contestant up anew: empty tables, nothing dirty in the buffers.
sub reset
{
	my ($self, $name) = @_;
	my $contestant = contestant($name);
	my $session = $self->session($contestant->{database});

	$self->kill_client(delete $self->{daemon}) if $self->{daemon};
	$session->query(read_file("$DIR/$_")) for @{ $contestant->{files} };
	if ($contestant->{wait})
	{
		my $patience = time + 60;

		until (
			$session->query(
				"SELECT count(*) = 1 FROM pg_stat_activity
				  WHERE datname = current_database() AND backend_type = '$contestant->{wait}'"
			) eq 't')
		{
			croak "no $contestant->{wait}" if time > $patience;
			sleep 0.02;
		}
	}
	$session->query("VACUUM $contestant->{vacuum}");
	$session->query('CHECKPOINT');
	$session->quit;
	$self->{daemon} = $self->start_pgqd($contestant->{database})
	  if ($contestant->{daemon} // '') eq 'pgqd';
	return;
}

# PgQ's ticker, with its settings as packaged, if it is installed.
sub start_pgqd
{
	my ($self, $database) = @_;
	my $ini = "$self->{dir}/pgqd.ini";
	my ($pgqd) = grep { -x } map { "$_/pgqd" } File::Spec->path;

	return undef if !$pgqd;
	open my $file, '>', $ini or croak "$ini: $!";
	print $file "[pgqd]\nsyslog = 0\nlogfile = $self->{dir}/pgqd.log\n"
	  . "pidfile = $self->{dir}/pgqd.pid\nbase_connstr = host=$self->{dir}\n"
	  . "initial_database = postgres\ndatabase_list = $database\n";
	close $file;
	my $daemon =
	  { pid => $self->spawn("$self->{dir}/pgqd.out", {}, $pgqd, $ini) };
	return $self->{clients}{ $daemon->{pid} } = $daemon;
}

# How many tasks of a contestant are open.
sub open_tasks
{
	my ($self, $name) = @_;
	my $contestant = contestant($name);

	return $self->sql($contestant->{open}, $contestant->{database});
}

# The path of a contestant's pgbench script below this directory: taskq's
# work_1.sql, say.
sub script
{
	my ($name, $script) = @_;

	return (contestant($name)->{scripts} // $name) . "/$script.sql";
}

# ---- pgbench -------------------------------------------------------------

# Start pgbench and go on.  Options:
#	script		a path, below test/bench or absolute, or an array of them; each
#				may be "path\@weight"
#	database	default taskq
#	clients, threads	default 1, and as many threads as 2 cores can use
#	seconds, or transactions per client
#	sync		synchronous_commit, default on
#	rate		transactions per second to offer, default as many as possible
#	progress	seconds between the points of the curve, default none
#	define		a hash of variables
#	log			name for a log of every transaction; with log_interval
#				aggregated over so many seconds
#	options		more settings for PGOPTIONS
#	env			a hash
# The handle goes to finish() or kill_client().
sub start_pgbench
{
	my ($self, %option) = @_;
	my $clients = $option{clients} // 1;
	my $database = $self->database($option{database} // 'taskq');
	my $number = ++$self->{runs};
	my $output = "$self->{dir}/pgbench.$number.log";
	my @command = (
		"$self->{bin}/pgbench", '-n',
		'-M', 'prepared',
		'-c', $clients,
		'-j', $option{threads} // ($clients > 1 ? 2 : 1));
	my $scripts = ref $option{script} ? $option{script} : [ $option{script} ];

	push @command, '-f', File::Spec->rel2abs($_, $DIR) for @$scripts;
	push @command, '-T', $option{seconds} if $option{seconds};
	push @command, '-t', $option{transactions} if $option{transactions};
	push @command, '-R', $option{rate} if $option{rate};
	push @command, '-P', $option{progress} if $option{progress};
	push @command, '-D', "$_=$option{define}{$_}"
	  for sort keys %{ $option{define} // {} };
	if ($option{log})
	{
		push @command, '-l', "--log-prefix=$self->{dir}/$option{log}";
		push @command, "--aggregate-interval=$option{log_interval}"
		  if $option{log_interval};
	}
	my $client = {
		output => $output,
		log => $option{log},
		start => time,
		cpu => cpu_seconds(),
		server_cpu => $self->server_cpu,
		wal => $self->wal,
		database => $database
	};
	my $sync = $option{sync} // 'on';
	$client->{pid} = $self->spawn(
		$output,
		{
			database => $database,
			env => {
				PGOPTIONS =>
				  "-c synchronous_commit=$sync " . ($option{options} // ''),
				%{ $option{env} // {} }
			}
		},
		@command);
	$self->{clients}{ $client->{pid} } = $client;
	return $client;
}

# Wait for a pgbench to end; its result, a hash:
#	tx, failed	transactions, and those that failed
#	seconds, tps, latency_ms	as pgbench has them
#	cpu, own_cpu, cpu_us, own_cpu_us	see the top
#	wal			bytes
#	curve		[seconds since the start, tps, latency in ms] of every interval
#	logs		paths of the transaction logs
# Options: tail, seconds after the end for which costs still count (default 0).
sub finish
{
	my ($self, $client, %option) = @_;
	my (undef, undef, $user, $system) = times;

	waitpid $client->{pid}, 0;
	delete $self->{clients}{ $client->{pid} };
	my $status = $?;
	my (undef, undef, $user_after, $system_after) = times;
	my $output = read_file($client->{output});
	croak "pgbench failed:\n$output" if $status != 0;
	sleep $option{tail} if $option{tail};

	my %run = (
		cpu => cpu_seconds() - $client->{cpu},
		own_cpu => $self->server_cpu - $client->{server_cpu} + $user_after -
		  $user + $system_after - $system,
		wal => $self->wal - $client->{wal});
	($run{tx}) =
	  $output =~ /number of transactions actually processed: (\d+)/;
	croak "pgbench did nothing:\n$output" if !$run{tx};
	$run{failed} =
	  $output =~ /number of failed transactions: (\d+)/ ? $1 : 0;
	($run{latency_ms}) = $output =~ /latency average = ([\d.]+) ms/;
	($run{tps}) = $output =~ /tps = ([\d.]+)/;
	$run{seconds} = $run{tx} / $run{tps};
	$run{cpu_us} = 1e6 * $run{cpu} / $run{tx};
	$run{own_cpu_us} = 1e6 * $run{own_cpu} / $run{tx};
	push @{ $run{curve} }, [ $1, $2, $3 ]
	  while $output =~ /^progress: ([\d.]+) s, ([\d.]+) tps, lat ([\d.]+) ms/mg;
	$run{logs} = [ glob "$self->{dir}/$client->{log}.*" ] if $client->{log};
	return \%run;
}

# End a pgbench, or another child, at once.
sub kill_client
{
	my ($self, $client) = @_;

	return if !$client->{pid} || !delete $self->{clients}{ $client->{pid} };
	kill 'TERM', $client->{pid};
	waitpid $client->{pid}, 0;
	return;
}

# Run pgbench to its end.
sub pgbench
{
	my ($self, %option) = @_;
	my $tail = delete $option{tail};

	return $self->finish($self->start_pgbench(%option), tail => $tail);
}

# Latencies in ms of all transactions of a run with a log.
sub latencies
{
	my ($run) = @_;
	my @latencies;

	for my $path (@{ $run->{logs} })
	{
		open my $log, '<', $path or croak "$path: $!";
		push @latencies, (split ' ')[2] / 1000 while <$log>;
		close $log;
	}
	return @latencies;
}

# ---- results -------------------------------------------------------------

# The directory that results are kept in: $BENCH_RESULTS, or a default.
sub results_dir
{
	my $dir = $ENV{BENCH_RESULTS} // "$DIR/results";

	make_path($dir);
	return $dir;
}

# What is kept of earlier runs under a name, or undef.
sub load_result
{
	my ($name) = @_;
	my $content = read_file(results_dir() . "/$name.json");

	return $content eq '' ? undef : decode_json($content);
}

# Keep the result of a workload or scenario, in place of an earlier one.  The
# time, the machine's facts and the command ($BENCH_COMMAND) are added.
sub save_result
{
	my ($self, $name, $result) = @_;
	my $path = results_dir() . "/$name.json";
	my %kept = (
		command => $ENV{BENCH_COMMAND},
		%$result,
		time => POSIX::strftime('%Y-%m-%d %H:%M UTC', gmtime),
		machine => facts(),
		postgresql => $self->{version},
		settings => $self->{settings});

	open my $file, '>', "$path.new" or croak "$path.new: $!";
	print $file JSON::PP->new->canonical->pretty->encode(\%kept);
	close $file;
	rename "$path.new", $path or croak "$path: $!";
	return;
}

1;
