#!/bin/bash
# Events of publishes, deletions and rotations by the real client, told to a real
# receiver over TLS that is down for a while, and by a server that is killed
# meanwhile: each once, in order, with a valid signature.  TAP.
#
#   tests/webhooks.sh [sqlite postgres mariadb expiry]
#
#   WEBHOOKS_DOWN_SECONDS=n  for how long the receiver takes nothing (default 20)
#   BULLA_BIN_DIR            where the binaries are (default: the debug build)
#   STORIES_KEEP=1           keep the work directories (all logs)
#   CI=true                  what is missing is a failure, not a skip
#
# Two servers are on PostgreSQL and on MariaDB.
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/peers/required.sh"
. "$HERE/peers/processes.sh"
. "$HERE/peers/engines.sh"
. "$HERE/peers/pki.sh"
. "$HERE/peers/stories.sh"
. "$HERE/peers/halves.sh"
DOWN=${WEBHOOKS_DOWN_SECONDS:-20}
export TRUST_LOG_LEVEL=info
TRUST_LIMITS='{"client_requests_per_minute": 0}'

# receiver: starts the receiver, which does what MODE says
receiver() {
  python3 "$HERE/webhooks/receiver.py" "$RECEIVER_PORT" "$TRUST_TLS_CERT" "$TRUST_TLS_KEY" "$TRUST_STATE/known" "$TRUST_STATE/mode" \
    "$TRUST_STATE/notes" >>"$TRUST_STATE/receiver.log" 2>&1 &
  RECEIVER_PID=$!
  CHILDREN+=("$RECEIVER_PID")
  wait_port "$RECEIVER_PORT" "$RECEIVER_PID" receiver || fail "the receiver did not start"
}
no_receiver() { kill -KILL "$RECEIVER_PID"; wait "$RECEIVER_PID" 2>/dev/null; }
does() { echo "$1" >"$TRUST_STATE/mode"; }
# asked_for [FILTER]: how many requests came, or such requests
asked_for() { jq -s "map(select(${1:-true})) | length" "$TRUST_STATE/notes"; }

# await SECONDS WHAT COMMAND...: until it is so
await() {
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$until" ] || fail "not in time: $what"
    sleep 0.2
  done
}
at_least() { [ "$(asked_for "$2")" -ge "$1" ]; }

# servers: as many as this engine is told with, each at its own address; the clients' is the first
servers() {
  local number
  SERVER_PIDS=()
  for number in $(seq "$SERVERS"); do
    launch_server "$(program server bulla)" "${LISTENS[number - 1]}" "$SERVER_STORAGE" "$(remote_trust)" "server-$number"
    SERVER_PIDS+=("$SERVER_PID")
  done
  for number in $(seq "$SERVERS"); do
    await_server "${LISTENS[number - 1]}" "${SERVER_PIDS[number - 1]}" "server-$number" || fail "server $number did not start"
  done
}
killed_servers() {
  kill -KILL "${SERVER_PIDS[@]}"
  wait "${SERVER_PIDS[@]}" 2>/dev/null
}

# some_work NUMBER: by the real client, into several repositories
some_work() {
  GUN=hooks.test/team/app publish_tag owner "tag-$1"
  GUN=hooks.test/other publish_tag owner "tag-$1"
  case $(($1 % 4)) in
    1) must notary_as owner key rotate hooks.test/team/app targets; ROTATIONS=$((ROTATIONS + 1)) ;;
    2) GUN=hooks.test/gone publish_tag owner "tag-$1" ;;
    3)
      must notary_as owner delete --remote hooks.test/gone
      DELETIONS=$((DELETIONS + 1))
      ;;
  esac
}
# works_for SECONDS: at it for so long, about ten times
works_for() {
  local until=$((SECONDS + $1)) pause=$(($1 / 10)) left
  while [ "$SECONDS" -lt "$until" ]; do
    WORK_DONE=$((WORK_DONE + 1))
    some_work "$WORK_DONE"
    # no longer than there is time, and no work without a pause at its end
    left=$((until - SECONDS))
    [ "$left" -le 0 ] || sleep $((left < pause ? left : pause))
  done
}

