# Alerts on what is slow, or waits: tables that somebody else holds, and a clock
# that is days ahead.  Sourced by monitoring.sh.

# locked DATABASE TABLE SECONDS TIMES: nobody else gets at the table for so long, so often
locked() {
  local _
  for _ in $(seq "$4"); do
    echo "begin; lock table $2 in access exclusive mode; select pg_sleep($3); commit;" | engine_sql "$1" >/dev/null || return
    sleep 0.1
  done
}
# meanwhile COMMAND...: does it in the background, and takes note of it in HELPERS
meanwhile() {
  "$@" >/dev/null 2>&1 &
  HELPERS+=($!)
  CHILDREN+=($!)
}
helpers_end() {
  local pid
  for pid in "${HELPERS[@]}"; do kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; done
  HELPERS=()
}
reads() { while :; do status_of "$GUN/_trust/tuf/timestamp.json"; done; }
publishes() {
  local number=0
  while :; do
    number=$((number + 1))
    bulla_as publisher repo add-hash -p "$GUN" "number-$number" 7 --sha256 "$(sha256_of "$number")"
  done
}

slow_store() {
  local _ HELPERS=()
  STORAGE_MORE='{"max_connections": 2}'
  watched postgres
  asked_twice
  expect "$(firing)" "" "what fires while all is well"
  # the server waits no longer than 5 seconds for a lock, and reads that waited for 2 are answered
  for _ in 1 2 3 4; do meanwhile reads; done
  meanwhile locked notaryserver tuf_files 2 60
  fires BullaReadsSlow
  helpers_end
  quiet BullaReadsSlow
  for _ in 1 2 3 4; do meanwhile reads; done
  meanwhile publishes
  meanwhile locked notaryserver tuf_files 110 1
  fires BullaDatabaseConnectionsUsedUp
}

# catches_up SHA256...: with what is current, from each of these versions in turn
catches_up() {
  local held
  while :; do for held in "$@"; do status_of "$GUN/_trust/update?root=1&have=targets:$held"; done; done
}

# readers of many versions want deltas against each of them, and what is read to make one takes two seconds
waiting_deltas() {
  local number held HELPERS=()
  watched postgres
  for number in $(seq 150); do must bulla_as publisher repo add-hash "$GUN" "tag-$number" 7 --sha256 "$(sha256_of "$number")"; done
  for number in $(seq 48); do must bulla_as publisher repo add-hash -p "$GUN" "version-$number" 7 --sha256 "$(sha256_of "$number")"; done
  asked_twice
  expect "$(firing)" "" "what fires while all is well"
  while read -r held; do meanwhile catches_up "$held"; done < <(echo "select sha256 from tuf_files
    where gun = '$GUN' and role = 'targets' and length(data) > 16384" | engine_sql notaryserver)
  # each makes all of them new
  meanwhile publishes
  meanwhile locked notaryserver tuf_files 2 60
  fires BullaDeltasWait
  helpers_end
  quiet BullaDeltasWait
}

slow_signer() {
  local HELPERS=()
  watched postgres
  asked_twice
  expect "$(firing)" "" "what fires while all is well"
  # a key's row is believed for a second
  meanwhile publishes
  meanwhile locked notarysigner private_keys 2 60
  fires BullaSignerSlow
  helpers_end
  quiet BullaSignerSlow
  meanwhile publishes
  meanwhile locked notarysigner private_keys 110 1
  fires BullaSignerStoreFails
}

# the server's clock is nine days ahead, and there is no signer
not_renewed() {
  watched sqlite
  kill "$SIGNER_PID" "$SERVER_PID"
  wait "$SIGNER_PID" "$SERVER_PID"
  LD_PRELOAD=$(clock_mover) FAKETIME=+9d FAKETIME_DONT_FAKE_MONOTONIC=1 \
    start_server "$(program server bulla)" "$LISTEN" "$SERVER_STORAGE" "$(remote_trust)" || fail "the server did not start again"
  # it looks a minute after its start
  fires BullaTimestampsNotRenewed
}

# every publish meets another that was first, as the database says it
overtaken() {
  watched postgres
  asked_twice
  expect "$(firing)" "" "what fires while all is well"
  engine_sql notaryserver <<'SQL' || fail "no trigger"
create function always_second() returns trigger language plpgsql as $$
begin raise exception 'somebody was first' using errcode = 'unique_violation'; end $$;
create trigger always_second before insert on tuf_files for each row execute function always_second();
SQL
  bulla_as publisher repo add-hash -p "$GUN" two 7 --sha256 "$(sha256_of two)" && fail "published"
  fires BullaPublishersCollide
  echo "drop trigger always_second on tuf_files" | engine_sql notaryserver
  must bulla_as publisher repo publish "$GUN"
  role targets | jq -e '.signed.targets | has("two")' >/dev/null || fail "what was staged is not published"
}
