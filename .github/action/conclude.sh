#!/usr/bin/env bash
# Ends the job as the check did: what was not judged is no success.
set -euo pipefail

case ${RESULT:-} in
  clean) ;;
  violations) echo '::error::guardrails are violated'; exit 1 ;;
  *) echo '::error::the change could not be judged'; exit 2 ;;
esac
