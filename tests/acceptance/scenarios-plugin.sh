# Our client as docker's CLI plugin, and the verbs that docker 29 has lost: pull, run, create.
# Sourced by e2e.sh after scenarios-bulla.sh.  Up to docker 28 `trust` is docker's own command, so the plugin is
# installed under another name here.

# plugged HOMENAME: a HOME in which docker has the plugin `bulla`
plugged() {
  new_home "$1" >/dev/null
  mkdir -p "$(home "$1")/.docker/cli-plugins"
  ln -s "$BULLA_CLI" "$(home "$1")/.docker/cli-plugins/docker-bulla"
}
# lc HOMENAME [VAR=VALUE...] -- ARGS: our client without docker's plugin manager, on the engine
lc() { local h=$1; shift; bl "$h" DOCKER_HOST="unix://$SOCK" "$@"; }
# in_engine REFERENCE: whether the engine has it
in_engine() { dk svc -- image inspect "$1" >/dev/null 2>&1; }
forget() { for image in "$@"; do dk svc -- rmi -f "$image" >/dev/null 2>&1; done; }
# mksh REFERENCE TEXT: an image with a shell in it, which tells TEXT by `cat /content`
mksh() {
  local d=$W/img.$RANDOM$RANDOM file
  mkdir -p "$d/bin" "$d/tmp"
  for file in /bin/sh /bin/cat $(ldd /bin/sh /bin/cat | grep -oE '/[^ ]+\.so[^ ]*' | sort -u); do
    mkdir -p "$d$(dirname "$file")"; cp -L "$file" "$d$file"
  done
  printf '%s\n' "$2" >"$d/content"
  tar -C "$d" --owner=0 --group=0 -cf "$d.tar" .
  dk svc -- import -c 'CMD ["/bin/cat", "/content"]' "$d.tar" "$1" >/dev/null || reason "docker import failed"
  rm -rf "$d" "$d.tar"
}
# signed_here HOMENAME REFERENCE TEXT: pushed, signed, and forgotten by the engine; its digest in DIGEST
signed_here() {
  mksh "$2" "$3"; must dk svc -- push "$2"; DIGEST=$(digest_of_push)
  must bl "$1" -- trust sign "$2"
  forget "$2"
}

x1_metadata() { # what docker finds, and calls
  local r=$RP/plugin/meta file
  plugged x1; file=$(home x1)/.docker/cli-plugins
  OUT=$("$file/docker-bulla" docker-cli-plugin-metadata) || reason "no metadata"
  eq "$(jq -r '.SchemaVersion,.Vendor' <<<"$OUT" | paste -sd' ')" "0.1.0 Bulla" "metadata"
  # as docker 29 looks for it
  ln -s "$BULLA_CLI" "$file/docker-trust"
  eq "$("$file/docker-trust" docker-cli-plugin-metadata)" "$OUT" "metadata under the other name"
  must "$file/docker-trust" trust --help; has "Usage: docker trust"
  rm "$file/docker-trust"
  must dk x1 -- --help; hasre "bulla\*? .*Manage trust on Docker images"
  must dk x1 -- info; has "Manage trust on Docker images"
  must dk x1 -- bulla --help; has "Usage: docker bulla"; has "pull"
  must dk x1 -- help bulla pull; has "Usage: docker bulla pull"
  exits 2 dk x1 -- bulla pull; has "Usage: docker bulla pull"
  # docker's own verbs, word for word
  mkimg $r:1 "one"; must dct x1 -- push $r:1
  OUT=$(dk x1 -- bulla inspect $r) || reason "the plugin does not inspect"
  eq "$OUT" "$(dk x1 -- trust inspect $r)" "inspect"
  must dk x1 -- bulla verify $r:1; has "$r@$(reg_digest $r:1)"
  mkimg $r:2 "two"; must dk x1 -- push $r:2
  must dk x1 -- bulla sign $r:2; has "Successfully signed $r:2"
  # texts name commands as they have to be called here
  OUT=$(env -i HOME="$(home x1)" PATH="$PATH" "$file/docker-bulla" __complete bulla "pu"); eq "$OUT" $'pull\npush-tag\n:4' "completions"
  case $(docker --version) in *" 20.10."*) ;; *) must dk x1 -- __complete bulla pu; has push-tag ;; esac
}

