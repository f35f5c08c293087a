#!/bin/bash
# The acceptance run of `make test`: the harness against Bulla, on every engine
# and with every docker CLI found, TAP on standard output.
#
#   tests/acceptance/run.sh [S1 S7 ...]     only these scenarios
#
#   ENGINES="..."       of sqlite, postgres, mariadb, memory (default: the first three)
#   EVERY_PAIR=1        every CLI on every engine; otherwise every CLI on the
#                       first engine, and the last CLI on the others
#   RUNS=n              so many times over (default 1)
#   DOCKER_CLI          this docker binary only
#   START_SERVER_CMD    another server, such as reference-server.sh, on its own engine
#   BULLA_BIN_DIR       where the binaries are (default: the debug build)
#   CI=true             what is missing is a failure, not a skip
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../peers/required.sh"

# docker_clis: paths of the CLIs to run with.  From 29 on, push and pull no
# longer know content trust.
docker_clis() {
  local candidate found=() path major
  if [ -n "${DOCKER_CLI:-}" ]; then
    candidate=("$DOCKER_CLI")
  else
    mapfile -t candidate < <(echo /usr/bin/docker; type -ap docker)
  fi
  for path in "${candidate[@]}"; do
    path=$(realpath -e "$path" 2>/dev/null) || continue
    case " ${found[*]} " in *" $path "*) continue ;; esac
    major=$(docker_version "$path" | cut -d. -f1)
    if [ -z "$major" ] || [ "$major" -ge 29 ]; then
      echo "# $path is left out: version ${major:-unknown} has no content trust in push and pull" >&2
      continue
    fi
    found+=("$path")
    echo "$path"
  done
}
# met_by ENGINE CLI: whether this run has that pair
met_by() { [ "${EVERY_PAIR:-0}" = 1 ] || [ "$1" = "${engines[0]}" ] || [ "$2" = "${clis[-1]}" ]; }
docker_version() { "$1" --version 2>/dev/null | grep -oE '[0-9]+(\.[0-9]+)+' | head -1; }

require_peers
if [ -z "${START_SERVER_CMD:-}" ]; then
  START_SERVER_CMD=$(printf %q "$REPOSITORY/tests/start-for-e2e.sh")
  require_bulla bulla-server bulla-signer
  read -ra engines <<<"${ENGINES:-sqlite postgres mariadb}"
else
  engines=(own)
fi
export START_SERVER_CMD
peer_versions
mapfile -t clis < <(docker_clis)
if [ ${#clis[@]} = 0 ]; then
  [ -z "${DOCKER_CLI:-}" ] || { echo "Bail out! DOCKER_CLI=$DOCKER_CLI is not a docker below 29"; exit 1; }
  skip_all "no docker CLI below 29 was found"
fi
newer=0
for cli in "${clis[@]}"; do [[ $(docker_version "$cli") == 20.10.* ]] || newer=1; done
[ $newer = 1 ] || echo "# no docker CLI newer than 20.10 in this run (DOCKER_CLI=PATH names one)"

number=0 failed=0
set -o pipefail
for run in $(seq 1 "${RUNS:-1}"); do
  for engine in "${engines[@]}"; do
    for cli in "${clis[@]}"; do
      met_by "$engine" "$cli" || continue
      number=$((number + 1))
      title="engine $engine, docker $(docker_version "$cli") ($cli), run $run of ${RUNS:-1}"
      echo "# Subtest: $title"
      # a harness run is a subtest: its plan and its lines are indented
      if BULLA_ENGINE=$engine DOCKER_CLI=$cli "$HERE/e2e.sh" "$@" | sed -u 's/^/    /'; then
        echo "ok $number - $title"
      else
        echo "not ok $number - $title"
        failed=$((failed + 1))
      fi
    done
  done
done
echo "1..$number"
[ $failed = 0 ]
