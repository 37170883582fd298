#!/usr/bin/env bats
# uml/run on the real kernel, which "uml/kunit build" has to have built.

setup_file() {
	top=$(cd "$BATS_TEST_DIRNAME/.." && pwd -P)
	kernel=$(realpath -m "${BUILD:-$top/build}")/run-${BASE:-6.1}/linux
	[ -x "$kernel" ] || { echo "there is no kernel $kernel" >&2; return 1; }
	export top kernel BUILD=$BATS_FILE_TMPDIR/build
	unset V GDB
	head -c 20M /dev/urandom >"$BATS_FILE_TMPDIR/20M"
	head -c 1000001 "$BATS_FILE_TMPDIR/20M" >"$BATS_FILE_TMPDIR/1M"
	# not by way of a wrapper, which would take long in there
	python=$(python3 -c 'import sys; print(sys.executable)')
	export python
	build_leak
	# its own part that is built, too, is not of the first test
	"$top/uml/run" --kernel "$kernel" true
}

# An AF_XDP socket pins its memory. One that is in flight to a socket which is in
# flight to itself belongs to no process, and lasts until somebody closes another
# unix socket.
build_leak() {
	gcc -Wall -Wextra -static -x c -o "$BATS_FILE_TMPDIR/pin" - <<-'END'
		#include <linux/if_xdp.h>
		#include <stdlib.h>
		#include <string.h>
		#include <sys/mman.h>
		#include <sys/socket.h>
		#include <unistd.h>

		int main(int argc, char **argv)
		{
			struct xdp_umem_reg memory = { .len = 16 * 4096, .chunk_size = 4096 };
			struct iovec byte = { "", 1 };
			char control[CMSG_SPACE(2 * sizeof(int))] = "";
			struct msghdr m = { .msg_iov = &byte, .msg_iovlen = 1,
				.msg_control = control, .msg_controllen = sizeof(control) };
			int xdp = socket(AF_XDP, SOCK_RAW, 0), pair[2];

			memory.addr = (unsigned long)mmap(NULL, memory.len, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
			if (setsockopt(xdp, SOL_XDP, XDP_UMEM_REG, &memory, sizeof(memory)) ||
			    socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
				return 1;
			if (argc < 2 || strcmp(argv[1], "leak"))
				return 0;
			*CMSG_FIRSTHDR(&m) = (struct cmsghdr){ CMSG_LEN(2 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
			memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), (int[]){ pair[1], xdp }, 2 * sizeof(int));
			return sendmsg(pair[0], &m, 0) != 1 || close(pair[0]);
		}
	END
}

# Each test has a folder for what a run leaves, and has to find it empty.
setup() {
	export TMPDIR=$BATS_TEST_TMPDIR
	log=$BATS_TEST_TMPDIR/log
	random=$BATS_FILE_TMPDIR/20M
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	nothing_left "$TMPDIR"
}

nothing_left() { # FOLDER: neither files nor processes of a run in it
	! compgen -G "$1/uml-run.*" || return 1
	! pgrep -af "$1/uml-run." || return 1
}

uml() { "$top/uml/run" --kernel "$kernel" --log "$log" --timeout 60 "$@"; }

# ends STATUS COMMAND...; its outputs in $out and $err
ends() {
	local want=$1 got=0
	shift
	"$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || got=$?
	out=$(cat "$BATS_TEST_TMPDIR/out") err=$(cat "$BATS_TEST_TMPDIR/err")
	echo "status $got, wanted $want"
	echo "$out"
	echo "$err"
	[ "$got" = "$want" ]
}

says() { grep -qF -- "$1" <<<"$err" || { echo "not said: $1"; return 1; }; }

copy_run() { # FOLDER: there, with all that it is made of
	mkdir -p "$1/uml" "$1/linux-patches"
	cp -r "$top"/uml/{run,init} "$1/uml/"
	cp "$top/linux-patches/common.sh" "$1/linux-patches/"
}

# with no more than one plain line
refuses() {
	ends 125 "$top/uml/run" --kernel "$kernel" "${@:2}"
	[ "$err" = "uml/run: $1" ]
}

until_said() { # WORD FILE: wait for it
	local n
	for ((n = 0; n < 300; n++)); do
		! grep -qsF -- "$1" "$2" || return 0
		sleep 0.1
	done
	echo "$1 was never said"
	return 1
}

# on_terminal COMMAND...: on a terminal of its own; what it shows in $shown
on_terminal() {
	local got=0
	# it would type its own end of file
	[ -p silence ] || mkfifo silence
	# %q is bash's way to quote, $SHELL whose way script takes it
	SHELL=$BASH script -qec "$(printf '%q ' "$@")" /dev/null >"$BATS_TEST_TMPDIR/shown" 0<>silence || got=$?
	shown=$(tr -d '\r' <"$BATS_TEST_TMPDIR/shown")
	echo "status $got; $shown"
	return $got
}

# --- the command

@test "a command that is pleased" {
	ends 0 uml echo pleased
	[ "$out" = pleased ]
	[ -z "$err" ]
}

@test "its status is ours" {
	ends 7 uml sh -c 'exit 7'
	[ -z "$err" ]
}

@test "the status 77 is nothing special" {
	ends 77 uml sh -c 'exit 77'
}

@test "a command that is killed by signal 11" {
	ends 139 uml sh -c 'kill -SEGV $$'
}

@test "a command that is not there" {
	ends 127 uml no-such-command
	[ "$err" = "uml/run: no-such-command: No such file or directory" ]
}

@test "a command that cannot be run" {
	ends 126 uml /etc/passwd
	[ "$err" = "uml/run: /etc/passwd: Permission denied" ]
}

@test "the arguments arrive as they are" {
	ends 0 uml printf '<%s>' 'a b' '' $'new\nline' '$HOME' '*' --help -- 'ü' '"'
	[ "$out" = $'<a b><><new\nline><$HOME><*><--help><--><ü><">' ]
}

@test "without a command it is a shell" {
	ends 5 uml <<<'echo shell; exit 5'
	[ "$out" = shell ]
}

@test "it is root, on user-mode Linux, where loopback works" {
	ends 0 uml sh -c 'id -u; uname -n; cat /proc/cpuinfo; cat /sys/class/net/lo/flags'
	grep -qx 0 <<<"$out"
	grep -qx uml <<<"$out"
	grep -q 'User Mode Linux' <<<"$out"
	grep -qx 0x9 <<<"$out"
}

@test "what it leaves running goes, and holds nothing up" {
	ends 0 uml sh -c 'sleep 1000 & setsid sleep 1000 & echo done'
	[ "$out" = 'done' ]
}

@test "the environment is the caller's, to the byte" {
	export ODD=$' a\nb=c ' LC_ALL=en_US.UTF-8
	env -0 | grep -zv '^_=' | sort -z >before
	ends 0 uml env -0
	sort -z out | grep -zv '^_=' | cmp - before
}

@test "an empty environment stays one" {
	ends 0 env -i PATH="$PATH" "$top/uml/run" --kernel "$kernel" --log "$log" env
	[ "$out" = "PATH=$PATH" ]
}

@test "the working directory, with what is in it" {
	local dir=$BATS_TEST_TMPDIR/$'odd "name"\n'
	mkdir "$dir" && cd "$dir"
	echo here >file
	ends 0 uml sh -c 'pwd; cat file'
	[ "$out" = "$dir"$'\nhere' ]
}

@test "a working directory below /run and /dev/shm" {
	[ -w /run ] || skip "needs to write to /run"
	dir=$(mktemp -d /run/uml-run-test.XXXXXX)
	cd "$dir"
	echo here >file
	ends 0 uml cat file
	cd / && rm -r "$dir"
	[ "$out" = here ]
	[ ! -d /run/udev ] || ends 1 uml ls /run/udev/control
	# /dev is the guest's own
	dir=$(mktemp -d /dev/shm/uml-run-test.XXXXXX)
	cd "$dir"
	ends 125 uml true
	cd / && rm -r "$dir"
	says "uml/run: cannot enter $dir"
}

# --- its input and output

@test "20 MB through stdin and stdout, from a pipe and from a file" {
	cat "$random" | uml cat | cmp - "$random"
	uml cat <"$random" | cmp - "$random"
}

@test "every byte is what it was, on each of the three" {
	python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(256)) * 40)' >bytes
	uml tee /dev/stderr <bytes >one 2>two
	cmp one bytes
	cmp two bytes
}

