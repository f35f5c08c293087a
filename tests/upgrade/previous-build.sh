#!/bin/bash
# The way back: this build, the previous release, and this build again on the same
# SQLite files, with publishes and reads at each step. TAP on standard output.
#
#   tests/upgrade/previous-build.sh [TAG]
#
# TAG is the previous release (default: the newest tag that is not this commit's).
#   BULLA_BIN_DIR           where this build's programs are (default: the debug build)
#   BULLA_PREVIOUS_BIN_DIR  where the previous ones are; without it they are built
#                           from TAG into target/previous (some four minutes)
#   DEMO_TOOL               the registry that our client signs from
#   CI=true                 what is missing is a failure, not a skip
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../peers/required.sh"
. "$HERE/../peers/processes.sh"
. "$HERE/../peers/pki.sh"
. "$HERE/publishes.sh"
. "$HERE/previous-programs.sh"

for program in notary jq openssl sqlite3; do
  command -v "$program" >/dev/null || skip_all "$program is not installed"
done
require_bulla bulla-server bulla-signer bulla
current=$(realpath "${BULLA_BIN_DIR:-$REPOSITORY/target/debug}")
DEMO_TOOL=${DEMO_TOOL:-$current/demo-tool}
tag=${1:-$(previous_tag)}
[ -n "$tag" ] || skip_all "there is no earlier tag"

work=$(mktemp -d "${TMPDIR:-/tmp}/bulla-previous.XXXXXX")
clean_up() {
  stop_children
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

previous_programs "$tag" || { echo "Bail out! $tag does not build"; exit 1; }
previous=$PREVIOUS

export TRUST_STATE=$work/state
mkdir -p "$TRUST_STATE/home"
pki_trust_server "$work/pki" || { echo "Bail out! openssl failed"; exit 1; }
REGISTRY_PORT=$(free_port) SIGNER_PORT=$(free_port) port=$(free_port)
URL=https://localhost:$port
BULLA=$current/bulla

# step NAME SERVER_BIN SIGNER_BIN TAG_NAME WANTED_TAGS: starts both, publishes, reads, stops
step() {
  local name=$1 server=$2 signer=$3 new=$4 wanted=$5 got gun
  CHILDREN=()
  trap stop_children EXIT
  set -e
  "$DEMO_TOOL" registry "$REGISTRY_PORT" >>"$TRUST_STATE/registry.log" 2>&1 &
  CHILDREN+=($!)
  wait_port "$REGISTRY_PORT" $! registry
  start_signer "$signer/bulla-signer" "$(sqlite_storage signer)"
  start_server "$server/bulla-server" "127.0.0.1:$port" "$(sqlite_storage server)" "$(remote_trust)"
  set +e
  for gun in previous.test/server-snapshot previous.test/client-snapshot; do
    if [ "$new" = first ]; then
      must notary_of notary init -p "$gun"
      [ "$gun" = previous.test/client-snapshot ] || must notary_of notary key rotate "$gun" snapshot -r
    fi
    tag "$gun" "$new"
    for home in notary newcomer; do
      got=$(tags_of "$home" "$gun")
      [ "$got" = "$wanted" ] || fail "$home sees '$got' in $gun, not '$wanted'"
    done
    rm -rf "$TRUST_STATE/home/newcomer"
  done
  must notary_of notary key rotate previous.test/server-snapshot timestamp -r
  sign "localhost:$REGISTRY_PORT/previous/app:$new"
  must bulla_of bulla trust verify "localhost:$REGISTRY_PORT/previous/app:$new"
  must notary_of notary init -p "previous.test/made/$new"
  must notary_of notary delete --remote "previous.test/made/$new"
  stop_children
  trap - EXIT
}

number=0 failed=0
run() {
  number=$((number + 1))
  if (step "$@") >"$work/step-$number.log" 2>&1; then
    echo "ok $number - $1"
  else
    echo "not ok $number - $1: $(grep '^FAILED: ' "$work/step-$number.log" | tail -1)"
    failed=$((failed + 1))
    tail -20 "$work/step-$number.log" | sed 's/^/#   /'
    for half in server signer; do tail -5 "$TRUST_STATE/$half.log" 2>/dev/null | sed "s/^/#   $half: /"; done
  fi
}
run "$tag makes the databases" "$previous" "$previous" first "first"
run "this build opens them and publishes" "$current" "$current" ours "first ours"
run "$tag goes on with what this build migrated" "$previous" "$previous" back "back first ours"
run "this build's server with the signer of $tag" "$current" "$previous" mixed "back first mixed ours"
run "the server of $tag with this build's signer" "$previous" "$current" remixed "back first mixed ours remixed"
run "this build again" "$current" "$current" again "again back first mixed ours remixed"
echo "1..$number"
[ $failed = 0 ]
