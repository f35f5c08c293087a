# Many processes of ours at once.  Sourced by e2e.sh after scenarios-bulla.sh.

# crowd HOMENAME REPOSITORY PREFIX COUNT: so many processes, each signing a tag
# of its own; the pids in CROWD
CROWD=()
crowd() {
  local i
  for i in $(seq 1 "$4"); do
    bl "$1" -- trust sign "$2:$3$i" --digest "sha256:$(printf %064d "$i")" --length 10 >"$W/crowd-$3$i.out" 2>&1 &
    CROWD+=($!)
  done
}
# crowd_done: every one of them has signed
crowd_done() {
  local pid lost=0
  for pid in "${CROWD[@]}"; do wait "$pid" || lost=$((lost + 1)); done
  [ $lost = 0 ] || { tail -n 2 "$W"/crowd-*.out | grep -B1 Error; reason "$lost of ${#CROWD[@]} processes did not sign"; }
  CROWD=()
}
# signed_tags REPOSITORY: their number, by docker's own eyes
signed_tags() { trust_json fresh "$1" | jq '.[0].SignedTags | length'; }

k1_crowd() { # one HOME
  local r=$RP/crowd/one before
  new_home k1 >/dev/null
  must bl k1 -- trust sign $r:first --digest "sha256:$(printf %064d 0)" --length 10
  before=$(role_json $r targets | jq .signed.version)
  crowd k1 $r t 50; crowd_done
  eq "$(signed_tags $r)" 51 "signed tags"
  eq "$(role_json $r targets | jq .signed.version)" $((before + 50)) "version of targets: a step for each tag"
  eq "$(trust_listing k1 | grep -c '\.tmp$')" 0 "temporary files"
  must nt k1 list $r; hasre "^t50 "
}

k2_two_homes() { # two HOMEs with a delegation key each, and one with the owner's in both
  local r=$RP/crowd/two x
  new_home k2a >/dev/null; new_home k2b >/dev/null
  must bl admin -- trust sign $r:first --digest "sha256:$(printf %064d 0)" --length 10
  for x in a b; do
    mkdir -p "$W/k2$x"
    must bl k2$x -- trust key generate signer-$x --dir "$W/k2$x"
    must dk admin -- trust signer add --key "$W/k2$x/signer-$x.pub" signer-$x $r
  done
  crowd k2a $r a 25; crowd k2b $r b 25; crowd_done
  mustjson trust_json fresh $r
  for x in a b; do
    eq "$(jq --arg s signer-$x '[.[0].SignedTags[] | select(.Signers | index($s))] | length' <<<"$OUT")" 25 "tags of signer-$x"
    eq "$(role_json $r targets/signer-$x | jq .signed.version)" 25 "version of targets/signer-$x"
  done
  eq "$(jq '.[0].SignedTags | length' <<<"$OUT")" 51 "signed tags"
  # the same targets key in two HOMEs: every publish of one is in the other's way
  r=$RP/crowd/shared
  must bl k2a -- trust sign $r:first --digest "sha256:$(printf %064d 0)" --length 10
  rm -rf "$(home k2c)"; cp -r "$(home k2a)" "$(home k2c)"
  crowd k2a $r a 25; crowd k2c $r c 25; crowd_done
  eq "$(signed_tags $r)" 51 "signed tags of one key in two HOMEs"
}

run_crowd() {
  scenario K1 k1_crowd "50 processes sign 50 tags of one repository at once"
  scenario K2 k2_two_homes "50 processes of two HOMEs, with two delegation keys and with one targets key"
}
