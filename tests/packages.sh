#!/bin/bash
# The Debian packages on a clean Debian 12: installed, configured from their own
# examples, upgraded, removed and purged, with publishes by the reference's
# client; and what their units let the programs do.  TAP.
#
#   tests/packages.sh [STORY ...]   of made, units, lived, untouched, booted
#
#   PACKAGES_ROOT=FILE  a tar file of the clean Debian, made by debootstrap if it is not there
#                       (default: packages-root.tar beside BULLA_BIN_DIR)
#   BULLA_BIN_DIR       where the binaries are (default: the debug build)
#   STORIES_KEEP=1      keep the work directories (all logs)
#   CI=true             what is missing is a failure, not a skip
#
# systemd is booted in one story.  In the others the commands of the units are run
# as their accounts, and their system calls are held against what the units allow.
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/peers/required.sh"
. "$HERE/peers/processes.sh"
. "$HERE/peers/engines.sh"
. "$HERE/peers/pki.sh"
. "$HERE/peers/stories.sh"
. "$HERE/peers/halves.sh"
ROOT_TAR=${PACKAGES_ROOT:-$(dirname "$BULLA_BIN_DIR")/packages-root.tar}
SERVICES=(bulla-signer bulla-server)

# root_made: the clean Debian as a tar file, from the mirror that apt has here
root_made() {
  [ ! -e "$ROOT_TAR" ] || return 0
  local mirror work
  mirror=$(apt-get indextargets --format '$(SITE)' 'Codename: bookworm' 'Component: main' 'Created-By: Packages' | head -1)
  work=$(mktemp -d "${TMPDIR:-/tmp}/bulla-root.XXXXXX")
  debootstrap --variant=minbase --include=adduser,systemd bookworm "$work/root" "$mirror" >"$work/log" 2>&1 &&
    tar -C "$work/root" --numeric-owner -cf "$ROOT_TAR.new" . && mv "$ROOT_TAR.new" "$ROOT_TAR" || tail -5 "$work/log"
  rm -rf "$work"
  [ -e "$ROOT_TAR" ]
}

