#!/bin/bash
# `make serve`: a signer and a server on SQLite in ./.serve until Ctrl-C, with
# the same certificates, keys and ports at the next start.
#
#   SERVE_DIR       another directory
#   BULLA_BIN_DIR   where the binaries are (default: the debug build)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/services.sh"
bin=$(realpath "${BULLA_BIN_DIR:-$here/../target/debug}")
state=$(realpath -m "${SERVE_DIR:-$here/../.serve}")
mkdir -p -m 700 "$state"
exec 9>"$state/lock"
flock -n 9 || fail "$state is being served already"
[ -f "$state/ports" ] || "$bin/demo-tool" ports 2 >"$state/ports"
{ read -r signer_port && read -r server_port; } <"$state/ports"
trap stop_all EXIT
trap 'exit 0' INT TERM

configure
start_signer
start_server
cat <<TEXT
trust server  https://localhost:$server_port
state         $state (keys are sealed under signer.passphrase; logs: signer.log, server.log)

For docker and bulla:

  mkdir -p ~/.docker/tls/localhost:$server_port
  cp $state/certs/ca.crt ~/.docker/tls/localhost:$server_port/ca.crt
  export DOCKER_CONTENT_TRUST_SERVER=https://localhost:$server_port
  export DOCKER_CONTENT_TRUST=1

Then: bulla trust sign REGISTRY/NAME:TAG, bulla trust inspect --pretty REGISTRY/NAME,
bulla trust verify REGISTRY/NAME:TAG (bulla is $bin/bulla).
The certificates last 90 days; rm -r $state to begin anew.  Ctrl-C stops both.
TEXT
wait -n "$signer_pid" "$server_pid" || true
tail -n 5 "$state/signer.log" "$state/server.log" >&2
fail "a process ended by itself; the ends of the logs are above"
