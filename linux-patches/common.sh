# shellcheck shell=bash
# Helpers sourced by every shell script of the project (bash).
#   V=1               print each command before it runs
#   BUILD=folder      logs go to $BUILD/logs (default: build)
#   PINLAB_NO_APT=1   never install a missing program
# Progress and errors go to stderr, so that stdout stays for results.

me=${me:-${0##*/}}
# what is for our make is not for the kernel's
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
exec {tty}>&2		# "run" must reach the user even while stderr goes to a log
PATH=$PATH:/usr/sbin:/sbin	# mkfs.* and friends, which users' PATHs often lack

say() { printf '%s\n' "$*" >&2; }

# short PATH: as the user would type it
short() { realpath -ms --relative-base="$PWD" -- "$1"; }

# die "what is wrong; what to do"; $died tells an EXIT trap that the user knows
died=
# shellcheck disable=SC2034
die() { died=1; printf '%s: %s\n' "$me" "$*" >&2; exit 1; }

# fail LOG WHAT TODO: die for a command whose output is in LOG. A full disk
# shows up in many disguises, so it is looked for here, once.
fail() {
	local why
	if grep -qsE 'No space left|Out of diskspace|quota exceeded' "$1"; then
		die "no space left in ${BUILD:-build} ($(df -Ph "${BUILD:-.}" | awk 'END { print $4 }') free); make room or set BUILD=; log: $(short "$1")"
	fi
	why=$(grep -m1 -E '^(fatal|error|E|tar|xz):' "$1" 2>/dev/null | sed 's/^[a-zE]*: *//') || :
	die "$2${why:+ ($why)}; $3; log: $(short "$1")"
}

run() {
	# a function of ours is no command: it prints those that it runs
	[ "${V:-0}" = 0 ] || [ "$(type -t -- "$1")" = function ] || echo "+$(printf ' %q' "$@")" >&"$tty"
	"$@"
}

# logfile NAME: make an empty log, put its path in $log
logfile() {
	log=${BUILD:-build}/logs/$1.log
	{ { [ -d "${log%/*}" ] || mkdir -p "${log%/*}"; } && : >"$log"; } 2>/dev/null ||
		die "cannot write $log; free some space or set BUILD= to a folder you can write"
	# room for the words "No space left on device"
	fallocate -n -l 64K "$log" 2>/dev/null || :
}

in_log() { run "$@" >>"$log" 2>&1; }

progress() { :; }	# for a script to say how far a step is

# step TEXT COMMAND...: run a long command, its output in $log, and show that
# time passes: one updating line on a terminal, otherwise a line now and then.
step() {
	local text=$1 start=$SECONDS began=$EPOCHREALTIME ticker rc=0
	shift
	{ # "read" instead of "sleep": no child outlives the ticker and holds stderr
		exec {never}<> <(:)
		while read -rt 1 -u "$never" || kill -0 $$ 2>/dev/null; do
			if [ -t 2 ]; then printf '\r%s ... %d s%s' "$text" $((SECONDS - start)) "$(progress)" >&2
			elif [ $(((SECONDS - start) % 20)) = 0 ]; then say "$text ... $((SECONDS - start)) s$(progress)"
			fi
		done
	} 2>&"$tty" 9>&- &
	ticker=$!
	in_log "$@" || rc=$?
	{ kill "$ticker" && wait "$ticker"; } 2>/dev/null || :
	[ ! -t 2 ] || printf '\r\033[K' >&2
	[ $rc != 0 ] || say "$text: $(awk "BEGIN { t = $EPOCHREALTIME - $began; printf t < 9.95 ? \"%.1f\" : \"%.0f\", t }") s"
	return $rc
}

# as_root COMMAND...: fails when we neither are root nor have a sudo that is
# silent, or somebody at a terminal to give it a password
as_root() {
	if [ "$(id -u)" = 0 ]; then run "$@"
	elif sudo -n true 2>/dev/null; then run sudo -n "$@"
	else [ -t 0 ] && [ -t 2 ] && command -v sudo >/dev/null && run sudo "$@"
	fi
}

# need PURPOSE PROGRAM...: check for programs; install their Debian packages if we may
need() {
	local purpose=$1 program missing=() packages=() log lock
	shift
	for program; do
		case $program in
		*/*) [ ! -e "$program" ] || continue ;;	# a file
		*) command -v "$program" >/dev/null && continue ;;
		esac
		missing+=("$program")
		case $program in
		apt-cache) packages+=(apt) ;;
		cc|gcc) packages+=(gcc libc6-dev) ;;
		dpkg-deb) packages+=(dpkg) ;;
		/usr/include/gelf.h) packages+=(libelf-dev) ;;
		/usr/include/libaio.h) packages+=(libaio-dev) ;;
		/usr/include/liburing.h) packages+=(liburing-dev) ;;
		/usr/lib/python3/dist-packages/*) packages+=("python3-${program##*/}") ;;
		blockdev|flock|mount|script|setpriv|setsid|taskset|unshare) packages+=(util-linux) ;;
		column) packages+=(bsdextrautils) ;;
		gnuplot) packages+=(gnuplot-nox) ;;
		xz) packages+=(xz-utils) ;;
		mkfs.vfat) packages+=(dosfstools) ;;
		mkfs.ext[234]) packages+=(e2fsprogs) ;;
		mkfs.xfs) packages+=(xfsprogs) ;;
		mkfs.btrfs) packages+=(btrfs-progs) ;;
		mkfs.f2fs) packages+=(f2fs-tools) ;;
		mount.nfs) packages+=(nfs-common) ;;
		mount.cifs) packages+=(cifs-utils) ;;
		rpc.nfsd|exportfs) packages+=(nfs-kernel-server) ;;
		qemu-system-x86_64) packages+=(qemu-system-x86) ;;
		inotifywait) packages+=(inotify-tools) ;;
		ninja) packages+=(ninja-build) ;;
		pgrep) packages+=(procps) ;;
		realpath|sha1sum) packages+=(coreutils) ;;
		*) packages+=("$program") ;;
		esac
	done
	[ ${#missing[@]} != 0 ] || return 0
	if [ -z "${PINLAB_NO_APT-}" ] && command -v apt-get >/dev/null; then
		logfile apt
		# one at a time; others may have the same in mind
		exec {lock}>"${log%.log}.lock"
		flock "$lock"
		as_root true || die "$purpose needs ${missing[*]}; install them: apt-get install ${packages[*]}"
		# shellcheck disable=SC2317
		install() { as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${packages[@]}"; }
		step "installing ${packages[*]}" install ||
			{ step "updating the package lists" as_root apt-get -q update && step "installing ${packages[*]}" install; } ||
			fail "$log" "$purpose needs ${missing[*]}, which could not be installed" "install ${packages[*]} yourself"
		exec {lock}>&-
	else
		die "$purpose needs ${missing[*]}; install them (Debian: ${packages[*]})"
	fi
}

# tally NAME PASSED FAILED SKIPPED: what "make check" sums up
tally() { { [ -d "$BUILD/tally" ] || mkdir -p "$BUILD/tally"; } && echo "$2 $3 $4" >"$BUILD/tally/$1"; }
