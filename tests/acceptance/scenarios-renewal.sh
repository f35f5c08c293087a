# What has expired, renewed by bulla, and read by notary and docker.  Sourced by
# e2e.sh.  The clock that is moved is bulla's: it signs three or ten years ago,
# so that what it signs ends in this run.  The servers' clocks stay (Go's
# programs cannot be told another time), docker's and notary's as well.
CLOCK_MOVER=$(compgen -G '/usr/lib/*/faketime/libfaketime.so.1' | head -1)
# how much longer than this moment things last, in seconds
LEFT=30

# ago YEARS: the environment in which it is so many years ago, and a little less
ago() { AGO=(LD_PRELOAD="$CLOCK_MOVER" FAKETIME="-$(($1 * 365 * 86400 - LEFT))"); }
# ends HOMENAME IMAGE: waits until verifying it is refused
ends() {
  local _
  for _ in $(seq 1 120); do
    OUT=$(bl "$1" -- trust verify "$2" 2>&1) || { show "trust verify $2"; echo "$OUT"; return; }
    sleep 0.5
  done
  reason "$2 does not expire"
}
digest() { printf 'sha256:%064d' "$1"; }
tags() { role_json "$1" "$2" | jq -cS .signed.targets; }

e1_expired() { # targets, a delegation, a root's date
  [ -n "$CLOCK_MOVER" ] || skip "needs libfaketime"
  local r=$RP/renew/one s=$RP/renew/two k=$RP/renew/three m=$RP/renew/four before x key
  for x in e1 e1alice e1reader; do new_home $x >/dev/null; done
  mkdir -p "$W/e1"
  must bl e1alice -- trust key generate alice --dir "$W/e1"
  must bl e1 -- trust sign $s:1 --digest "$(digest 1)" --length 10
  must bl e1 -- trust signer add --key "$W/e1/alice.pub" alice $s
  must bl e1alice -- trust sign $s:1 --digest "$(digest 1)" --length 10    # the root of today is known from now on
  for x in $k $m; do must bl e1 -- trust sign $x:1 --digest "$(digest 1)" --length 10; done
  ago 3
  must bl e1 "${AGO[@]}" -- trust sign $r:1 --digest "$(digest 1)" --length 10
  must bl e1alice "${AGO[@]}" -- trust sign $s:2 --digest "$(digest 2)" --length 10
  ago 10
  for x in $k $m; do must bl e1 "${AGO[@]}" -- key rotate -r $x snapshot; done    # signs the root alone
  for x in $r:1 $s:2 $k:1 $m:1; do must bl e1reader -- trust verify $x; done

  ends e1reader $r:1; has "targets expired at"
  exits 3 bl e1reader -- trust verify $r:1
  mustfail nt e1reader list $r; has "targets expired"
  exits 3 bl e1 -- trust sign $r:2 --digest "$(digest 2)" --length 10; has "targets expired at"
  exits 1 bl e1 -- doctor $r; has "to do: targets expired"; has "bulla renew $r"
  before=$(tags $r targets)
  key=$(role_json $r root | jq -r '.signed.roles.targets.keyids[0]')
  exits 1 bl fresh -- renew $r; has "too few of its keys are here; the holder of $key runs: bulla renew $r"
  must bl e1 -- renew --dry-run $r; has "can be signed anew with the keys here"
  eq "$(role_json $r targets | jq .signed.version)" 2 "version of targets after a plan"
  must bl e1 -- renew $r; has "Successfully renewed $r"
  eq "$(role_json $r targets | jq .signed.version)" 3 "version of targets"
  eq "$(tags $r targets)" "$before" "tags"
  must bl e1reader -- trust verify $r:1; has "$(digest 1)"
  must nt e1reader list $r; hasre "^1 "
  mustjson trust_json fresh $r
  exits 0 bl e1 -- doctor $r

  ends e1reader $s:2; has "targets/releases does not count"
  before=$(tags $s targets/releases)
  exits 1 bl e1 -- renew $s; has "delegation targets/alice, version 2 with 2 targets, expired"; has "runs: bulla renew $s"
  must bl e1alice -- renew $s
  eq "$(tags $s targets/releases)" "$before" "tags of the release"
  must bl e1reader -- trust verify $s:2; has "$(digest 2)"
  must nt e1reader list $s; hasre "^2 .*targets/"

  for x in $k $m; do ends e1reader $x:1; has "root expired at"; done
  printf '#!/bin/sh\necho asked >>"%s"\necho "%s"\n' "$W/e1/asked" "$RPASS" >"$W/e1/ask"; chmod 700 "$W/e1/ask"
  must bl e1 DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE= BULLA_ASKPASS="$W/e1/ask" -- renew $k $m
  eq "$(grep -c . "$W/e1/asked")" 1 "questions for the passphrase of the one root key"
  for x in $k $m; do
    eq "$(role_json $x root | jq .signed.version)" 3 "version of root"
    must bl e1reader -- trust verify $x:1; has "$(digest 1)"
    must nt e1reader list $x; hasre "^1 "
  done
}

