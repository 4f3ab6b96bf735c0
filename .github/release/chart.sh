#!/usr/bin/env bash
# The chart as an artefact: `chart.sh package v0.1.0 DIR` writes DIR/podcullis-0.1.0.tgz, with
# the image of IMAGE_REPOSITORY (if set) as the default; `chart.sh push v0.1.0 DIR` pushes it to
# CHART_REPOSITORY, such as oci://HOST/OWNER/charts, and signs it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

what=${1:?package or push} number=${2#v} dir=${3:?a folder}
case $what in
  package)
    mkdir -p "$dir"
    staged=$(mktemp -d)
    trap 'rm -r "$staged"' EXIT
    cp -r charts/podcullis "$staged/podcullis"
    if [[ -n ${IMAGE_REPOSITORY:-} ]]; then
      if [[ ! $IMAGE_REPOSITORY =~ ^[a-z0-9][a-z0-9._:/-]*$ ]]; then
        echo "IMAGE_REPOSITORY is no image repository: $IMAGE_REPOSITORY" >&2
        exit 1
      fi
      sed -i "s|^  repository: podcullis-webhook$|  repository: $IMAGE_REPOSITORY|" "$staged/podcullis/values.yaml"
      sed -i "s|image: podcullis-webhook:.*|image: $IMAGE_REPOSITORY:$number|" "$staged/podcullis/Chart.yaml"
      grep -qF "  repository: $IMAGE_REPOSITORY" "$staged/podcullis/values.yaml" || { echo 'values.yaml names no image.repository to replace' >&2; exit 1; }
    fi
    helm package "$staged/podcullis" --version "$number" --app-version "$number" --destination "$dir"
    ;;
  push)
    said=$(helm push "$dir/podcullis-$number.tgz" "${CHART_REPOSITORY:?}" 2>&1)
    echo "$said"
    digest=$(sed -n 's/^Digest: *//p' <<<"$said")
    cosign sign --yes "${CHART_REPOSITORY#oci://}/podcullis@${digest:?helm push named no digest}"
    ;;
  *)
    echo "package or push, not $what" >&2
    exit 2
    ;;
esac
