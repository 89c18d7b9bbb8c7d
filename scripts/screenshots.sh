#!/usr/bin/env bash
# Takes the pictures that the README and the help pages show, in the real page: all of them, or those named as arguments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/chromium.sh
host=$("${PYTHON:-python3}" scripts/install_comfyui.py setup)
exec "${host#*$'\n'}" scripts/screenshots.py "${host%%$'\n'*}" "$@"
