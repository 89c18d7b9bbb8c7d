#!/usr/bin/env bash
# Renders the bundled example in a real ComfyUI (installed under .hosts/ the first time; set
# COMFYUI_PATH to use your own). Options are passed on to scripts/demo.py.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
host=$("${PYTHON:-python3}" scripts/install_comfyui.py setup)
exec "${host#*$'\n'}" scripts/demo.py "${host%%$'\n'*}" "$@"
