#!/usr/bin/env bash
# Takes the pictures of the nodes' panels that the README and the help pages show, in the real page.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/chromium.sh
host=$("${PYTHON:-python3}" scripts/host.py setup)
exec "${host#*$'\n'}" scripts/screenshots.py "${host%%$'\n'*}" "$@"