e2_certificate() { # a root certificate that ends soon, and one that has ended
  [ -n "$CLOCK_MOVER" ] || skip "needs libfaketime"
  local r=$RP/renew/certificate id
  for x in e2 e2reader; do new_home $x >/dev/null; done
  must bl e2 -- trust sign $r:1 --digest "$(digest 1)" --length 10
  LEFT=$((100 * 86400)) ago 10
  must bl e2 "${AGO[@]}" -- key rotate --yes $r root
  must bl e2reader -- trust verify $r:1
  exits 1 bl e2 -- doctor $r; has "to do: certificate of root key"
  id=$(role_json $r root | jq -r '.signed.roles.root.keyids[0]')
  must bl e2 -- renew $r; has "certificate of root key"
  ne "$(role_json $r root | jq -r '.signed.roles.root.keyids[0]')" "$id" "id of the certificate"
  eq "$(key_count e2 root)" 2 "root keys: none but those of the rotation"
  for x in e2reader fresh; do must bl $x -- trust verify $r:1; must nt $x list $r; hasre "^1 "; done

  must bl e2 -- trust verify $r:1    # what begins today is known from now on
  ago 10
  must bl e2 "${AGO[@]}" -- key rotate --yes $r root
  must bl e2reader -- trust verify $r:1
  ends e2reader $r:1; has "root expired at"
  rm -rf "$(home fresh)/.docker/trust/tuf/$r"
  exits 3 bl fresh -- trust verify $r:1; has "unable to retrieve valid leaf certificates"
  case ${START_SERVER_CMD:-} in
    *reference*)
      # it holds the stored root's certificate against its clock and refuses whatever comes
      exits 1 bl e2 -- renew $r; has "notary's server takes nothing more for a repository whose root certificate has expired"
      note "the reference takes no successor of a root whose certificate has expired" ;;
    *)
      must bl e2 -- renew $r
      for x in e2reader fresh; do must bl $x -- trust verify $r:1; has "$(digest 1)"; must nt $x list $r; hasre "^1 "; done
      exits 0 bl e2 -- doctor $r ;;
  esac
}

e3_delegation_key() { # a signer's key exchanged by the owner, and docker's eyes on it
  local r=$RP/renew/signer x old new
  for x in e3 e3bob; do new_home $x >/dev/null; done
  mkdir -p "$W/e3"
  must bl e3bob -- trust key generate bob --dir "$W/e3"
  must dk e3 -- trust signer add --key "$W/e3/bob.pub" bob $r
  mkimg $r:1 "one"; must dk e3bob -- push $r:1
  local d; d=$(digest_of_push)
  must bl e3bob -- trust sign $r:1
  old=$(role_json $r targets | jq -r '.signed.delegations.roles[0].keyids[0]')
  must bl e3 -- key rotate $r targets/bob; has "Successfully rotated targets/bob key for repository $r"
  new=$(role_json $r targets | jq -r '[.signed.delegations.roles[].keyids[]]|unique|join(",")')
  ne "$new" "$old" "the signer's key"
  for x in bob releases; do eq "$(role_json $r targets/$x | jq -r '[.signatures[].keyid]|join(",")')" "$new" "who signed targets/$x"; done
  mustjson trust_json fresh $r
  eq "$(jq -r '.[0]|(.Signers[0].Keys[0].ID + " " + (.SignedTags[0].Signers|join(",")))' <<<"$OUT")" "$new bob" "docker's signer"
  dk svc -- rmi -f $r:1 >/dev/null 2>&1
  must dct fresh -- pull $r:1; has "Digest: $d"
  # the old key is out, and docker signs with the new one
  exits 1 bl e3bob -- trust sign $r:1; has "no valid signing keys for delegation roles"
  mkimg $r:2 "two"; must dct e3 -- push $r:2; has "Successfully signed $r:2"
  must bl fresh -- trust verify $r:2
}

run_renewal() {
  scenario E1 e1_expired "targets, a delegation and a root after their dates: renewed, tags unchanged"
  scenario E2 e2_certificate "a root certificate before and after its end"
  scenario E3 e3_delegation_key "a signer's key exchanged in every delegation"
}
