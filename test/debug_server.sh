# shellcheck shell=bash
# A PostgreSQL that checks itself, for test/assert and test/valgrind. To be
# sourced after test/lib.sh.
#
# It is Debian's source package of PostgreSQL, built without any change but
# with assertions and with the marks that tell valgrind about memory contexts,
# and kept in the cache. It lies there as Debian's own packages lie below /.

DEBUG_SERVER=					# where it is; to be used as POSTGRES_ROOT
DEBUG_PACKAGES=(gcc libc6-dev make dpkg-dev perl bison flex valgrind zlib1g-dev libipc-run-perl
	debian-archive-keyring)

# Lines deb-src for all that this system installs of Debian's packages.
source_lists()
{
	local site release component

	# shellcheck disable=SC2016		# the fields are apt's
	apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
		sort -u |
		while read -r site release component; do
			say "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(real_site "$site") $release $component"
		done
}

# Download the newest source package $1 that is to be had into the current
# directory and unpack it: a security update may be missing where its packages
# are not. Neither this system's lists of packages nor its sources change.
fetch_source()
{
	local apt=(-q -o "Dir::Etc::sourcelist=$PWD/sources.list" -o "Dir::Etc::sourceparts=/dev/null"
		-o "Dir::State::lists=$PWD/lists" -o "Dir::Cache=$PWD/cache" -o "Acquire::Retries=3")
	local version

	mkdir -p lists/partial cache
	source_lists >sources.list
	apt-get "${apt[@]}" update
	for version in $(apt-cache "${apt[@]}" madison "$1" | awk '{ print $3 }' | sort -rV); do
		apt-get "${apt[@]}" source "$1=$version" && return
	done
	return 1
}

# Configure, make and install what fetch_source has unpacked for version $1, as
# if / were directory $2.
build_server()
{
	local version=$1 root=$2

	cd "postgresql-$version"-*/
	./configure --quiet --enable-cassert --enable-debug --enable-tap-tests --without-readline \
		--prefix="/usr/lib/postgresql/$version" \
		--datadir="/usr/share/postgresql/$version" \
		--includedir=/usr/include/postgresql \
		--with-pgport=5432 \
		CFLAGS='-O2 -fno-omit-frame-pointer' CPPFLAGS=-DUSE_VALGRIND
	make -s -j "$(nproc)" all
	make -s -j "$(nproc)" -C contrib all
	make -s install DESTDIR="$root"
	make -s -C src/test/isolation install DESTDIR="$root"
	make -s -C contrib install DESTDIR="$root"
}

# Let DEBUG_SERVER be such a server of version $1; build it unless it is in
# the cache.
debug_server()
{
	local version=$1 root=$CACHE/debug-$1 new=$CACHE/debug-$1.$$

	packages_for "$version"
	ensure_packages "${PACKAGES[@]}" "${DEBUG_PACKAGES[@]}"
	ensure_test_user
	if [ ! -d "$root" ]; then
		say "building PostgreSQL $version with assertions in $root"
		as_root mkdir -p "$CACHE"
		WORK=$(mktemp -d /tmp/taskq-debug.XXXXXX)
		(
			cd "$WORK"
			fetch_source "postgresql-$version"
			build_server "$version" "$WORK/root"
			as_root cp -a "$WORK/root" "$new"
		) >"$WORK.log" 2>&1 &
		if ! wait $!; then		# in the background, or "set -e" would not hold in there
			tail -n 40 "$WORK.log"
			rm -rf "$WORK"
			die "building PostgreSQL failed; all of its output is in $WORK.log"
		fi
		as_root mv -T "$new" "$root" 2>/dev/null || as_root rm -rf "$new"
		rm -rf "$WORK" "$WORK.log"
		WORK=
	fi
	# what is only SQL and Perl comes from the packages
	as_root cp -f "/usr/share/postgresql/$version/extension/"pgtap* "$root/usr/share/postgresql/$version/extension/"
	# shellcheck disable=SC2034
	DEBUG_SERVER=$root
}
