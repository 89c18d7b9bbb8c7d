#!/usr/bin/env bash
# Tests and type-checks the page's modules, and runs the example workflows in the real page of every ComfyUI that the
# pack supports, in headless Chromium. Screenshots: tests/browser/artifacts. SAGE_HOSTS="0.30.0" checks one version only,
# SAGE_CASES="panel" only the cases whose titles match.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
read -ra hosts <<<"${SAGE_HOSTS:-0.30.0 0.3.75}"
source scripts/chromium.sh

echo "== the page's modules"
node --test --test-reporter=spec tests/web/*.test.mjs

echo "== types"
for host in "${hosts[@]}"; do
  node tests/browser/node_modules/typescript/bin/tsc -p "tests/browser/types/$host.json"
done

for host in "${hosts[@]}"; do "${PYTHON:-python3}" scripts/install_comfyui.py setup "$host" >/dev/null; done
exec ".hosts/${hosts[0]}/venv/bin/python" scripts/browser_checks.py "${hosts[@]}"