x2_pull() {
  local r=$RP/plugin/pull one two evil index h
  plugged x2; h=$(home x2)
  signed_here x2 $r:1 "one"; one=$DIGEST
  must dk x2 -- bulla pull $r:1
  has "Pull (1 of 1): $r:1@$one"; has "Tagging $r@$one as $r:1"; has "Digest: $one"
  eq "$(tail -1 <<<"$OUT")" "$r:1" "the last line"
  eq "$(dk svc -- image inspect -f '{{index .RepoDigests 0}}' $r:1)" "$r@$one" "what was pulled"
  # not signed: refused before docker is asked
  mksh $r:2 "two"; must dk svc -- push $r:2; two=$(digest_of_push); forget $r:2
  exits 3 dk x2 -- bulla pull $r:2; has "No valid trust data for 2"; hasnt "Pulling from"
  ! in_engine $r:2 && ! in_engine $r@$two || reason "an unsigned image is in the engine"
  exits 3 lc x2 -- trust pull $RP/plugin/nobody:1; has "remote trust data does not exist for"
  exits 3 lc x2 -- trust pull $r; has "Using default tag: latest"; has "No valid trust data for latest"
  # the tag is moved in the registry: the signed digest comes
  mksh $r:1 "evil"; must dk svc -- push $r:1; evil=$(digest_of_push); forget $r:1 $r@$one
  must lc x2 -- trust pull -q $r:1; hasnt "Pulling from"; eq "$(tail -1 <<<"$OUT")" "$r:1" "the last line"
  in_engine $r@$one || reason "the signed digest is not in the engine"
  ! in_engine $r@$evil || reason "what is under the tag is in the engine"
  # all signed tags, as one document
  signed_here x2 $r:3 "three"; forget $r:1 $r@$one
  OUT=$(lc x2 -- trust pull -a $r --output json 2>"$W/x2.err") || reason "pull -a"
  eq "$(jq -r '[.pulled[]|"\(.tag)=\(.digest)"]|join(" ")' <<<"$OUT")" "1=$one 3=$DIGEST" "what was pulled"
  jq -es . "$W/x2.err" >/dev/null || reason "standard error is no JSON"
  in_engine $r:1 && in_engine $r:3 && ! in_engine $r:2 || reason "what -a pulled"
  exits 1 lc x2 -- trust pull -a $r:1; has "tag can't be used with --all-tags/-a"
  # by digest, as docker: the name says what the content must be
  forget $r@$two
  must dk x2 -- bulla pull $r@$two; has "Digest: $two"
  # docker cannot get it: its own words, and its failure
  must bl x2 -- trust sign $r:gone --digest sha256:$(printf %064d 7) --length 500
  exits 1 dk x2 -- bulla pull $r:gone; has "Error: docker did not pull $r@sha256:"
  exits 1 lc x2 DOCKER_HOST=unix:///nowhere -- trust pull $r:1 --output json
  eq "$(tail -1 <<<"$OUT" | jq -r .error.code)" server "code"
  # the engine and the directory that docker was told of before the plugin's name
  forget $r:1 $r@$one
  must env -i PATH="$PATH" HOME=/nowhere DOCKER_CONTENT_TRUST_SERVER="$TRUST_SERVER_URL" \
    docker --config "$h/.docker" -H "unix://$SOCK" bulla pull $r:1
  in_engine $r@$one || reason "not the engine of -H"
  # docker's own trust asks for nothing in between, and sees no passphrase
  must dct x2 -- bulla pull $r:1
}