# clean_root: ROOT, with the packages of version 1 and 2 in its /packages
clean_root() {
  ROOT=$TRUST_STATE/root
  mkdir "$ROOT" && tar -C "$ROOT" -xf "$ROOT_TAR" || fail "no clean Debian"
  echo "127.0.0.1 localhost" >"$ROOT/etc/hosts"
  mkdir "$ROOT/packages" && cp "$WORK"/packages/*.deb "$ROOT/packages/"
}

# in_root COMMAND...: as root of the clean Debian, with a /proc that ends with the command
in_root() { unshare --mount --propagation private bash -c 'mount -t proc proc "$0/proc" && exec chroot "$0" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"' "$ROOT" "$@"; }

# installed VERSION: all three
installed() { must in_root sh -c "dpkg -i /packages/*_$1_*.deb"; }

unit_of() { sed -n "s/^$2=//p" "$ROOT/usr/lib/systemd/system/$1.service"; }

# started NAME PORT [TRACE]: the command of its unit, as its account, with its variables; its PID is in PIDS[NAME].  TRACE is a
# file for its system calls.
declare -A PIDS=()
started() {
  local name=$1 port=$2 account variables=() tracer=()
  account=$(unit_of "$name" User)
  mapfile -t variables < <(grep -v '^#' "$ROOT/etc/default/$name")
  [ -z "${3:-}" ] || tracer=(strace -f -qq -o "$3" -E LD_PRELOAD=)
  # shellcheck disable=SC2046 # the command of a unit has no quotes
  "${tracer[@]}" unshare --mount --propagation private bash -c \
    'mount -t proc proc "$0/proc" && exec chroot --userspec="$1:$1" "$0" env -i PATH=/usr/bin "${@:2}"' \
    "$ROOT" "$account" ${variables[@]+"${variables[@]}"} $(unit_of "$name" ExecStart) >>"$TRUST_STATE/$name.log" 2>&1 &
  PIDS[$name]=$!
  CHILDREN+=($!)
  wait_port "$port" $! "$name" || fail "$name did not start: $(tail -3 "$TRUST_STATE/$name.log")"
}
stopped() {
  local name
  for name in "${SERVICES[@]}"; do
    pkill -TERM -P "${PIDS[$name]}" 2>/dev/null || kill "${PIDS[$name]}"
    wait "${PIDS[$name]}"
  done
}

# configured: from the examples, with certificates of this run and free ports
configured() {
  local name
  trust_address
  pki_leaf "$WORK/pki" bulla-server DNS:bulla-server
  # accounts of the clean Debian, not of this machine
  give() { install -m 0640 "$2" "$ROOT/etc/$1/$3" && in_root chgrp "$1" "/etc/$1/$3" || fail "$3"; }
  give bulla-server "$TRUST_TLS_CERT" server.crt
  give bulla-server "$TRUST_TLS_KEY" server.key
  give bulla-server "$TRUST_TLS_CA" signer-ca.crt
  give bulla-server "$WORK/pki/bulla-server.pem" client.crt
  give bulla-server "$WORK/pki/bulla-server.key" client.key
  give bulla-signer "$TRUST_TLS_CERT" signer.crt
  give bulla-signer "$TRUST_TLS_KEY" signer.key
  give bulla-signer "$TRUST_TLS_CA" server-ca.crt
  echo a-passphrase-of-a-test >"$TRUST_STATE/k1"
  give bulla-signer "$TRUST_STATE/k1" k1
  METRICS=$(free_port) SIGNER_METRICS=$(free_port)
  jq --arg address "$LISTEN" --arg port "$SIGNER_PORT" --arg metrics "127.0.0.1:$METRICS" \
    '.server.http_addr = $address | .trust_service.port = $port | .metrics.http_addr = $metrics' \
    "$ROOT/usr/share/doc/bulla-server/examples/server.json" >"$TRUST_STATE/server.json" || fail "the server's example"
  jq --arg address "localhost:$SIGNER_PORT" --arg metrics "127.0.0.1:$SIGNER_METRICS" '.server.grpc_addr = $address | .server.http_addr = $metrics' \
    "$ROOT/usr/share/doc/bulla-signer/examples/signer.json" >"$TRUST_STATE/signer.json" || fail "the signer's example"
  give bulla-server "$TRUST_STATE/server.json" server.json
  give bulla-signer "$TRUST_STATE/signer.json" signer.json
  rm "$TRUST_STATE"/{server,signer}.json
}

# owned PATH: who owns it, and its mode
owned() { in_root stat -c '%U:%G %a' "$1"; }

made() {
  must env BULLA_COMPRESSION=1 "$REPOSITORY/packaging/debian/build.sh" "$TRUST_STATE/again"
  local package
  for package in "$TRUST_STATE"/again/*.deb; do
    cmp "$package" "$WORK/packages/$(basename "$package" | sed "s/_[^_]*_/_$FIRST\_/")" && continue
    fail "$(basename "$package") is another one when it is made again"
  done
  # the project has no mail host yet; programs of servers have --help and no page
  must lintian --fail-on error --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog "$WORK"/packages/*_"$FIRST"_*.deb
}

# allowed UNIT: the system calls that it lets through, one a line
allowed() {
  local rule group names
  while read -r rule; do
    names=
    for group in ${rule#\~}; do
      case $group in @*) names+=" $(calls_of "$group")" ;; *) names+=" $group" ;; esac
    done
    case $rule in
      \~*) comm -23 <(sort -u "$TRUST_STATE/allowed") <(tr ' ' '\n' <<<"$names" | sort -u) >"$TRUST_STATE/allowed.new" && mv "$TRUST_STATE/allowed.new" "$TRUST_STATE/allowed" ;;
      *) tr ' ' '\n' <<<"$names" | sed '/^$/d' | sort -u >"$TRUST_STATE/allowed" ;;
    esac
  done < <(sed -n 's/^SystemCallFilter=//p' "$REPOSITORY/packaging/systemd/$1.service")
  cat "$TRUST_STATE/allowed"
}
# calls_of @GROUP: what systemd means by it, groups in it resolved
calls_of() {
  local name
  while read -r name; do
    case $name in @*) [ "$name" = "$1" ] || calls_of "$name" ;; \#* | '') ;; *) echo "$name" ;; esac
  done < <(systemd-analyze syscall-filter "$1" | sed 's/^ *//; s/ .*//')
}

