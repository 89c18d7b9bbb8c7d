#!/usr/bin/env bash
# Runs the example workflows in the real page of every ComfyUI that the pack supports, in headless
# Chromium. Screenshots: tests/browser/artifacts. SAGE_HOSTS="0.30.0" checks one host only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
read -ra hosts <<<"${SAGE_HOSTS:-0.30.0 0.3.75}"
here=tests/browser

# What is missing comes from Debian's packages, where we may install them.
missing=()
command -v "${CHROMIUM:-chromium}" >/dev/null || missing+=(chromium fonts-dejavu-core)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
if ((${#missing[@]})); then
  if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    echo "The browser check needs ${missing[*]}. Please install them." >&2
    exit 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
if ! cmp -s "$here/package-lock.json" "$here/node_modules/.installed"; then
  npm ci --prefix "$here" --silent
  cp "$here/package-lock.json" "$here/node_modules/.installed"
fi

echo "== the page's modules"
node --test --test-reporter=spec tests/web/*.test.mjs

for host in "${hosts[@]}"; do "${PYTHON:-python3}" scripts/host.py setup "$host" >/dev/null; done
export CHROMIUM
CHROMIUM=$(command -v "${CHROMIUM:-chromium}")
exec ".hosts/${hosts[0]}/venv/bin/python" scripts/browser.py "${hosts[@]}"
