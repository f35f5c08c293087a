#!/bin/bash
# The Helm chart: its templates rendered as helm renders them, by Go's own
# text/template, and held against the schemas of Kubernetes.  TAP.
#
#   tests/chart.sh
#
#   BULLA_BIN_DIR   beside it the program in Python that has the schemas
#   STORIES_KEEP=1  keep the work directories
#   CI=true         what is missing is a failure, not a skip
#
# It is not installed on a cluster.
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/peers/required.sh"
. "$HERE/peers/processes.sh"
. "$HERE/peers/engines.sh"
. "$HERE/peers/pki.sh"
. "$HERE/peers/stories.sh"
. "$HERE/peers/python.sh"
CHART=$REPOSITORY/packaging/helm/bulla
KUBERNETES="1.28 1.31 1.37"

# as_json FILE: each document of a file in YAML, one a line
as_json() { "$PYTHON" -c 'import json, sys, yaml; [print(json.dumps(one)) for one in yaml.safe_load_all(open(sys.argv[1])) if one]' "$1"; }

rendered() {
  local version
  as_json "$CHART/values.yaml" >"$TRUST_STATE/values.json" || fail "values.yaml"
  GOCACHE=$TRUST_STATE/go HOME=$TRUST_STATE go run "$HERE/chart/render.go" "$CHART/templates" trust <"$TRUST_STATE/values.json" >"$TRUST_STATE/chart.yaml" ||
    fail "the templates cannot be rendered"
  for version in $KUBERNETES; do must "$(dirname "$PYTHON")/kubernetes-validate" --strict -k "$version" "$TRUST_STATE/chart.yaml"; done
  note "$(grep -c '^INFO .* passed' <<<"$OUT") documents are as Kubernetes $KUBERNETES want them"
  as_json "$TRUST_STATE/chart.yaml" >"$TRUST_STATE/chart.json"
  # what pods may not do, under Kubernetes' restricted standard
  expect "$(jq -s '[.[] | select(.kind == "Deployment") | .spec.template.spec | (.securityContext.runAsNonRoot and .securityContext.seccompProfile.type == "RuntimeDefault"
    and .automountServiceAccountToken == false and all(.containers[].securityContext; .allowPrivilegeEscalation == false and .readOnlyRootFilesystem and .capabilities.drop == ["ALL"]))] | [length, all]' -c "$TRUST_STATE/chart.json")" "[2,true]" "pods that may do nothing but their work"
  # each service, budget and policy is about pods that there are
  expect "$(jq -s -c '([.[] | select(.kind == "Deployment") | .spec.template.metadata.labels]) as $pods |
    [.[] | select(.kind != "Deployment") | .spec | (.podSelector // .selector | .matchLabels // .)] - $pods' "$TRUST_STATE/chart.json")" "[]" "what selects no pod"
  expect "$(jq -s -c '[.[] | select(.kind == "NetworkPolicy") | .spec.ingress[] | select(any(.ports[]; .port == "clients")) | .from[].podSelector.matchLabels["app.kubernetes.io/name"]]' "$TRUST_STATE/chart.json")" \
    '["bulla-server"]' "who reaches the keys"
  # the chart's version is the project's
  expect "$(sed -n 's/^version: //p' "$CHART/Chart.yaml")" "$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$REPOSITORY/Cargo.toml")" "the chart's version"
}

require_peers python3-venv golang-go
python_with kubernetes-validate "$HERE/chart/requirements.txt" || skip_all "kubernetes-validate cannot be installed"
echo "# $(go version)"
stories_begin chart
tell chart "the chart is what Kubernetes takes, and keeps pods to their work" rendered
stories_end
