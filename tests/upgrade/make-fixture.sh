#!/bin/bash
# Makes the databases of tests/fixtures/upgrade with the programs of one release:
# what these programs stored, every later build must open, read and go on from.
#
#   tests/upgrade/make-fixture.sh BIN_DIR OUT
#
# BIN_DIR holds that release's bulla-server, bulla-signer and bulla. OUT must not
# exist. Needs notary, jq, openssl and sqlite3, and DEMO_TOOL (default: the debug
# build's) for a registry that our client can sign from.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../peers/processes.sh"
. "$HERE/../peers/pki.sh"
. "$HERE/publishes.sh"
bin=$(realpath "$1") out=$2
BULLA=$bin/bulla
DEMO_TOOL=${DEMO_TOOL:-$HERE/../../target/debug/demo-tool}
[ ! -e "$out" ] || fail "$out exists"

TRUST_STATE=$(mktemp -d "${TMPDIR:-/tmp}/bulla-upgrade.XXXXXX")
trap 'stop_children; rm -rf "$TRUST_STATE"' EXIT
trap 'exit 130' INT TERM
pki_trust_server "$TRUST_STATE/pki"
# images of our client bear the registry's address in their name: a fixed one
REGISTRY_PORT=15999
"$DEMO_TOOL" registry "$REGISTRY_PORT" >"$TRUST_STATE/registry.log" 2>&1 &
CHILDREN+=($!)
wait_port "$REGISTRY_PORT" $! registry
start_signer "$bin/bulla-signer" "$(sqlite_storage signer)"
port=$(free_port)
URL=https://localhost:$port
start_server "$bin/bulla-server" "127.0.0.1:$port" "$(sqlite_storage server)" "$(remote_trust)"

rotated=upgrade.test/notary/rotated
must notary_of notary init -p "$rotated"
tag "$rotated" one
must notary_of notary key rotate "$rotated" snapshot -r
tag "$rotated" two
must notary_of notary key rotate "$rotated" timestamp -r
must notary_of notary key rotate "$rotated" root
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$TRUST_STATE/delegate.key" -out "$TRUST_STATE/delegate.crt" -days 3650 \
  -subj /CN=delegate 2>/dev/null
must notary_of notary key import "$TRUST_STATE/delegate.key" --role delegate
must notary_of notary delegation add -p "$rotated" targets/releases "$TRUST_STATE/delegate.crt" --all-paths
tag "$rotated" three -r targets/releases

held=upgrade.test/notary/client-snapshot
must notary_of notary init -p "$held"
tag "$held" one

deleted=upgrade.test/notary/deleted
must notary_of notary init -p "$deleted"
must notary_of notary delete --remote "$deleted"

image=localhost:$REGISTRY_PORT/bulla/app
sign "$image:1.0"
sign "$image:2.0"
must bulla_of bulla trust verify "$image:2.0"
stop_children

mkdir -p "$out"
for half in server signer; do
  sqlite3 "$TRUST_STATE/bulla-$half.db" 'PRAGMA journal_mode=DELETE; VACUUM' >/dev/null
  cp "$TRUST_STATE/bulla-$half.db" "$out/$half.db"
done
sqlite3 -separator ' ' "$out/server.db" 'SELECT gun, role, version, length(data), sha256 FROM tuf_files ORDER BY id' >"$out/files.txt"
sqlite3 -separator ' ' "$out/server.db" 'SELECT id, gun, version, category, sha256 FROM changefeed ORDER BY id' >"$out/changes.txt"
for home in notary bulla; do
  mkdir -p "$out/trust/$home"
  cp -R "$TRUST_STATE/home/$home/.docker/trust/." "$out/trust/$home"
done
rm -rf "$out"/trust/*/tuf/*/changelist "$out"/trust/*/tuf/*/*/*/changelist
# the publishers' targets and snapshot keys once more, without passphrase, for a publisher that is no client
"$HERE/unseal.sh" "$out"
echo "made $out"