@test "nothing is lost when the kernel goes right after the last byte" {
	local part=$BATS_FILE_TMPDIR/1M n
	for n in 1 2 3; do
		uml sh -c "cat $part; cat $part >&2" >one 2>two
		cmp one "$part"
		cmp two "$part"
	done
}

@test "stdout and stderr keep their order when they are one" {
	uml sh -c 'for i in $(seq 200); do echo $i; i=$((i + 1000)); echo $i >&2; done' >both 2>&1
	for i in $(seq 200); do printf '%d\n%d\n' "$i" $((i + 1000)); done | cmp - both
}

@test "the end of stdin arrives, with nothing before it, too" {
	ends 0 uml wc -c </dev/null
	[ "$out" = 0 ]
	ends 0 uml wc -c < <(:)
	[ "$out" = 0 ]
	ends 0 uml sh -c 'read -r line; echo "<$line>"; cat' < <(echo one; echo two)
	[ "$out" = $'<one>\ntwo' ]
}

@test "an open stdin that nobody reads holds nothing up" {
	mkfifo pipe
	ends 0 uml echo 'done' 0<>pipe
	cat "$random" | ends 0 uml true
}

@test "closed descriptors" {
	uml sh -c 'echo one; echo two >&2' <&- >one 2>two
	[ "$(cat one two)" = $'one\ntwo' ]
	uml sh -c 'echo two >&2' >&- 2>two
	[ "$(cat two)" = two ]
}

