#!/usr/bin/env bash
# Judges FILES (against BEFORE) and writes what comes of it: annotations, SARIF, the
# summary of the job and the text of the comment. It fails only where it cannot judge;
# conclude.sh fails the job, so that comment and upload come first.
set -euo pipefail

out=$(mktemp -d "${RUNNER_TEMP:?}/podcullis-out.XXXXXX")
inputs=() after=()
while IFS= read -r line; do
  [[ -z $line ]] || { inputs+=(-f "$line") && after+=(--after "$line"); }
done <<<"${FILES:?}"
before=()
while IFS= read -r line; do
  [[ -z $line ]] || before+=(--before "$line")
done <<<"${BEFORE:-}"
guardrails=()
[[ -z ${CONFIG:-} ]] || guardrails+=(--config "$CONFIG")
[[ -z ${POLICY_DIR:-} ]] || guardrails+=(--policy-dir "$POLICY_DIR")

code=0
"$PODCULLIS" check "${inputs[@]}" "${before[@]}" "${guardrails[@]}" --fail-on "${FAIL_ON:-deny}" \
  -o github -o "sarif=$out/podcullis.sarif" -o "markdown=$out/findings.md" 2>"$out/said" || code=$?
cat "$out/said" >&2
case $code in
  0) result=clean ;;
  1) result=violations ;;
  *) result=error ;;
esac

{
  echo '<!-- podcullis -->'
  case $result in
    clean) echo '### Podcullis: nothing that fails this change' ;;
    violations) echo '### Podcullis: guardrails are violated' ;;
    error) echo '### Podcullis could not judge this change' ;;
  esac
  echo
  if [[ $result == error ]]; then
    echo '```'
    head -c 10000 "$out/said"
    echo '```'
  elif [[ -s $out/findings.md ]]; then
    cat "$out/findings.md"
  fi
  if ((${#before[@]})) && [[ $result != error ]]; then
    echo
    echo '<details><summary>Which connections change</summary>'
    echo
    "$PODCULLIS" diff "${before[@]}" "${after[@]}" -o markdown 2>"$out/diff-said" || (($? == 1)) || cat "$out/diff-said"
    echo
    echo '</details>'
  fi
} >"$out/comment.md"
cat "$out/comment.md" >>"${GITHUB_STEP_SUMMARY:?}"
{
  echo "result=$result"
  echo "comment=$out/comment.md"
  [[ ! -s $out/podcullis.sarif ]] || echo "sarif=$out/podcullis.sarif"
} >>"${GITHUB_OUTPUT:?}"