units() {
  local name made
  clean_root
  installed "$FIRST"
  for name in "${SERVICES[@]}"; do
    must systemd-analyze security --offline=true --threshold=15 "$REPOSITORY/packaging/systemd/$name.service"
    note "$name: $(tail -1 <<<"$OUT" | sed 's/[^ -~]//g; s/^ *//; s/ *$//')"
  done
  must systemd-analyze verify --root="$ROOT" --man=no bulla-signer.service bulla-server.service
  configured
  started bulla-signer "$SIGNER_PORT" "$TRUST_STATE/bulla-signer.calls"
  started bulla-server "${LISTEN##*:}" "$TRUST_STATE/bulla-server.calls"
  GUN=packages.test/app
  publish_tag owner first
  must notary_as owner key rotate "$GUN" snapshot -r
  publish_tag owner second
  stopped
  for name in "${SERVICES[@]}"; do
    # from the start of the program on: what comes before is this test's own
    sed -n "/execve(\"\/usr\/bin\/$name\"/,\$p" "$TRUST_STATE/$name.calls" | sed -nE 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' | sort -u >"$TRUST_STATE/made"
    [ -s "$TRUST_STATE/made" ] || fail "no system call of $name was seen"
    allowed "$name" >"$TRUST_STATE/$name.allowed"
    made=$(comm -23 "$TRUST_STATE/made" <(sort -u "$TRUST_STATE/$name.allowed") | xargs)
    expect "$made" "" "system calls of $name that its unit forbids"
    note "$name makes $(wc -l <"$TRUST_STATE/made") kinds of system calls, of $(wc -l <"$TRUST_STATE/$name.allowed") that its unit allows"
  done
}