@test "the reader of stdout goes away" {
	run bash -c "'$top/uml/run' --kernel '$kernel' --log log yes | head -n 1; exit \${PIPESTATUS[0]}"
	echo "$output"
	[ "$status" = 141 ]
	[ "$output" = y ]
}

@test "output that cannot be written is not lost in silence" {
	local status=0
	uml echo lost >/dev/full 2>err || status=$?
	cat err
	[ "$status" = 125 ]
	[ "$(cat err)" = 'uml/run: the output cannot be written: No space left on device' ]
}

@test "input and output at the same time, with a slow reader" {
	cat "$random" | uml cat 2>err | { sleep 1; cat; } | cmp - "$random"
}

@test "an answer to each question" {
	coproc talk { uml cat; }
	for word in one two three; do
		echo "$word" >&"${talk[1]}"
		read -r -t 20 answer <&"${talk[0]}"
		[ "$answer" = "$word" ]
	done
	exec {talk[1]}>&-
	wait "$talk_PID"
}

# --- the terminal

@test "a terminal is a terminal" {
	on_terminal "$top/uml/run" --kernel "$kernel" --log "$log" sh -c \
		'test -t 0 && test -t 1 && test -t 2 && echo yes >/dev/tty && tty; ps -o tpgid= -p $$; echo $$'
	[ "$(head -n 2 <<<"$shown")" = $'yes\n/dev/pts/0' ]
	# in the foreground
	[ "$(sed -n 3p <<<"$shown" | tr -d ' ')" = "$(sed -n 4p <<<"$shown")" ]
}

@test "only what is a terminal is one" {
	on_terminal sh -c "echo | '$top/uml/run' --kernel '$kernel' --log '$log' \
		sh -c 'for n in 0 1 2; do ! test -t \$n || echo \$n is one; done' 2>err"
	[ "$shown" = '1 is one' ]
}

@test "the terminal's size, and a new one" {
	cat >size <<-END
		stty rows 33 cols 77
		{ until grep -q '^33 77' shown; do sleep 0.1; done; stty rows 44 cols 88 </dev/tty; } &
		'$top/uml/run' --kernel '$kernel' --log '$log' --timeout 20 sh -c \
			'trap "stty size; exit" WINCH; stty size; while :; do sleep 0.1; done'
	END
	on_terminal sh size
	[ "$shown" = $'33 77\n44 88' ]
}

