# shellcheck shell=bash
# What test/run and test/demo share: packages, an unprivileged user, a private
# copy of a PostgreSQL installation with taskq built into it, and a private
# server on a unix socket. To be sourced.
#
# Nothing of the system changes but its packages (and, for root, one system
# user): the extension is built in a copy of the tree and goes into a tree of
# links to the installed PostgreSQL, so that several runs and several versions
# don't meet.

# Somebody's own server is not meant.
unset "${!PG@}" MAKEFLAGS

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TEST_USER=taskq-test
CACHE=${XDG_CACHE_HOME:-/var/cache}/taskq-test
POSTGRES_ROOT=${POSTGRES_ROOT:-}	# "usr" of the PostgreSQL to use lies here; see debug_server.sh

say()
{
	printf '%s\n' "$*"
}

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# ---- privileges ----------------------------------------------------------

can_be_root()
{
	[ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v 2>/dev/null; }
}

if [ "$(id -u)" -eq 0 ]; then
	SUDO=()
else
	SUDO=(sudo -n)
fi

as_root()
{
	"${SUDO[@]}" "$@"
}

# PostgreSQL doesn't run as root: give root a user to step down to.
ensure_test_user()
{
	[ "$(id -u)" -eq 0 ] || return 0
	id "$TEST_USER" >/dev/null 2>&1 ||
		useradd --system --user-group --home-dir /nonexistent --no-create-home \
			--shell /usr/sbin/nologin "$TEST_USER"
}

# Run a command as the unprivileged user, in $WORK and with it as home.
as_user()
{
	(become_user "$@")
}

# The same in place of this shell: for subshells and for the background, where
# $! shall be the command's own process.
become_user()
{
	local step_down=()

	if [ "$(id -u)" -eq 0 ]; then
		step_down=(setpriv --reuid "$TEST_USER" --regid "$TEST_USER" --init-groups)
	fi
	cd "$WORK" || exit 1
	exec "${step_down[@]}" env HOME="$WORK" TMPDIR="$WORK" USER="$TEST_USER" LC_ALL=C.UTF-8 "$@"
}

# ---- packages ------------------------------------------------------------

missing_packages()
{
	local package

	for package; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			printf '%s\n' "$package"
	done
}

# Quiet unless it fails.
apt_get()
{
	local output

	if ! output=$(as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 \
		-o Dpkg::Use-Pty=0 "$@" 2>&1 </dev/null); then
		say "$output"
		die "apt-get $* failed"
	fi
}

# Install what is missing of the packages named. Says what it does only if
# there is something to do.
ensure_packages()
{
	local list missing no_cluster=/etc/postgresql-common/createcluster.d/taskq-test.conf

	list=$(missing_packages "$@")
	[ -n "$list" ] || return 0
	mapfile -t missing <<<"$list"
	can_be_root ||
		die "these packages are missing, and only root can install them: ${missing[*]}"
	say "installing ${missing[*]}"
	apt_get update

	# No server of Debian's own shall be created and started meanwhile.
	as_root mkdir -p "${no_cluster%/*}"
	say 'create_main_cluster = false' | as_root tee "$no_cluster" >/dev/null
	apt_get install -y --no-install-recommends "${missing[@]}"
	as_root rm -f "$no_cluster"
}

# The site that apt calls $1, which may be a list of mirrors.
real_site()
{
	case $1 in
		mirror+file:*) grep -m 1 -o '^[a-z]*:[^ \t]*' "${1#mirror+file:}" ;;
		*) say "$1" ;;
	esac
}

# Let PACKAGES be what it takes to build and test with PostgreSQL version $1,
# and what some tests do without if this system's release doesn't have it.
packages_for()
{
	local package

	PACKAGES=(gcc libc6-dev make perl libpq-dev
		libnghttp2-dev libprotobuf-c-dev protobuf-c-compiler libprotobuf-dev libssl-dev zlib1g-dev openssl python3
		"postgresql-$1" "postgresql-server-dev-$1" "postgresql-$1-pgtap"
		libipc-run-perl libtap-parser-sourcehandler-pgtap-perl)
	for package in "postgresql-$1-pgaudit" pgbouncer; do
		if [ -n "$(apt-cache show --no-all-versions "$package" 2>/dev/null)" ]; then
			PACKAGES+=("$package")
		fi
	done
}

installed_here()
{
	packages_for "$1"
	[ -x "/usr/lib/postgresql/$1/bin/pg_config" ] &&
		[ -z "$(missing_packages "${PACKAGES[@]}")" ]
}