lived() {
  local name
  clean_root
  installed "$FIRST"
  grep -q "bulla-server is not configured, and not started" <<<"$OUT" || fail "that it is not configured is not told"
  for name in "${SERVICES[@]}"; do
    expect "$(owned "/var/lib/$name") $(owned "/etc/$name")" "$name:$name 700 root:$name 750" "directories of $name"
    expect "$(readlink "$ROOT/etc/systemd/system/multi-user.target.wants/$name.service")" "/lib/systemd/system/$name.service" "what starts $name"
    expect "$(in_root getent passwd "$name" | cut -d: -f6,7)" "/var/lib/$name:/usr/sbin/nologin" "the account $name"
  done
  expect "$(in_root bulla --version | head -1 | cut -d' ' -f1)" bulla "the client"
  configured
  must in_root bulla-server -config /etc/bulla-server/server.json config check
  started bulla-signer "$SIGNER_PORT"
  started bulla-server "${LISTEN##*:}"
  GUN=packages.test/app
  publish_tag owner first
  must notary_as owner key rotate "$GUN" snapshot -r
  # neither gets at what is the other's
  for name in /var/lib/bulla-signer/signer.db /etc/bulla-signer/k1 /etc/bulla-signer/signer.key; do
    in_root test -e "$name" || fail "$name is not there"
    in_root chroot --userspec=bulla-server:bulla-server / test -r "$name" && fail "the server's account reads $name"
  done
  in_root chroot --userspec=bulla-signer:bulla-signer / test -r /etc/bulla-server/server.key && fail "the signer's account reads the server's key"
  stopped

  # an upgrade keeps what was changed and stored
  echo NOTARY_SERVER_LOGGING_LEVEL=warning >>"$ROOT/etc/default/bulla-server"
  installed "$SECOND"
  expect "$(in_root dpkg-query -W -f '${Version} ' bulla-server bulla-signer bulla)" "$SECOND $SECOND $SECOND " "versions"
  expect "$(tail -1 "$ROOT/etc/default/bulla-server")" NOTARY_SERVER_LOGGING_LEVEL=warning "what an administrator changed"
  started bulla-signer "$SIGNER_PORT"
  started bulla-server "${LISTEN##*:}"
  publish_tag owner second
  tags_seen_by reader
  expect "$(cut -d' ' -f1 <<<"$TAGS" | xargs)" "first second" "tags after the upgrade"
  stopped

  # what is removed can be installed again, with its data
  must in_root dpkg --remove bulla-server bulla-signer bulla
  for name in /usr/bin/bulla-server /usr/lib/systemd/system/bulla-signer.service /usr/bin/bulla; do [ ! -e "$ROOT$name" ] || fail "$name is left"; done
  for name in /var/lib/bulla-server/server.db /var/lib/bulla-signer/signer.db /etc/default/bulla-server; do [ -e "$ROOT$name" ] || fail "$name is gone"; done
  installed "$SECOND"
  started bulla-signer "$SIGNER_PORT"
  started bulla-server "${LISTEN##*:}"
  publish_tag owner third
  tags_seen_by reader
  expect "$(cut -d' ' -f1 <<<"$TAGS" | xargs)" "first second third" "tags after it was removed and installed again"
  stopped

  # purged, and what nobody can make again is named and kept
  must in_root dpkg --purge bulla-server bulla-signer bulla
  grep -q "kept, with the account bulla-signer whose they are: /etc/bulla-signer /var/lib/bulla-signer" <<<"$OUT" || fail "what is kept is not told"
  for name in /var/lib/bulla-server/server.db /var/lib/bulla-signer/signer.db /etc/bulla-signer/k1; do [ -e "$ROOT$name" ] || fail "$name is gone"; done
  for name in /etc/default/bulla-server /etc/default/bulla-signer; do [ ! -e "$ROOT$name" ] || fail "$name is left"; done
  expect "$(owned /var/lib/bulla-signer)" "bulla-signer:bulla-signer 700" "whose the keys are"
}

# everything: each file of the clean Debian with its mode and owner, and its accounts, but for what dpkg writes of itself
everything() {
  (cd "$ROOT" && find . -xdev \( -path ./proc -o -path ./run -o -path ./var/lib/dpkg -o -path ./var/log -o -path ./var/cache \) -prune -o -printf '%p %m %u:%g\n' | LC_ALL=C sort)
  in_root getent passwd
  in_root getent group
}

untouched() {
  clean_root
  # these two keep a copy of what was before
  touch "$ROOT"/etc/{passwd,group,shadow,gshadow,subuid,subgid}-
  everything >"$TRUST_STATE/before"
  installed "$FIRST"
  must in_root dpkg --purge bulla-server bulla-signer bulla
  everything >"$TRUST_STATE/after"
  sed -i -E '/^\.\/etc\/(passwd|group|shadow|gshadow|subuid|subgid)-? /d; /^\. /d' "$TRUST_STATE/before" "$TRUST_STATE/after"
  expect_same "$TRUST_STATE/after" "$TRUST_STATE/before" "what a purge leaves behind"
}

# inside COMMAND...: in the Debian that was booted
inside() { nsenter --target "$LEADER" --mount --pid --uts --ipc "$@"; }
# told_by NAME: the last lines of its journal
told_by() { inside journalctl --no-pager --lines 20 --output cat --unit "$1.service"; }
# running NAME: it is, within half a minute, as its account and with nothing that it could do besides; MAIN is its PID
running() {
  local _ said
  for _ in $(seq 1 300); do [ "$(inside systemctl is-active "$1.service")" = active ] && break; sleep 0.1; done
  [ "$(inside systemctl is-active "$1.service")" = active ] || { told_by "$1"; fail "$1 is not running"; }
  MAIN=$(inside systemctl show --value --property MainPID "$1.service")
  [ "$MAIN" != 0 ] || { told_by "$1"; fail "$1 ended"; }
  said=$(inside sed -nE 's/^(CapEff|NoNewPrivs|Seccomp):\t//p' "/proc/$MAIN/status" | xargs)
  expect "$said" "0000000000000000 1 2" "capabilities, new privileges and the filter of system calls of $1"
  expect "$(inside stat -c %U "/proc/$MAIN")" "$1" "whose process $1 is"
}
all_running() {
  local name
  for name in "${SERVICES[@]}"; do running "$name"; done
  wait_port "${LISTEN##*:}" "$NSPAWN" bulla-server || fail "the server does not listen"
}