# told PATH [REPEATED...]: FIGURES; all of the feed was told there as it must be, or is not yet (2)
told() {
  local path=$1
  shift
  served '_trust/changefeed?records=10000' >"$TRUST_STATE/feed" || fail "no feed"
  echo "hooks.test/team/app $ROTATIONS" >"$TRUST_STATE/key-changes"
  [ "$ROTATIONS" != 0 ] || : >"$TRUST_STATE/key-changes"
  python3 "$HERE/webhooks/told.py" "$TRUST_STATE/notes" "$TRUST_STATE/feed" "$path" "$TRUST_STATE/key-changes" "$@" >"$TRUST_STATE/figures" 2>"$TRUST_STATE/lacking"
}
# all_told SECONDS PATH [REPEATED...]: within so many
all_told() {
  local until=$((SECONDS + $1)) status
  shift
  while :; do
    status=0
    told "$@" || status=$?
    [ $status != 0 ] || break
    [ $status = 2 ] && [ "$SECONDS" -lt "$until" ] || fail "$(tail -1 "$TRUST_STATE/lacking")"
    sleep 1
  done
  FIGURES=$(cat "$TRUST_STATE/figures")
}

# metric NAME WEBHOOK [PORT...]: the sum over these servers, or all
metric() {
  local watch
  for watch in $([ $# = 2 ] && echo "${WATCHES[@]}" || echo "${@:3}"); do curl -sSf --noproxy '*' --cacert "$TRUST_TLS_CA" "https://localhost:$watch/metrics"; done |
    awk -v name="$1{webhook=\"$2\"}" '$1 == name { sum += $2 } END { print sum + 0 }'
}

webhook() {
  jq -nc --arg name "$1" --arg url "https://localhost:$RECEIVER_PORT/$1?token=geheim" --arg secret "$TRUST_STATE/secret" --arg ca "$TRUST_TLS_CA" \
    --argjson more "$2" '{$name, $url, secret_file: $secret, tls_ca_file: $ca} + $more'
}

delivered() {
  local number mode repeated before
  engine_start "$1" "$TRUST_STATE/$1" && engine_database signer && engine_database server || fail "$1 did not start"
  SIGNER_STORAGE=$(engine_storage signer) SERVER_STORAGE=$(engine_storage server)
  SERVERS=2 ROTATIONS=0 DELETIONS=0 WORK_DONE=0
  [ "$1" != sqlite ] || SERVERS=1
  SIGNER_PORT=$(free_port) RECEIVER_PORT=$(free_port) LISTENS=() WATCHES=()
  for number in $(seq "$SERVERS"); do
    WATCHES+=("$(free_port)")
    LISTENS+=("127.0.0.1:${WATCHES[number - 1]}")
  done
  URL=https://localhost:${WATCHES[0]}
  : >"$TRUST_STATE/notes"
  (umask 077 && echo "whsec_$(openssl rand -base64 32)" >"$TRUST_STATE/secret")
  cp "$TRUST_STATE/secret" "$TRUST_STATE/known"
  # to the same receiver: of everything, of deletions below a name, and one that may not go to this machine
  local all deletions private
  all=$(webhook all '{"allow_private_addresses": true}')
  deletions=$(webhook deletions '{"allow_private_addresses": true, "events": ["delete"], "gun_prefix": "hooks.test/gone"}')
  private=$(webhook private '{}')
  SERVER_SECTIONS="\"webhooks\": [$all, $deletions, $private],"
  start_signer "$(program signer bulla)" "$SIGNER_STORAGE" || fail "the signer did not start"
  servers
  does ok
  receiver
  for number in 1 2; do some_work 0; done
  all_told 60 /all

  # the receiver is down, in each of the ways, while work goes on; all servers are killed in the middle of it
  local began=$SECONDS
  no_receiver
  works_for $((DOWN / 4))
  receiver
  for mode in hang 500 redirect; do
    does "$mode"
    works_for $((DOWN / 4))
    await 240 "an attempt that is answered so: $mode" at_least 1 ".mode == \"$mode\" and .path == \"/all\""
    [ "$mode" != 500 ] || { killed_servers; servers; }
  done
  note "$1: the receiver took nothing for $((SECONDS - began)) s of $WORK_DONE rounds of work, with $ROTATIONS rotations and $DELETIONS deletions"
  expect "$(asked_for '.path == "/elsewhere"')" 0 "requests to where the redirect leads"
  [ "$(metric bulla_webhook_oldest_undelivered_seconds all)" -ge $((DOWN / 2)) ] || fail "the age of what waits is not told"

  # a server that is killed between the receiver's yes and its own note of it sends that event again, and nothing else
  does slow
  await 240 "an attempt" at_least 1 '.mode == "slow" and .path == "/all"'
  killed_servers
  repeated=$(jq -rs '[.[] | select(.mode == "slow" and .path == "/all")][0].id' "$TRUST_STATE/notes")
  expect "$(asked_for '.mode == "slow" and .path == "/all"')" 1 "events taken before the kill"
  does ok
  servers
  all_told 300 /all "$repeated"
  note "$1: $FIGURES"
  grep -q ' 1 taken twice' <<<"$FIGURES" || fail "what the kill repeats is not repeated"

  # what others are told of
  await 240 "all deletions" at_least "$DELETIONS" '.path == "/deletions" and .taken'
  expect "$(asked_for '.path == "/deletions" and (.event.type != "delete" or .event.gun != "hooks.test/gone")')" 0 "events that nobody asked for"
  expect "$(jq -rs '[.[] | select(.path == "/deletions" and .taken) | .id] | unique | length' "$TRUST_STATE/notes")" "$DELETIONS" "deletions told"
  expect "$(asked_for '.path | startswith("/private")')" 0 "requests at a private address that was not allowed"
  grep -q 'private address\|private network' "$TRUST_STATE"/server-1.log "$TRUST_STATE"/server-*.log || fail "that is not said in the log"

  # none of them has delivered what another one has: all came once, and the counts of the servers add up
  before=$(metric bulla_webhook_events_delivered_total all)
  for number in $(seq 6); do WORK_DONE=$((WORK_DONE + 1)); some_work $((4 * WORK_DONE)); done
  all_told 60 /all "$repeated"
  expect "$(($(metric bulla_webhook_events_delivered_total all) - before))" 12 "events that the servers delivered together"
  expect "$(metric bulla_webhook_oldest_undelivered_seconds all)" 0 "the age of what waits when nothing does"

  # the secret is exchanged without a restart: both are signed with, then the new one alone
  (umask 077 && echo "whsec_$(openssl rand -base64 32)" >"$TRUST_STATE/new")
  cat "$TRUST_STATE/new" >>"$TRUST_STATE/secret"
  kill -HUP "${SERVER_PIDS[@]}"
  sleep 6
  cp "$TRUST_STATE/new" "$TRUST_STATE/known"
  some_work $((4 * ++WORK_DONE))
  all_told 60 /all "$repeated"
  expect "$(jq -rs 'last | "\(.signatures) \(.fits)"' "$TRUST_STATE/notes")" '2 [0]' "signatures while two secrets are in force"
  cp "$TRUST_STATE/new" "$TRUST_STATE/secret"
  kill -HUP "${SERVER_PIDS[@]}"
  sleep 6
  some_work $((4 * ++WORK_DONE))
  all_told 60 /all "$repeated"
  expect "$(jq -rs 'last | "\(.signatures) \(.fits)"' "$TRUST_STATE/notes")" '1 [0]' "signatures when the old secret is gone"

  # a server that is told to stop lets another one, or itself, go on at once
  kill "${SERVER_PIDS[@]}"
  wait "${SERVER_PIDS[@]}"
  servers
  some_work $((4 * ++WORK_DONE))
  all_told 20 /all "$repeated"

  # one that dies is followed by another when its time has run out
  if [ "$SERVERS" = 2 ]; then
    number=0
    [ "$(metric bulla_webhook_events_delivered_total all "${WATCHES[0]}")" != 0 ] || number=1
    expect "$(metric bulla_webhook_events_delivered_total all "${WATCHES[1 - number]}")" 0 "events delivered by the one that rests"
    kill -KILL "${SERVER_PIDS[number]}"
    URL=https://localhost:${WATCHES[1 - number]}
    before=$SECONDS
    some_work $((4 * ++WORK_DONE))
    all_told 60 /all "$repeated"
    note "$1: the other server had delivered $((SECONDS - before)) s after the first was killed"
  fi

  # nobody is told the secret or where events are sent to
  if grep -l "geheim\|$(cut -c7- "$TRUST_STATE/new")" "$TRUST_STATE"/server-*.log; then fail "a secret is in the log"; fi
}

# near_expiry: what ends in ten days, as it was published by a client of long ago; again after a start, by the same ids
near_expiry() {
  local first hook
  engine_start sqlite "$TRUST_STATE/sqlite"
  SIGNER_STORAGE=$(engine_storage signer) SERVER_STORAGE=$(engine_storage server)
  SERVERS=1 RECEIVER_PORT=$(free_port) WATCHES=("$(free_port)") SIGNER_PORT=$(free_port)
  LISTENS=("127.0.0.1:${WATCHES[0]}") URL=https://localhost:${WATCHES[0]}
  : >"$TRUST_STATE/notes"
  (umask 077 && openssl rand -base64 32 >"$TRUST_STATE/secret")
  cp "$TRUST_STATE/secret" "$TRUST_STATE/known"
  hook=$(webhook old '{"allow_private_addresses": true, "events": ["near_expiry"], "gun_prefix": "hooks.test"}')
  SERVER_SECTIONS="\"webhooks\": [$hook],"
  start_signer "$(program signer bulla)" "$SIGNER_STORAGE" || fail "the signer did not start"
  servers
  does ok
  receiver
  MOVED=(LD_PRELOAD="$(clock_mover)" FAKETIME="-$(((3 * 365 - 10) * 86400))")
  must bulla_as old repo init -p hooks.test/old
  MOVED=()
  must bulla_as old repo init -p hooks.test/young
  # targets and the snapshot, which its publisher signed, too
  await 180 "what ends soon" at_least 2 .taken
  first=$(jq -rs 'map(.id) | unique[]' "$TRUST_STATE/notes")
  GUN=hooks.test/old
  expect "$(jq -rsc 'map(.event) | sort_by(.role)[] | [.type, .gun, .role, .version, .days]' "$TRUST_STATE/notes" | xargs)" \
    "[near_expiry,$GUN,snapshot,$(version_of snapshot),30] [near_expiry,$GUN,targets,$(version_of targets),30]" "what is told"
  kill "${SERVER_PIDS[@]}"
  wait "${SERVER_PIDS[@]}"
  servers
  await 180 "what ends soon, after a start" at_least 4 .taken
  expect "$(jq -rs 'map(.id) | unique[]' "$TRUST_STATE/notes")" "$first" "their ids"
  expect "$(asked_for '.valid | not')" 0 "signatures that are not valid"
}

require_peers
require_bulla bulla-server bulla-signer bulla
peer_versions
PKI_YEARS_AGO=4 stories_begin webhooks # one story publishes as if it were years ago
[ $# != 0 ] || set -- sqlite postgres mariadb expiry
for engine in "$@"; do
  [ "$engine" != expiry ] || { tell expiry "what ends soon is told, and again after a start by the same ids" near_expiry; continue; }
  tell "$engine" "$engine: a receiver that was down is told each event once, in order, with a valid signature" delivered "$engine"
done
stories_end
