#!/bin/bash
# A database put back from a backup: clients that saw what came after it go on,
# with what they hold taken back and all versions moved on; and without that they
# refuse it.  TAP.
#
#   tests/restore.sh [sqlite postgres mariadb]
#
#   RESTORE_PUBLISHES=n  after the backup (default 10)
#   BULLA_BIN_DIR        where the binaries are (default: the debug build)
#   STORIES_KEEP=1       keep the work directories (all logs)
#   CI=true              what is missing is a failure, not a skip
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/peers/required.sh"
. "$HERE/peers/processes.sh"
. "$HERE/peers/engines.sh"
. "$HERE/peers/pki.sh"
. "$HERE/peers/stories.sh"
. "$HERE/peers/halves.sh"
PUBLISHES=${RESTORE_PUBLISHES:-10}
export TRUST_LOG_LEVEL=warning

# admin CONFIGURATION VERB ARGS...: STATUS and OUT
admin() {
  local configuration=$TRUST_STATE/$1.json
  shift
  echo "+ admin $*"
  STATUS=0
  OUT=$("$BULLA_BIN_DIR/bulla-server" -config "$configuration" admin "$@" 2>&1) || STATUS=$?
  echo "$OUT"
}

# configuration NAME: as the server's, with a database of that name
configuration() {
  local storage
  engine_database "$1" || fail "no database $1"
  storage=$(engine_storage "$1")
  jq --argjson storage "$storage" '.storage = ($storage | del(.default_alias))' "$TRUST_STATE/server.json" >"$TRUST_STATE/$1.json"
}

# serve CONFIGURATION: in place of the server that was there, at its address
serve() {
  "$BULLA_BIN_DIR/bulla-server" -config "$TRUST_STATE/$1.json" >>"$TRUST_STATE/$1.log" 2>&1 &
  SERVER_PID=$!
  CHILDREN+=("$SERVER_PID")
  await_server "$LISTEN" "$SERVER_PID" "$1" || fail "the server did not start on $1"
}
stop_server() { kill "$SERVER_PID" && wait "$SERVER_PID"; }

# refused HOME TEXT: each of our tags is refused to it as older than what it saw
refused() {
  local said
  said=$(notary_as "$1" list "$GUN" 2>&1) && fail "$1 takes an older state of $GUN"
  echo "$said"
  grep -qi "$2" <<<"$said" || fail "$1 refuses $GUN for another reason"
}

# bulla_refuses HOME TEXT: the same of ours, with the status of what cannot be believed
bulla_refuses() {
  local status=0
  bulla_as "$1" repo list "$GUN" >"$TRUST_STATE/refusal" 2>&1 || status=$?
  cat "$TRUST_STATE/refusal"
  expect "$status" 3 "the status of bulla"
  grep -q "$2" "$TRUST_STATE/refusal" || fail "$1 refuses $GUN for another reason"
}