# Does this system's own release have PostgreSQL version $1?
available_here()
{
	installed_here "$1" && return
	can_be_root || return
	if [ -z "$(find /var/lib/apt/lists -name '*Packages*' -print -quit 2>/dev/null)" ]; then
		apt_get update
	fi
	[ -n "$(apt-cache show --no-all-versions "postgresql-server-dev-$1" 2>/dev/null)" ]
}

# The PostgreSQL version to use when any will do: one that is installed, else
# one of this system's release.
any_version()
{
	local check version

	for check in installed_here available_here; do
		for version in 18 17 16 15; do
			if "$check" "$version"; then
				say "$version"
				return
			fi
		done
	done
	return 1
}

# ---- PostgreSQL and the extension ----------------------------------------

# Let $WORK be a directory that exists and is empty, and give it to the
# unprivileged user.
make_work()
{
	WORK=$1
	if [ "$(id -u)" -eq 0 ]; then
		chown "$TEST_USER:" "$WORK"
	fi
}

# Below $WORK/usr, shadow the installation of version $1: programs as copies,
# since they look for everything else relative to where they are, the rest as
# links, but for a taskq that may be installed there. From then on $BIN is where its programs are, $PG_VERSION the full version.
shadow_postgres()
{
	local lib=/usr/lib/postgresql/$1 share=/usr/share/postgresql/$1

	# shellcheck disable=SC2016		# for the shell inside
	as_user bash -euc '
		root=$1 lib=$2 share=$3
		mkdir -p "./${lib%/*}" "./${share%/*}"
		cp -as "$root$lib" "./${lib%/*}/"
		cp -as "$root$share" "./${share%/*}/"
		rm -r "./$lib/bin"
		cp -aL "$root$lib/bin" "./$lib/"
		rm -rf "./$lib/lib/taskq.so" "./$lib/lib/bitcode/taskq"* "./$share/extension/taskq"*
		ln -s "$root/usr/include" usr/include
		ln -s /usr/share/locale usr/share/locale
	' shadow "$POSTGRES_ROOT" "$lib" "$share"
	BIN=$WORK$lib/bin
	# shellcheck disable=SC2034
	PG_VERSION=$("$BIN/pg_config" --version | sed 's/^PostgreSQL \([^ ]*\).*/\1/')
}

# Copy the tree to $WORK/tree, without what may have been built in it.
copy_tree()
{
	as_user mkdir tree
	tar -C "$TOP" -cf - --exclude=./.git --exclude='*.o' --exclude='*.bc' --exclude='*.d' \
		--exclude='*.so' --exclude=./src/gateway/build --exclude=./src/gateway/taskq-gateway --exclude=./src/cli/build --exclude=./src/cli/taskq --exclude=./results --exclude=./tmp_check \
		--exclude=./output_iso --exclude=node_modules . |
		as_user tar -C tree -xf - --no-same-owner
}

# Build the copy and install it into the shadow. Prints nothing unless it
# fails.
build()
{
	if ! as_user make -s -C tree -j "$(nproc)" "PG_CONFIG=$BIN/pg_config" all install \
		>"$WORK/build.log" 2>&1; then
		cat "$WORK/build.log"
		return 1
	fi
}

# ---- a server ------------------------------------------------------------

SERVER_PROGRAM=					# to be started in place of $BIN/postgres

# Start a server in $WORK/data that listens on a unix socket in $WORK only, and
# point the libpq environment at it. Arguments are settings, on top of those of
# test/postgresql.conf.
start_server()
{
	local program=${SERVER_PROGRAM:-$BIN/postgres}

	as_user "$BIN/initdb" -D "$WORK/data" -U postgres -A trust -E UTF8 --no-locale -N \
		>"$WORK/initdb.log" 2>&1 ||
		{
			cat "$WORK/initdb.log"
			return 1
		}
	as_user tee -a data/postgresql.conf <"$TOP/test/postgresql.conf" >/dev/null
	printf '%s\n' "unix_socket_directories = '$WORK'" "$@" |
		as_user tee -a data/postgresql.conf >/dev/null
	export PGHOST=$WORK PGPORT=5432 PGUSER=postgres
	as_user "$BIN/pg_ctl" -p "$program" -D "$WORK/data" -l server.log -w -s start ||
		{
			cat "$WORK/server.log"
			return 1
		}
}

# Stop the server in $WORK, if it runs, in mode $1 (fast).
stop_server()
{
	stop_servers_below data "${1:-fast}"
}

# Stop whatever servers have their data below directory $1 of $WORK.
stop_servers_below()
{
	local pid_file

	[ -d "$WORK/$1" ] || return 0
	find "$WORK/$1" -name postmaster.pid -print0 |
		while IFS= read -r -d '' pid_file; do
			as_user "$BIN/pg_ctl" -D "${pid_file%/*}" -m "$2" -w -s stop || true
		done
}
