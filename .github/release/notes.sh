#!/usr/bin/env bash
# Prints what CHANGELOG.md says of a version, such as v0.1.0. One of which it says nothing,
# and one that is not the chart's, is no release.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

number=${1#v}
for field in version appVersion; do
  if ! grep -qxE "$field: \"?${number//./\\.}\"?" charts/podcullis/Chart.yaml; then
    echo "charts/podcullis/Chart.yaml: $field is not $number" >&2
    exit 1
  fi
done
notes=$(awk -v head="## [$number]" 'index($0, "## [") == 1 {on = index($0, head) == 1; next} on' CHANGELOG.md)
if [[ -z ${notes//[[:space:]]/} ]]; then
  echo "CHANGELOG.md has no section [$number], or nothing in it" >&2
  exit 1
fi
echo "$notes"