@test "^C is the command's, ^D an end, and the terminal what it was" {
	mkfifo keys
	cat >session <<-END
		stty -g >before
		'$top/uml/run' --kernel '$kernel' --log '$log' --timeout 20 sh -c \
			'trap "echo caught; cat; exit 3" INT; echo ready; while :; do sleep 0.1; done'
		echo "status \$?"
		stty -g >after
	END
	script -qec 'sh session' /dev/null <keys >shown &
	exec {keys}>keys
	until_said ready shown
	printf '\003' >&"$keys"
	until_said caught shown
	printf 'typed\n\004' >&"$keys"
	until_said 'status 3' shown
	exec {keys}>&-
	wait $!
	[ "$(tr -d '\r' <shown | grep -c typed)" = 2 ]	# the echo, and what cat says
	cmp before after
}

@test "the terminal is restored by whatever is killed" {
	for victim in uml/run uml-init; do
		cat >session <<-END
			stty -g >before
			'$top/uml/run' --kernel '$kernel' --log '$log' --timeout 20 sh -c 'echo ready; exec sleep 1000' </dev/tty &
			until grep -q ready shown; do sleep 0.1; done
			stty -g >during
			case $victim in
			uml/run) kill -TERM \$! ;;
			*) kill -KILL \$(pgrep -P \$!) ;;
			esac
			wait \$!
			stty -g >after
		END
		on_terminal bash session
		! cmp -s before during || return 1
		cmp before after
	done
}

# --- the files

@test "what is written is gone, and nothing here has changed" {
	echo old >file
	mkdir dir
	ends 0 uml sh -c 'echo new >file; cat file; echo more >another; rm -r dir; mkdir dir2
		echo x >/etc/uml-run-test; echo x >/tmp/uml-run-test; echo x >/var/uml-run-test
		echo x >/run/uml-run-test; echo x >/usr/uml-run-test; echo x >/dev/shm/uml-run-test'
	[ "$out" = new ]
	[ -z "$err" ]
	[ "$(cat file)" = old ]
	[ -d dir ]
	[ ! -e dir2 ]
	[ ! -e another ]
	[ ! -e /etc/uml-run-test ]
	[ ! -e /tmp/uml-run-test ]
	[ ! -e /usr/uml-run-test ]
	[ ! -e /run/uml-run-test ]
	[ ! -e /var/uml-run-test ]
	[ ! -e /dev/shm/uml-run-test ]
}

@test "--rw: it stays" {
	echo old >file
	ends 0 uml --rw sh -c 'echo new >file; mkdir dir; cat <file >dir/another'
	[ "$(cat file dir/another)" = $'new\nnew' ]
}

@test "a folder of this machine can be renamed" {
	mkdir old
	echo here >old/file
	ends 0 uml "$python" -Sc 'import os; os.rename("old", "new"); print(os.listdir("new"), os.path.exists("old"))'
	[ "$out" = "['file'] False" ]
	[ -e old/file ]
}

@test "the umask is the caller's" {
	umask 027
	ends 0 uml sh -c 'umask; >new; stat -c %a new'
	[ "$out" = $'0027\n640' ]
}

@test "shared mappings work, as do programs in /dev/shm" {
	ends 0 uml "$python" -Sc '
import mmap
with open("mapped", "w+b") as f:
    f.truncate(8192)
    m = mmap.mmap(f.fileno(), 8192)
    m[5000:5005] = b"there"
    m.flush()
    f.seek(5000)
    print(f.read(5))'
	[ "$out" = "b'there'" ]
	ends 0 uml sh -c 'cp /bin/echo /dev/shm/ && /dev/shm/echo yes'
	[ "$out" = yes ]
}

# --- disks

