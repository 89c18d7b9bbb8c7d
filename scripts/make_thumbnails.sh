#!/usr/bin/env bash
# Renders the example workflows in a real ComfyUI and saves a thumbnail beside each.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
host=$("${PYTHON:-python3}" scripts/install_comfyui.py setup)
exec "${host#*$'\n'}" scripts/make_thumbnails.py "${host%%$'\n'*}" "$@"
