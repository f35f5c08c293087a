#!/bin/bash
# with-engines.sh COMMAND...: runs COMMAND with a PostgreSQL and a MariaDB of its
# own, both thrown away afterwards.  COMMAND finds in its environment
#   BULLA_TEST_POSTGRES   URL of an account that may make databases
#   BULLA_TEST_MYSQL      the same as a DSN in the form of Go's driver, without database
#   BULLA_TEST_PKCS11_MODULE, SOFTHSM2_CONF   a SoftHSM without tokens
#   BULLA_TEST_ENGINES    required: a test that finds no engine, or no module, has failed
# Where the servers are not installed COMMAND runs without them, and with CI=true not at all; a SoftHSM is needed beside them.
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/peers/processes.sh"
. "$HERE/peers/engines.sh"
. "$HERE/peers/softhsm.sh"

work=$(mktemp -d "${TMPDIR:-/tmp}/bulla-engines.XXXXXX")
chmod 711 "$work" # the servers run as users of their own
trap 'engine_stop; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

if postgres_start "$work/postgres" && mariadb_start "$work/mariadb"; then
  BULLA_TEST_POSTGRES=$(postgres_url postgres)
  BULLA_TEST_MYSQL=$(mariadb_url '')
  export BULLA_TEST_POSTGRES BULLA_TEST_MYSQL BULLA_TEST_ENGINES=required
  softhsm_folder "$work/softhsm" || exit 1
elif [ "${CI:-}" = true ]; then
  exit 1
else
  echo "with-engines: no PostgreSQL and MariaDB, so tests of the engines are left out" >&2
fi
"$@"