x3_run() {
  local r=$RP/plugin/run one evil c
  plugged x3
  signed_here x3 $r:1 "signed"; one=$DIGEST
  mksh $r:1 "evil"; must dk svc -- push $r:1; evil=$(digest_of_push)
  # the engine has another image under the very tag, and so has the registry: the signed digest runs
  must dk x3 -- bulla run --rm --network none $r:1; eq "$(tail -1 <<<"$OUT")" signed "what ran"
  ! in_engine $r@$one || eq "$(dk svc -- image inspect -f '{{index .RepoDigests 0}}' $r@$one)" "$r@$one" "the image"
  c=$(dk x3 -- bulla create --network none --name x3c -e A=b --label=$r:1 $r:1 sh -c x) || reason "create"
  eq "$(dk svc -- inspect -f '{{.Config.Image}} {{.Path}} {{.Args}} {{.Name}}' "$c")" "$r@$one sh [-c x] /x3c" "what was created"
  # arguments, environment, exit code, standard input
  show "arguments"
  OUT=$(dk x3 -- bulla run --rm --network=none -e "A=b c" $r:1 sh -c 'echo "$A|$1|$2"; exit 7' x "1 2" --rm) && RCODE=0 || RCODE=$?
  eq "$RCODE $OUT" "7 b c|1 2|--rm" "exit code and output"
  OUT=$(ANSWER="typed in" lc_in x3 -- trust run -i --rm --network none $r:1 cat) || reason "standard input"
  eq "$OUT" "typed in" "standard input"
  # a terminal, and our own options before the verb
  OUT=$(script -qec "$(printf '%q ' env -i PATH="$PATH" HOME="$(home x3)" TERM=xterm DOCKER_HOST="unix://$SOCK" "$BULLA_CLI" \
    --server "$TRUST_SERVER_URL" trust run -it --rm --network none $r:1 sh -c 'test -t 0 && test -t 1 && echo a terminal; exit 5')" /dev/null </dev/null) && RCODE=0 || RCODE=$?
  has "a terminal"; eq "$RCODE" 5 "exit code on a terminal"
  # a signal reaches the container: docker has taken our place
  # a file of each one's own, empty before it begins: what the one before said must not be taken for what this one says
  : >"$W/x3.out"; : >"$W/x3o.out"
  env -i PATH="$PATH" HOME="$(home x3)" DOCKER_HOST="unix://$SOCK" DOCKER_CONTENT_TRUST_SERVER="$TRUST_SERVER_URL" \
    "$BULLA_CLI" trust run --name x3s --network none $r:1 sh -c 'trap "echo caught; exit 9" TERM; echo up; cat /dev/zero >/dev/null & wait' \
    </dev/null >"$W/x3.out" 2>&1 &
  local pid=$! n
  for n in $(seq 1 200); do grep -q '^up' "$W/x3.out" && break; sleep 0.1; done
  kill -TERM $pid; wait $pid && RCODE=0 || RCODE=$?
  cat "$W/x3.out"; eq "$RCODE" 9 "exit code after a signal"
  dk svc -- rm -f x3s >/dev/null 2>&1
  # and one to the docker that called the plugin, which hands none on, but tells it (docker 20.10 does not)
  case $(docker --version) in *" 20.10."*) ;; *)
    env -i PATH="$PATH" HOME="$(home x3)" DOCKER_HOST="unix://$SOCK" DOCKER_CONTENT_TRUST_SERVER="$TRUST_SERVER_URL" \
      docker bulla run --name x3o --network none $r:1 sh -c 'trap "echo caught; exit 9" TERM; echo up; cat /dev/zero >/dev/null & wait' \
      </dev/null >"$W/x3o.out" 2>&1 &
    pid=$!
    for n in $(seq 1 200); do grep -q '^up' "$W/x3o.out" && break; sleep 0.1; done
    kill -TERM $pid; wait $pid && RCODE=0 || RCODE=$?
    # that docker's own exit code tells of its signal
    cat "$W/x3o.out"; eq "$(dk svc -- inspect -f '{{.State.Status}} {{.State.ExitCode}}' x3o)" "exited 9" "after a signal to the docker in front"
    grep -q '^caught' "$W/x3o.out" || reason "what the container said at its end is lost"
    dk svc -- rm -f x3o >/dev/null 2>&1
  esac
  # not signed: nothing is asked of docker, and no container's code is shown
  mksh $r:2 "two"; must dk svc -- push $r:2
  exits 125 dk x3 -- bulla run --rm $r:2; has "No valid trust data for 2"
  exits 3 dk x3 -- bulla create --name x3u $r:2; has "No valid trust data for 2"
  exits 125 dk x3 -- bulla run --rm "$(dk svc -- image inspect -f '{{.Id}}' $r:2)"
  ! dk svc -- inspect x3u >/dev/null 2>&1 || reason "a container of an unsigned image"
  # nothing is guessed
  exits 125 dk x3 -- bulla run --unheard-of $r:1 $r:2; has "write --unheard-of=VALUE"
  exits 125 dk x3 -- bulla run --unheard-of=$r:1 $r:1; has "unknown flag: --unheard-of"
  exits 125 dk x3 -- bulla run --disable-content-trust $r:2; has "what shall not be verified is for docker run itself"
  exits 125 dk x3 -- bulla run --rm; has "no image is named"
  # cached trust data only by permission
  exits 125 lc x3 DOCKER_CONTENT_TRUST_SERVER=https://$TRUST_HOST:1 -- trust run --rm $r:1; has "cannot verify"
  must lc x3 DOCKER_CONTENT_TRUST_SERVER=https://$TRUST_HOST:1 -- trust run --allow-cached --rm --network none $r:1; has signed
  forget $r:1 $r:2 x3c
}
# as lc, with ANSWER on standard input
lc_in() {
  local h=$1; shift 2
  answer | env -i PATH="$PATH" HOME="$(home "$h")" DOCKER_HOST="unix://$SOCK" DOCKER_CONTENT_TRUST_SERVER="$TRUST_SERVER_URL" \
    timeout 120 "$BULLA_CLI" "$@"
}

