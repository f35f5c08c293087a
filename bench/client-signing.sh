# `docker trust sign` and `bulla trust sign` on images that the registry has
# already, in turn; a story of tests/acceptance/e2e.sh for client.sh.  Writes rows
# of its table to BENCH_TABLE.
story() {
  local r=$RP/bench/app home number tag
  home=$(new_home bench)
  must nt bench init -p $r
  must nt bench key rotate $r snapshot -r
  "$PY" "$HERE/../../bench/client.py" stage "$home/.docker/trust/tuf/$r/changelist" "$BENCH_TAGS"
  must nt bench publish $r
  : >"$W/figures"
  for number in $(seq 0 "$BENCH_ROUNDS"); do
    for client in docker bulla; do
      tag=$r:$client-$number
      mkimg "$tag" "$client $number"
      must dk bench -- push "$tag"
      "$PY" "$HERE/../../bench/client.py" run --home "$home" --says "Successfully signed" --variables \
        "PATH=$PATH" "DOCKER_HOST=unix://$SOCK" "DOCKER_CONTENT_TRUST_SERVER=$TRUST_SERVER_URL" \
        "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE=$RPASS" "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE=$TPASS" \
        -- "$([ $client = docker ] && echo docker || echo "$BULLA_CLI")" trust sign "$tag" >"$W/figure" || return 1
      # the first of each warms up
      [ "$number" = 0 ] || echo "$client $(cat "$W/figure")" >>"$W/figures"
    done
  done
  "$PY" "$HERE/../../bench/client.py" rows --name "sign an image of the registry" "$W/figures" >"$BENCH_TABLE"
}