@test "a scratch disk for each filesystem, written with O_DIRECT" {
	local fs
	for fs in ext2 ext4 xfs btrfs f2fs vfat; do
		ends 0 uml --disk "512M:$fs" sh -c 'grep ^/dev/ubda /proc/mounts
			dd if=/dev/urandom of=/mnt/0/file bs=64K count=16 oflag=direct status=none
			sync; dd if=/mnt/0/file bs=64K iflag=direct status=none | cmp - /mnt/0/file'
		[[ $out == "/dev/ubda /mnt/0 $fs "* ]]
		[ -z "$err" ]
	done
}

@test "disks as they are, beside one that is mounted" {
	ends 0 uml --disk 3M --disk=64M:ext4 --disk 5M sh -c \
		'for d in a b c; do blockdev --getsize64 /dev/ubd$d; done; stat -fc "%n %T" /mnt/[0-9]'
	[ "$out" = $'3145728\n67108864\n5242880\n/mnt/1 ext2/ext3' ]
}

@test "a disk that the command has mounted is unmounted, too" {
	ends 0 uml --pins --disk 64M sh -c 'mkfs.ext4 -q /dev/ubda && mount /dev/ubda /mnt && echo x >/mnt/x'
	says 'uml/run: pins: acquired'
}

@test "a disk that is too small for its filesystem" {
	ends 125 uml --disk 8M:btrfs true
	[ "$err" = "uml/run: cannot make btrfs on disk 0: '/dev/ubda' is too small to make a usable filesystem" ]
}

@test "brd, null_blk and scsi_debug make disks when asked to, and none before" {
	ends 0 uml ls /sys/block
	[ -z "$out" ]
	ends 0 uml --append "brd.rd_nr=1 brd.rd_size=4096 null_blk.nr_devices=1 null_blk.zoned=1" \
		--append "scsi_debug.add_host=1 scsi_debug.dev_size_mb=16" sh -c \
		'until [ -e /dev/sda ]; do sleep 0.1; done
		ls /sys/block; cat /sys/block/nullb0/queue/zoned; ls /dev/sg0'
	[ "$out" = $'nullb0\nram0\nsda\nhost-managed\n/dev/sg0' ]
}

# --- a kernel that complains

lkdtm() { echo "echo $1 >/sys/kernel/debug/provoke-crash/DIRECT; echo still there"; }

@test "a panic" {
	ends 125 uml sh -c 'echo last words; echo c >/proc/sysrq-trigger'
	[ "$out" = 'last words' ]
	says 'Kernel panic - not syncing: sysrq triggered crash'
	says "uml/run: the kernel panicked; log: log"
	grep -q 'sysrq triggered crash' "$log"
}

@test "a panic before there is a console" {
	ends 125 uml --append 'rootfstype=ext4' true
	says 'Kernel panic - not syncing: VFS: Unable to mount root fs'
}

@test "a BUG, and an access to nowhere" {
	ends 125 uml sh -c "$(lkdtm BUG)"
	says 'BUG: failure at drivers/misc/lkdtm'
	ends 125 uml sh -c "$(lkdtm EXCEPTION)"
	says 'Kernel panic - not syncing: Kernel mode fault at addr 0x0'
}

@test "a warning, though the command is pleased" {
	ends 125 uml sh -c "$(lkdtm WARNING)"
	[ "$out" = 'still there' ]
	says 'WARNING: CPU: 0 PID:'
	says 'uml/run: the kernel complained; log: log'
	says '] lkdtm_WARNING+'
	[ "$(wc -l <<<"$err")" -le 41 ]
}

@test "a task that hangs" {
	ends 124 uml --timeout 4 --append sysctl.kernel.hung_task_timeout_secs=1 sh -c "$(lkdtm HUNG_TASK)"
	says 'INFO: task sh:'
}

@test "a hang, and which task is blocked" {
	ends 124 uml --timeout 2 sh -c "$(lkdtm HUNG_TASK)"
	says 'task:sh '
	says 'uml/run: still not done after 2 s, and stopped; log: log'
}

@test "a hang of a command that is only slow" {
	ends 124 uml --timeout 1 sleep 1000
	says 'uml/run: still not done after 1 s'
}

