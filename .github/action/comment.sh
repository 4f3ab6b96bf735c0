#!/usr/bin/env bash
# Writes the file BODY into the comment of the pull request that begins with our mark, or
# into a new one. Whoever may not write comments (a pull request of a fork) is told so, and
# the job goes on: the summary has the same text.
set -euo pipefail

mark='<!-- podcullis -->'
longest=60000 # GitHub takes 65536 characters
if [[ ! -s ${BODY:-} ]]; then
  echo '::notice::there is nothing to comment'
  exit 0
fi
api=${GITHUB_API_URL:?}/repos/${GITHUB_REPOSITORY:?}
github() {
  curl --fail --silent --show-error --retry 2 --header "Authorization: Bearer ${GITHUB_TOKEN:?}" \
    --header 'Accept: application/vnd.github+json' "$@"
}
text=$(jq --raw-input --slurp --argjson longest "$longest" \
  '{body: (if length > $longest then .[:$longest] + "\n\n... the rest is in the summary of the job" else . end)}' "$BODY")

id=
for ((page = 1; page <= 20; page++)); do
  if ! list=$(github "$api/issues/${PULL_REQUEST:?}/comments?per_page=100&page=$page"); then
    echo '::warning::the comments of the pull request cannot be read; the summary of the job has the text'
    exit 0
  fi
  id=$(jq --raw-output --arg mark "$mark" 'map(select(.user.type == "Bot" and (.body | startswith($mark)))) | .[0].id // empty' <<<"$list")
  if [[ -n $id ]] || (($(jq length <<<"$list") < 100)); then break; fi
done
if [[ -n $id ]]; then
  method=PATCH url=$api/issues/comments/$id
else
  method=POST url=$api/issues/$PULL_REQUEST/comments
fi
github --request "$method" --data @- --output /dev/null "$url" <<<"$text" ||
  echo '::warning::the comment cannot be written (pull requests of forks may not); the summary of the job has the text'
