#!/bin/bash
# `make demo`: Bulla from nothing to a refused forgery, on free loopback ports
# and in a temporary directory that is gone afterwards.  Nothing is canned: each
# step checks what came, and the demonstration fails when a refusal does not come.
#
#   BULLA_BIN_DIR            where the binaries are (default: the debug build)
#   DEMO_REGISTRY=stand-in   our own registry, also where docker-registry is installed
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/services.sh"
bin=$(realpath "${BULLA_BIN_DIR:-$here/../target/debug}")
state=$(mktemp -d "${TMPDIR:-/tmp}/bulla-demo.XXXXXX")
trap 'stop_all; rm -rf "$state"' EXIT
trap 'exit 130' INT TERM
export RUST_BACKTRACE=0
exec 3>&1 # what was run and said, also when the answer itself is taken

step() { printf '\n== %s\n' "$*"; }
note() { printf '   %s\n' "$*"; }
# as HOME COMMAND...: bulla as a person with that home, and with nothing else from this environment
as() {
  local who=$1 home=$state/$1 status=0
  shift
  mkdir -p "$home/.docker/tls/localhost:$server_port"
  cp "$state/certs/ca.crt" "$home/.docker/tls/localhost:$server_port/ca.crt"
  printf '   %s$ bulla %s\n' "$who" "$*" >&3
  env -i PATH="$PATH" HOME="$home" DOCKER_CONTENT_TRUST_SERVER="https://localhost:$server_port" \
    DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE=demo-root-passphrase \
    DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE=demo-repository-passphrase \
    "$bin/bulla" "$@" 2>"$state/said" || status=$?
  sed 's/^/   /' "$state/said" >&3
  return $status
}
# trusted HOME IMAGE DIGEST: verify must answer this digest and no other
trusted() {
  local said
  said=$(as "$1" trust verify "$2") || fail "$2 is signed, but verify does not say so"
  note "$said"
  [ "$said" = "${2%:*}@$3" ] || fail "verify should have said ${2%:*}@$3"
}
# refused HOME ARGUMENTS...: verify must find it untrusted, which is another exit status than unreachable
refused() {
  local home=$1 said status=0
  shift
  said=$(as "$home" trust verify "$@") || status=$?
  [ $status != 0 ] || fail "$* was accepted as $said: the refusal did not come"
  [ $status = "$untrusted" ] || fail "verify ended with status $status, not $untrusted: that is no refusal"
  [ -z "$said" ] || fail "a refusal must not print a digest, but this did: $said"
  note "refused, exit status $status"
}
untrusted=3

started=$SECONDS
step "A certificate authority, a signer, a server and a registry"
mapfile -t ports < <("$bin/demo-tool" ports 3)
signer_port=${ports[0]} server_port=${ports[1]} registry_port=${ports[2]}
configure
start_signer
note "signer    127.0.0.1:$signer_port, mutual TLS, keys sealed in SQLite"
start_server
note "server    https://localhost:$server_port, metadata in SQLite"
start_registry
note "registry  localhost:$registry_port: $registry"
image=localhost:$registry_port/demo/app

step "An image is pushed and its tag is signed"
signed=$("$bin/demo-tool" push "$image:1.0" "the image that was signed")
note "pushed $image:1.0"
note "$signed"
as publisher trust sign "$image:1.0" | sed 's/^/   /'

step "What is signed"
as publisher trust inspect --pretty "$image" | sed 's/^/   /'
as publisher trust inspect "$image" >"$state/inspected.json"
grep -q "${signed#sha256:}" "$state/inspected.json" || fail "inspect does not show $signed"

step "Somebody else verifies before a pull"
trusted reader "$image:1.0" "$signed"

step "Signer and server are stopped and started again"
stop "$server_pid"
stop "$signer_pid"
start_signer
start_server
trusted reader "$image:1.0" "$signed"
trusted newcomer "$image:1.0" "$signed"
second=$("$bin/demo-tool" push "$image:2.0" "signed after the restart, with the same keys")
as publisher trust sign "$image:2.0" | sed 's/^/   /'
trusted reader "$image:2.0" "$second"

step "A tag that nobody signed"
"$bin/demo-tool" push "$image:unsigned" "an image that nobody vouches for" >/dev/null
refused reader "$image:unsigned"

step "A tag that was overwritten in the registry"
forged=$("$bin/demo-tool" push "$image:1.0" "the image of an attacker")
[ "$("$bin/demo-tool" digest "$image:1.0")" = "$forged" ] || fail "the registry did not take the attacker's image"
note "the registry's $image:1.0 is now the attacker's"
note "$forged"
refused reader --check-registry "$image:1.0"
note "who pulls the digest needs no such check: verify still names the image that was signed"
trusted reader "$image:1.0" "$signed"

step "A byte changed in the server's database"
stop "$server_pid"
note "$("$bin/demo-tool" flip-byte "$state/server.db" targets)"
start_server
refused stranger "$image:1.0"
stop "$server_pid"
note "put back: $("$bin/demo-tool" flip-byte "$state/server.db" targets)"
start_server
trusted stranger "$image:1.0" "$signed"

stop_all
step "All of it held, in $((SECONDS - started)) s; nothing is left behind (make serve keeps one running)"