@test "a kernel that spins" {
	ends 124 uml --timeout 2 sh -c "$(lkdtm HARDLOCKUP)"
}

@test "a kernel that dies without a word" {
	ends 125 uml sh -c 'echo before; echo o >/proc/sysrq-trigger; sleep 1000'
	[ "$out" = before ]
	says 'uml/run: the kernel died; log: log'
}

@test "something that is no kernel" {
	ends 125 uml --kernel /bin/false true
	says 'uml/run: the kernel died'
}

@test "a process that does not die" {
	ends 125 uml sh -c "($(lkdtm HUNG_TASK)) & until grep -q '^State:.D' /proc/\$!/status; do sleep 0.1; done"
	says '(sh) does not die'
}

# --- pins

@test "pins are counted" {
	ends 0 uml --pins "$BATS_FILE_TMPDIR/pin"
	[ "$err" = 'uml/run: pins: acquired 16, released 16' ]
	[ "$(tail -n 1 "$log")" = "$err" ]
}

@test "a pin that nobody releases" {
	ends 125 uml "$BATS_FILE_TMPDIR/pin" leak
	[ "$err" = 'uml/run: pins are left: acquired 16, released 0; log: log' ]
}

# --- ends that come from outside

# a signal that is ignored when a shell script begins cannot be trapped by it
interrupted() { # SIGNAL STATUS
	env --default-signal "$top/uml/run" --kernel "$kernel" --log "$log" \
		sh -c 'trap "" INT TERM HUP; echo ready; sleep 1000' >out 2>err &
	until_said ready out
	kill "-$1" $!
	local got=0
	wait $! || got=$?
	cat err
	[ "$got" = "$2" ]
	nothing_left "$TMPDIR"
}

@test "SIGINT" { interrupted INT 130; }
@test "SIGTERM" { interrupted TERM 143; }
@test "SIGHUP" { interrupted HUP 129; }

@test "what looks after the kernel is killed" {
	uml sh -c 'echo ready; sleep 1000' >out 2>err &
	until_said ready out
	kill -KILL "$(pgrep -P "$(pgrep -P $!)" uml-init)"
	! wait $! || return 1
	grep -q '^uml/run: the process that looks after the kernel has died; log: ' err
}

@test "two at once, which have logs of their own" {
	mkfifo pipe
	rm -f "$BUILD"/logs/run*.log
	"$top/uml/run" --kernel "$kernel" --disk 32M:ext4 sh -c 'echo 1 >/mnt/0/n; echo ready; cat - /mnt/0/n' <pipe >out &
	exec {pipe}>pipe
	until_said ready out
	"$top/uml/run" --kernel "$kernel" --disk 32M:ext4 sh -c 'ls /mnt/0; echo panic now >/dev/kmsg'
	echo more >&"$pipe"
	exec {pipe}>&-
	wait $!
	[ "$(cat out)" = $'ready\nmore\n1' ]
	grep -q 'panic now' "$BUILD/logs/run-2.log"
	! grep -q 'panic now' "$BUILD/logs/run.log" || return 1
}

# --- who and where

@test "an ordinary user, whose files are read and root in there" {
	[ "$(id -u)" = 0 ] || skip "only root can become somebody else"
	dir=$(mktemp -d /tmp/uml-run-test.XXXXXX)
	copy_run "$dir"
	cp "$kernel" "$dir/linux"
	echo mine >"$dir/secret"
	chmod 600 "$dir/secret"
	echo theirs >"$dir/root"
	chmod 600 "$dir/root"
	chown -R 65534:65534 "$dir"
	chown 0:0 "$dir/root"
	cd "$dir"
	ends 0 setpriv --reuid 65534 --regid 65534 --clear-groups env -u BUILD HOME="$dir" TMPDIR="$dir" \
		uml/run --kernel linux --disk 64M:ext4 \
		sh -c 'id -u; cat secret; cat root; echo x >/etc/uml-run-test && echo x >/mnt/0/x && echo written'
	cd /
	nothing_left "$dir"
	rm -r "$dir"
	[ "$out" = $'0\nmine\nwritten' ]
	says 'root: Permission denied'
	[ ! -e /etc/uml-run-test ]
}

