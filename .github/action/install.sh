#!/usr/bin/env bash
# Names the podcullis to run: BINARY if given, else the one of release VERSION, fetched
# and compared with the checksums of that release.
set -euo pipefail

if [[ -n ${BINARY:-} ]]; then
  path=$(command -v -- "$BINARY") || { echo "::error::the input binary is no program: $BINARY" >&2; exit 2; }
  echo "binary=$path" >>"$GITHUB_OUTPUT"
  exit 0
fi
if [[ ! ${VERSION:-} =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]]; then
  echo "::error::the input version has to be a release such as v0.1.0, or the input binary a program; got '${VERSION:-}'" >&2
  exit 2
fi

case ${RUNNER_OS:-} in
  Linux) os=linux ;;
  macOS) os=darwin ;;
  Windows) os=windows ;;
  *) echo "::error::no release is made for RUNNER_OS '${RUNNER_OS:-}'; give the input binary" >&2; exit 2 ;;
esac
case ${RUNNER_ARCH:-} in
  X64) arch=amd64 ;;
  ARM64) arch=arm64 ;;
  *) echo "::error::no release is made for RUNNER_ARCH '${RUNNER_ARCH:-}'; give the input binary" >&2; exit 2 ;;
esac

number=${VERSION#v}
archive=podcullis_${number}_${os}_${arch}.tar.gz
program=podcullis
[[ $os != windows ]] || { archive=${archive%.tar.gz}.zip; program=podcullis.exe; }
checksums=podcullis_${number}_checksums.txt
dir=$(mktemp -d "${RUNNER_TEMP:?}/podcullis.XXXXXX")
cd "$dir"
for file in "$archive" "$checksums"; do
  if ! curl --fail --silent --show-error --location --retry 3 --header "Authorization: Bearer ${GITHUB_TOKEN:?}" \
    --output "$file" "${GITHUB_SERVER_URL:?}/${REPOSITORY:?}/releases/download/$VERSION/$file"; then
    echo "::error::$file of release $VERSION of $REPOSITORY cannot be fetched" >&2
    exit 2
  fi
done
# One line names the archive; --check alone would also pass where none does.
if ! grep -E "^[0-9a-f]{64}  $archive\$" "$checksums" >wanted || ! sha256sum --check --status wanted; then
  echo "::error::the checksum of $archive is not the one that release $VERSION names" >&2
  exit 2
fi
if [[ $os == windows ]]; then unzip -q "$archive"; else tar -xzf "$archive"; fi
echo "binary=$dir/$program" >>"$GITHUB_OUTPUT"