restored() {
  local number reader
  engine_start "$1" "$TRUST_STATE/$1" && engine_database signer && engine_database server || fail "$1 did not start"
  SIGNER_STORAGE=$(engine_storage signer) SERVER_STORAGE=$(engine_storage server)
  trust_address
  start_halves bulla bulla
  # one whose snapshot the server signs, with a delegation, and one whose snapshot its publisher signs
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=ci -keyout "$TRUST_STATE/ci.key" \
    -out "$TRUST_STATE/ci.pem" 2>/dev/null || fail "no certificate"
  GUN=restore.test/app
  publish_tag owner first
  must notary_as owner key rotate "$GUN" snapshot -r
  must notary_as owner delegation add -p "$GUN" targets/ci "$TRUST_STATE/ci.pem" --all-paths
  must notary_as owner key import --role targets/ci "$TRUST_STATE/ci.key"
  publish_tag owner second
  GUN=restore.test/own publish_tag owner first
  # who was here before the backup only
  for GUN in restore.test/app restore.test/own; do tags_seen_by early; done

  admin server backup "$TRUST_STATE/backup.db"
  expect "$STATUS" 0 "the backup's status"
  expect "$(stat -c %a "$TRUST_STATE/backup.db")" 600 "who may read it"
  sha256sum "$TRUST_STATE/backup.db" >"$TRUST_STATE/backup.sum"

  GUN=restore.test/app
  for number in $(seq 1 "$PUBLISHES"); do publish_tag owner "later-$number"; done
  must notary_as owner addhash -p "$GUN" delegated 7 --sha256 "$(sha256_of delegated)" --roles targets/ci
  GUN=restore.test/own publish_tag owner later
  GUN=restore.test/new publish_tag owner later
  local tags_app tags_own tags_new
  GUN=restore.test/app tags_seen_by late; tags_app=$TAGS
  GUN=restore.test/own tags_seen_by late; tags_own=$TAGS
  GUN=restore.test/new tags_seen_by late; tags_new=$TAGS
  expect "$(wc -l <<<"$tags_app")" $((PUBLISHES + 3)) "tags after all publishes"
  must bulla_as late-bulla repo list restore.test/app
  must bulla_as late-bulla repo list restore.test/own
  stop_server

  # as it was before: who saw more refuses it
  configuration behind
  admin behind restore "$TRUST_STATE/backup.db"
  expect "$STATUS" 0 "the status of a restore"
  serve behind
  GUN=restore.test/app tags_seen_by early
  cp -a "$TRUST_STATE/home/late" "$TRUST_STATE/home/late-copy"
  cp -a "$TRUST_STATE/home/late-bulla" "$TRUST_STATE/home/late-bulla-copy"
  GUN=restore.test/app refused late-copy "version\|checksum\|rollback"
  stop_server

  # moved on, with what a client holds taken back
  configuration ahead
  admin ahead restore "$TRUST_STATE/backup.db" --advance 1000 --seen "$TRUST_STATE/home/late/trust"
  expect "$STATUS" 0 "the status of a restore with --advance"
  sha256sum -c --quiet "$TRUST_STATE/backup.sum" || fail "the backup was changed"
  serve ahead
  must admin_verify_of ahead
  for reader in late early new-reader owner; do
    GUN=restore.test/app tags_seen_by "$reader"
    expect "$TAGS" "$tags_app" "what $reader sees of app"
    GUN=restore.test/own tags_seen_by "$reader"
    expect "$TAGS" "$tags_own" "what $reader sees of own"
    GUN=restore.test/new tags_seen_by "$reader"
    expect "$TAGS" "$tags_new" "what $reader sees of new"
  done
  must bulla_as late-bulla repo list restore.test/app
  # and it goes on
  for GUN in restore.test/app restore.test/own restore.test/new; do
    publish_tag owner after
    for reader in late early; do
      tags_seen_by "$reader"
      grep -q '^after ' <<<"$TAGS" || fail "$reader does not see what is published to $GUN now"
    done
  done
  GUN=restore.test/app
  note "$1: $((PUBLISHES + 3)) publishes lost and taken back; timestamp $(version_of timestamp), snapshot $(version_of snapshot)"

  # what nobody brings back: versions are moved on, and the publisher of a snapshot is named
  stop_server
  configuration alone
  admin alone restore "$TRUST_STATE/backup.db" --advance
  expect "$STATUS" 2 "the status when a publisher has to go on"
  grep -q "^restore.test/own: .*its publisher signs the snapshot" <<<"$OUT" || fail "that is not told"
  grep -q "^restore.test/app: snapshot 100[0-9]\{3\}, timestamp 100[0-9]\{3\}$" <<<"$OUT" || fail "the versions are not moved on"
  # notary takes the older targets, and bulla does not, until as many versions as were lost of each role are published again:
  # by bulla from a fresh trust directory with the same keys, by notary from where it is
  GUN=restore.test/app
  serve alone
  GUN=restore.test/own bulla_refuses late-bulla-copy "snapshot version [0-9]* is lower than current version"
  # notary refuses an older snapshot only if what it holds is no longer than that: a longer one it does not open
  GUN=restore.test/own
  if [ "$(stat -c %s "$TRUST_STATE/home/late-copy/trust/tuf/$GUN/metadata/snapshot.json")" -gt "$(role snapshot | wc -c)" ]; then
    note "$1: the older snapshot is shorter, and notary takes it"
    tags_seen_by late-copy
    expect "$(cut -d' ' -f1 <<<"$TAGS")" first "what notary takes"
  else
    refused late-copy "snapshot\|version"
  fi
  GUN=restore.test/app
  tags_seen_by late-copy
  expect "$(cut -d' ' -f1 <<<"$TAGS" | xargs)" "first second" "what notary takes"
  bulla_refuses late-bulla-copy "targets version [0-9]* is lower than current version"
  mkdir -p "$TRUST_STATE/home/again/trust" && cp -a "$TRUST_STATE/home/owner/trust/private" "$TRUST_STATE/home/again/trust/"
  must bulla_as again repo add-hash -p "$GUN" again-0 7 --sha256 "$(sha256_of again-0)"
  for number in $(seq 1 "$PUBLISHES"); do publish_tag owner "again-$number"; done
  bulla_refuses late-bulla-copy "the snapshot does not list targets/ci"
  must notary_as owner addhash -p "$GUN" delegated 7 --sha256 "$(sha256_of delegated)" --roles targets/ci
  must bulla_as late-bulla-copy repo list "$GUN"
  grep -q "^again-$number " <<<"$OUT" || fail "bulla does not see what is published now"
  stop_server
  admin alone restore "$TRUST_STATE/backup.db"
  expect "$STATUS" 1 "the status of a restore into what is there already"
  grep -q "not empty" <<<"$OUT" || fail "that is not told"
}

# admin_verify_of CONFIGURATION
admin_verify_of() { "$BULLA_BIN_DIR/bulla-server" -config "$TRUST_STATE/$1.json" admin verify; }

require_peers
require_bulla bulla-server bulla-signer bulla
peer_versions
stories_begin restore
[ $# != 0 ] || set -- sqlite postgres mariadb
for engine in "$@"; do tell "$engine" "$engine: clients that saw what came after a backup go on after a restore" restored "$engine"; done
stories_end