@test "its own part is built when it is not there, and when one of its files is newer" {
	export BUILD=$BATS_TEST_TMPDIR/new
	copy_run copy
	ends 125 copy/uml/run true
	[ "$err" = "uml/run: there is no kernel new/run-${BASE:-6.1}/linux; build it: make kernel" ]
	ends 0 copy/uml/run --kernel "$kernel" uname -n
	[ "$out" = uml ]
	sed -i 's/sethostname("uml"/sethostname("two"/' copy/uml/init/guest.c
	ends 0 copy/uml/run --kernel "$kernel" uname -n
	[ "$out" = two ]
	echo broken >>copy/uml/init/init.h
	ends 125 copy/uml/run --kernel "$kernel" true
	[ "$err" = "uml/run: uml/init does not build; mend it; log: new/logs/uml-init.log" ]
	grep -q broken new/logs/uml-init.log
	[ "$(echo new/uml-init*)" = new/uml-init ]
}

@test "--dry-run prints the kernel's command line, and does nothing" {
	ends 0 uml --dry-run --mem 300M --append 'a=b c' --disk 5M true
	[[ $out == *"/linux mem=300M "*" ubd0=$TMPDIR/uml-run.XXXXXX/disk0 a=b c " ]]
	[ ! -e "$log" ]
}

@test "--mem is the kernel's memory" {
	ends 0 uml --mem 200M awk '/MemTotal/ { print ($2 > 150000 && $2 < 205000) }' /proc/meminfo
	[ "$out" = 1 ]
}

@test "--gdb stops at the first system call of the command, which has no input" {
	printf '%s\n' 'tbreak sysrq_handle_sync' continue 'echo stopped\n' continue quit >gdb-script
	GDB='gdb -batch -x gdb-script' ends 3 uml --gdb \
		sh -c 'cat; echo s >/proc/sysrq-trigger; echo after; exit 3' <<<input
	grep -qx 'sh (pid [0-9]*): [a-z]*()' <<<"$out"
	grep -qx 'stopped' <<<"$out"
	! grep -q input <<<"$out" || return 1
	grep -qx 'after' <<<"$out"
}

@test "--gdb with RUN=no, and a gdb that is left" {
	printf '%s\n' 'tbreak start_kernel' run >gdb-script
	RUN=no GDB='gdb -batch -x gdb-script' ends 0 uml --gdb true
	grep -q 'breakpoint 1, start_kernel (' <<<"$out"
	! grep -q handle_syscall <<<"$out" || return 1
}

@test "--help is the comment" {
	ends 0 "$top/uml/run" --help
	[ "$(head -n 1 <<<"$out")" = 'Boot the patched kernel into this machine'\''s files, and run a command there.' ]
	[ "$(tail -n 1 <<<"$out")" = 'command was pleased with itself.' ]
}

@test "options that make no sense" {
	refuses "there is no option --frobnicate; see uml/run --help" --frobnicate true
	refuses "--disk needs a value; see uml/run --help" --disk
	refuses "--disk is not a size: 'big'; say 512M, for example" --disk big:ext4 true
	refuses "--disk is not a size: ''; say 512M, for example" --disk :ext4 true
	refuses "there is no filesystem 'ntfs' for --disk; take one of ext2 ext4 xfs btrfs f2fs vfat" --disk 9M:ntfs true
	refuses "--mem is not a size: '-1'; say 512M, for example" --mem -1 true
	refuses "--mem 5M is too little; the kernel needs 64M" --mem 5M true
	refuses "--timeout is not a number of seconds: 'soon'" --timeout soon true
	refuses "cannot write no/such/log" --log no/such/log true
	refuses "there is no kernel nowhere; build it: make kernel" --kernel nowhere true
}

@test "more memory than there is room for" {
	ends 125 uml --mem 100T true
	says "uml/run: no room for the kernel's memory: --mem 100T, and there is "
	[ "$(wc -l <<<"$err")" = 1 ]
}
