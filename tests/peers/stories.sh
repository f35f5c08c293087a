# Stories over real servers and clients, told in TAP.  Sourced after processes.sh,
# engines.sh and pki.sh.  A story is a function; the first unmet expectation ends it.
STORIES=0
UNTRUE=0

# stories_begin NAME: a private work directory (WORK) with certificates in it;
# STORIES_KEEP=1 keeps it, with all logs.
stories_begin() {
  WORK=$(mktemp -d "${TMPDIR:-/tmp}/bulla-$1.XXXXXX")
  chmod 711 "$WORK" # the databases run as users of their own
  trap _stories_clean_up EXIT
  trap 'exit 130' INT TERM
  pki_trust_server "$WORK/pki" || { echo "Bail out! openssl failed"; exit 1; }
}
_stories_clean_up() {
  stop_children
  engine_stop
  if [ "${STORIES_KEEP:-0}" = 1 ]; then echo "# work directory kept: $WORK"; else rm -rf "$WORK"; fi
}

# tell NAME TITLE FUNCTION [ARGS]: with its state in WORK/NAME, in a subshell
tell() {
  local name=$1 title=$2 log start=$EPOCHREALTIME half
  shift 2
  STORIES=$((STORIES + 1))
  export TRUST_STATE=$WORK/$name
  mkdir -p "$TRUST_STATE/home"
  chmod 711 "$TRUST_STATE"
  log=$TRUST_STATE/story.log
  if (
    set -u
    trap 'stop_children; engine_stop' EXIT
    "$@"
  ) >"$log" 2>&1; then
    echo "ok $STORIES - $title"
  else
    echo "not ok $STORIES - $title: $(grep '^FAILED: ' "$log" | tail -1)"
    UNTRUE=$((UNTRUE + 1))
    tail -12 "$log" | cut -c1-200 | sed 's/^/#   /'
    for half in "$TRUST_STATE"/{server,signer}*.log; do
      [ ! -e "$half" ] || tail -5 "$half" | cut -c1-200 | sed "s/^/#   $(basename "$half" .log): /"
    done
  fi
  grep '^NOTE: ' "$log" | sed 's/^NOTE: /# /'
  printf '# %s took %.1f s\n' "$name" "$(bc <<<"$EPOCHREALTIME - $start")"
}

# stories_end: the plan; the exit status of the run
stories_end() {
  echo "1..$STORIES"
  [ $UNTRUE = 0 ]
}

fail() { echo "FAILED: $*"; exit 1; }
note() { echo "NOTE: $*"; }

# expect GOT WANTED MEANING
expect() { [ "$1" = "$2" ] || fail "$3: got '$1', wanted '$2'"; }

# expect_same GOT_FILE WANTED_FILE MEANING
expect_same() { diff "$2" "$1" || fail "$3: < wanted, > got"; }

# must COMMAND...: its output goes to the log and into OUT
must() {
  local status=0
  echo "+ $*"
  OUT=$("$@" 2>&1) || status=$?
  echo "$OUT"
  [ $status = 0 ] || fail "exit $status from: $* :: $(tail -1 <<<"$OUT")"
}
