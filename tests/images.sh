#!/bin/bash
# The images and the compose file, on a docker of this run's own in a network
# namespace: built without a network, started, published to by the reference's
# client, stopped and started again.  TAP.
#
#   tests/images.sh
#
#   BULLA_STATIC_DIR  static programs (default: target/release-static, of `make release`)
#   BULLA_BIN_DIR     where the other binaries are (default: the debug build)
#   STORIES_KEEP=1    keep the work directories (all logs)
#   CI=true           what is missing is a failure, not a skip
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ -n "${IN_A_NAMESPACE:-}" ] || exec env IN_A_NAMESPACE=1 unshare --net "${BASH_SOURCE[0]}" "$@"
. "$HERE/peers/required.sh"
. "$HERE/peers/processes.sh"
. "$HERE/peers/engines.sh"
. "$HERE/peers/pki.sh"
. "$HERE/peers/stories.sh"
. "$HERE/peers/halves.sh"
export BULLA_STATIC_DIR=${BULLA_STATIC_DIR:-$REPOSITORY/target/release-static}
export BULLA_VERSION=test

# The machine may not let docker raise a limit that it has itself: then memory stays lockable as far as that.
compose() { docker-compose --project-name images --file "$REPOSITORY/packaging/docker/compose.yaml" --file "$TRUST_STATE/limits.yaml" "$@"; }
# told CONTAINER KEY: a line of its process' status
told() { sed -n "s/^$2:[ \t]*//p" "/proc/$(docker inspect -f '{{.State.Pid}}' "images_$1_1")/status" | tr '\t' ' '; }

in_containers() {
  local name
  export DOCKER_HOST=unix://$TRUST_STATE/d.sock BULLA_CONFIG=$TRUST_STATE/config BULLA_PORT
  dockerd --data-root "$TRUST_STATE/docker" --exec-root "$TRUST_STATE/exec" -H "$DOCKER_HOST" --pidfile "$TRUST_STATE/dockerd.pid" \
    --iptables=false --ip-masq=false --storage-driver=vfs >"$TRUST_STATE/dockerd.log" 2>&1 &
  CHILDREN+=($!)
  for _ in $(seq 1 300); do docker info >/dev/null 2>&1 && break; sleep 0.1; done
  must docker info
  must "$REPOSITORY/packaging/docker/build.sh"
  for name in bulla-server bulla-signer bulla; do
    note "$name: $(($(docker image inspect -f '{{.Size}}' "$name:test") / 1000000)) MB, $(docker image inspect -f '{{len .RootFS.Layers}}' "$name:test") layers, account $(docker image inspect -f '{{.Config.User}}' "$name:test")"
  done
  must docker run --rm --network none bulla:test --version

  mkdir -p "$BULLA_CONFIG"/{server,signer}
  local lockable=-1
  [ "$(ulimit -Hl)" = unlimited ] || lockable=$(($(ulimit -Hl) * 1024))
  echo "{version: '3.8', services: {signer: {ulimits: {memlock: $lockable}}}}" >"$TRUST_STATE/limits.yaml"
  pki_leaf "$WORK/pki" signer DNS:signer && pki_leaf "$WORK/pki" bulla-server DNS:bulla-server || fail "no certificates"
  cp "$TRUST_TLS_CERT" "$BULLA_CONFIG/server/server.crt" && cp "$TRUST_TLS_KEY" "$BULLA_CONFIG/server/server.key"
  cp "$TRUST_TLS_CA" "$BULLA_CONFIG/server/signer-ca.crt" && cp "$TRUST_TLS_CA" "$BULLA_CONFIG/signer/server-ca.crt"
  cp "$WORK/pki/bulla-server.pem" "$BULLA_CONFIG/server/client.crt" && cp "$WORK/pki/bulla-server.key" "$BULLA_CONFIG/server/client.key"
  cp "$WORK/pki/signer.pem" "$BULLA_CONFIG/signer/signer.crt" && cp "$WORK/pki/signer.key" "$BULLA_CONFIG/signer/signer.key"
  echo a-passphrase-of-a-test >"$BULLA_CONFIG/signer/k1"
  jq '.trust_service.hostname = "signer" | del(.metrics)' "$REPOSITORY/packaging/debian/bulla-server/example.json" >"$BULLA_CONFIG/server/server.json"
  jq '.server.grpc_addr = ":7899" | del(.server.http_addr)' "$REPOSITORY/packaging/debian/bulla-signer/example.json" >"$BULLA_CONFIG/signer/signer.json"
  chown -R 10001:10001 "$BULLA_CONFIG" && chmod -R go= "$BULLA_CONFIG"
  BULLA_PORT=$(free_port)
  URL=https://localhost:$BULLA_PORT
  must compose up --detach
  answers
  for name in signer server; do
    expect "$(told $name Uid) $(told $name CapEff) $(told $name NoNewPrivs)" "10001 10001 10001 10001 0000000000000000 1" "account, capabilities and new privileges of the $name"
    expect "$(docker inspect -f '{{.HostConfig.ReadonlyRootfs}}' "images_${name}_1")" true "the $name's file system is read-only"
  done
  expect "$(docker inspect -f '{{len .NetworkSettings.Ports}} {{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' images_signer_1 | wc -w)" 2 "the signer is in one network"
  expect "$(docker port images_signer_1)" "" "ports of the signer that others reach"
  GUN=images.test/app
  publish_tag owner first
  must notary_as owner key rotate "$GUN" snapshot -r
  must compose down
  must compose up --detach
  answers
  publish_tag owner second
  tags_seen_by reader
  expect "$(cut -d' ' -f1 <<<"$TAGS" | xargs)" "first second" "tags after the containers were made anew"
  must compose down --volumes
}

# answers: the server does, within half a minute
answers() {
  local _
  for _ in $(seq 1 300); do
    [ "$(status_of '')" = 200 ] && return 0
    sleep 0.1
  done 2>/dev/null
  compose logs --tail 5
  fail "the server does not answer"
}

require_peers docker-compose
require_bulla bulla
for program in bulla-server bulla-signer bulla; do
  [ -x "$BULLA_STATIC_DIR/$program" ] || skip_all "$BULLA_STATIC_DIR/$program is not there: make release"
done
ip link set lo up
stories_begin images
tell compose "server and signer in containers that may do nothing else, made without a network" in_containers
stories_end