x4_platforms() { # an index: the engine takes its platform's image out of what is signed
  local r=$RP/plugin/many d
  plugged x4
  mksh $r:amd64 "for this machine"; must dk svc -- push $r:amd64
  mksh $r:arm64 "for another"; must dk svc -- push $r:arm64
  index_of $r amd64 arm64
  sed -i 's/"armamd64"/"amd64"/; s/"armarm64"/"arm64"/' "$W/index"; d=sha256:$(sha256sum <"$W/index" | cut -d' ' -f1)
  eq "$(curl -s --noproxy '*' --cacert "$W/pki/ca.crt" -X PUT -H 'Content-Type: application/vnd.oci.image.index.v1+json' \
    --data-binary @"$W/index" -o /dev/null -w '%{http_code}' "https://${r%%/*}/v2/${r#*/}/manifests/$d")" 201 "the index"
  must bl x4 -- trust push-tag $r:prod --digest "$d"
  forget $r:amd64 $r:arm64
  must dk x4 -- bulla pull $r:prod; has "Pull (1 of 1): $r:prod@$d"
  must dk x4 -- bulla run --rm --network none $r:prod; eq "$(tail -1 <<<"$OUT")" "for this machine" "what ran"
  forget $r:prod $r@$d
  must dk x4 -- bulla pull --platform linux/arm64 $r:prod
  dk svc -- create --name x4c $r@$d >/dev/null; OUT=$(dk svc -- cp x4c:/content - | tar -xO); dk svc -- rm x4c >/dev/null
  eq "$OUT" "for another" "the other platform"
  forget $r:prod $r@$d
}

x5_policy() { # what a policy refuses comes neither into the engine nor into a container
  local r=$RP/plugin/policy one t
  plugged x5; t=$(home x5)/.docker/trust
  signed_here x5 $r:1 "one"; one=$DIGEST
  printf '[[rule]]\nimages = ["%s"]\nsigners = { all = ["bob"] }\n' "$r" >"$t/policy.toml"; chmod 600 "$t/policy.toml"
  exits 3 dk x5 -- bulla pull $r:1; has "the policy $t/policy.toml refuses $r:1"
  exits 3 dk x5 -- bulla pull -a $r; has "the policy $t/policy.toml refuses $r:1"
  # nor by its digest, which a policy looks at, too
  exits 3 dk x5 -- bulla pull $r@$one; has "the policy $t/policy.toml refuses"
  exits 125 dk x5 -- bulla run --rm --network none $r:1; has "the policy"
  exits 125 dk x5 -- bulla run --rm --network none $r@$one; has "the policy"
  exits 3 dk x5 -- bulla create $r:1; has "the policy"
  exits 3 dk x5 -- bulla verify $r:1; has "the policy"
  ! in_engine $r:1 && ! in_engine $r@$one || reason "what the policy refuses is in the engine"
  printf '[[rule]]\nimages = ["%s"]\nsigners = { anyone = true }\n' "$r" >"$t/policy.toml"
  must dk x5 -- bulla pull $r:1; must dk x5 -- bulla run --rm --network none $r@$one; eq "$(tail -1 <<<"$OUT")" one "what ran"
  forget $r:1 $r@$one
}

run_plugin() {
  scenario X1 x1_metadata "docker's CLI plugin: metadata, help, completions, docker's own verbs"
  scenario X2 x2_pull "pull: the signed digest and nothing else comes into the engine"
  scenario X3 x3_run "run and create: the signed digest, docker's options, exit code, terminal and signals"
  scenario X4 x4_platforms "pull and run of an image for several platforms"
  scenario X5 x5_policy "pull, run and create under a policy"
}
