# The database engines by their names in these tests: sqlite, postgres, mariadb.
# Sourced after processes.sh.  SQLite needs no server; the storage sections for
# it lead to files in TRUST_STATE.
_engines=$(dirname "${BASH_SOURCE[0]}")
. "$_engines/postgres.sh"
. "$_engines/mariadb.sh"

# engine_start ENGINE DIR [FSYNC]: sets ENGINE, which the functions below mean.
engine_start() {
  ENGINE=$1
  case $1 in
    sqlite) ;;
    postgres) postgres_start "$2" "${3:-off}" ;;
    mariadb) mariadb_start "$2" "${3:-off}" ;;
    *) echo "no such engine: $1" >&2; return 1 ;;
  esac
}

engine_stop() { postgres_stop; mariadb_stop; }

# engine_sql DATABASE: the statements on standard input; bare rows on standard output
engine_sql() { "${ENGINE}_sql" "$1"; }

# engine_storage server|signer: the storage section that leads to its database
engine_storage() {
  case $ENGINE in
    sqlite) sqlite_storage "$1" ;;
    postgres) storage "$1" postgres "$(postgres_url "notary$1")" ;;
    mariadb) storage "$1" mysql "$(mariadb_url "notary$1")?parseTime=True" ;;
  esac
}

# engine_database server|signer: a new database without tables, for those who make their own
engine_database() {
  [ "$ENGINE" = sqlite ] || echo "create database notary$1" | engine_sql "$([ "$ENGINE" = mariadb ] && echo mysql || echo postgres)"
}

# recorded_database server|signer: a new database as the reference left it in tests/fixtures/db
recorded_database() { engine_database "$1" && engine_sql "notary$1" <"$_engines/../fixtures/db/notary$1.$ENGINE.sql" >/dev/null; }

# reference_database server|signer: a new database with the reference's tables, empty
reference_database() {
  local tables=private_keys table numbers=
  [ "$1" != server ] || tables='tuf_files changefeed'
  [ "$ENGINE" != postgres ] || numbers='restart identity'
  recorded_database "$1" && for table in $tables; do echo "truncate table $table $numbers;"; done | engine_sql "notary$1"
}