booted() {
  local before
  clean_root
  installed "$FIRST"
  configured
  systemd-nspawn --quiet --register=no --keep-unit --directory "$ROOT" --console=pipe /lib/systemd/systemd >"$TRUST_STATE/boot.log" 2>&1 </dev/null &
  NSPAWN=$!
  CHILDREN+=("$NSPAWN")
  for _ in $(seq 1 100); do LEADER=$(pgrep --parent "$NSPAWN" | head -1); [ -n "$LEADER" ] && break; sleep 0.1; done
  for _ in $(seq 1 300); do [ "$(inside systemctl is-system-running 2>/dev/null)" = running ] && break; sleep 0.1; done
  expect "$(inside systemctl is-system-running)" running "the Debian that was booted"
  all_running
  GUN=packages.test/booted
  publish_tag owner first
  must notary_as owner key rotate "$GUN" snapshot -r
  # a reload is no restart
  running bulla-server
  before=$MAIN
  must inside systemctl reload bulla-server
  running bulla-server
  expect "$MAIN" "$before" "the process after a reload"
  # what is killed comes back by itself
  inside kill -KILL "$MAIN"
  for _ in $(seq 1 100); do [ "$(inside systemctl show --value --property MainPID bulla-server)" != "$before" ] && break; sleep 0.1; done
  all_running
  publish_tag owner second
  # an upgrade restarts, and what is removed is stopped
  before=$MAIN
  must inside sh -c "PATH=/usr/sbin:/usr/bin:/sbin:/bin dpkg -i /packages/*_${SECOND}_*.deb"
  all_running
  [ "$MAIN" != "$before" ] || fail "the old program runs on after an upgrade"
  publish_tag owner third
  tags_seen_by reader
  expect "$(cut -d' ' -f1 <<<"$TAGS" | xargs)" "first second third" "tags"
  must inside sh -c "PATH=/usr/sbin:/usr/bin:/sbin:/bin dpkg --purge bulla-server"
  expect "$(inside systemctl is-active bulla-server.service)" inactive "what was removed"
  running bulla-signer
  must inside systemctl stop bulla-signer
}

require_peers debootstrap lintian systemd-container
require_bulla bulla-server bulla-signer bulla
command -v systemd-analyze >/dev/null || skip_all "systemd-analyze is not installed"
stories_begin packages
FIRST=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$REPOSITORY/Cargo.toml")
SECOND=$FIRST+1
root_made || { echo "Bail out! debootstrap failed"; exit 1; }
for version in "$FIRST" "$SECOND"; do
  BULLA_COMPRESSION=1 BULLA_VERSION=$version "$REPOSITORY/packaging/debian/build.sh" "$WORK/packages" >/dev/null || { echo "Bail out! the packages cannot be made"; exit 1; }
done
[ $# != 0 ] || set -- made units lived untouched booted
for story in "$@"; do
  case $story in
    made) tell "$story" "the same programs make the same packages, without an error that lintian knows" made ;;
    units) tell "$story" "the units take away what they can, and nothing that the programs need" units ;;
    lived) tell "$story" "installed, upgraded, removed and purged, and nothing is lost that cannot be made again" lived ;;
    untouched) tell "$story" "installed and purged without use, nothing is left behind" untouched ;;
    booted) tell "$story" "systemd starts them with nothing that they could do besides, restarts and stops them" booted ;;
    *) echo "Bail out! unknown story $story"; exit 1 ;;
  esac
done
stories_end
