#!/usr/bin/env bash
# Checks everything against every ComfyUI that the pack supports, and sets up what is missing first.
# Arguments (tests/sharing/test_plan.py, -k ...) go to pytest; SAGE_HOSTS="0.30.0" tests one version only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
read -ra hosts <<<"${SAGE_HOSTS:-0.30.0 0.3.75}"
python=${PYTHON:-python3}

python_of() { "$python" scripts/install_comfyui.py setup "$1" --dev | tail -n 1; }

# With the newest one only: what does not touch ComfyUI (tests/test_architecture.py sees to it), a model that only the
# benchmarks use, and what starts many servers: the farm (tests/farm/test_run_on.py starts it with every version).
newest_only=(
  tests/prompts tests/grouping tests/sharing tests/metrics tests/demo/test_large_scenes.py
  tests/farm/test_farm_command.py tests/farm/test_farm_ray.py
)

# -P keeps the repository's root off the path, where our nodes/ would hide ComfyUI's nodes.py.
# One thread: the suites of all versions run side by side, each in a process of its own.
suite() {
  local host=$1 where=tests arg
  shift
  for arg; do [[ -e ${arg%%::*} ]] && where=; done
  [[ $host == 0.30.0 || -z $where ]] || set -- "${newest_only[@]/#/--ignore=}" "$@"
  exec env -u PYTHONPATH COMFYUI_PATH="$PWD/.hosts/$host/ComfyUI" OMP_NUM_THREADS=1 \
    ".hosts/$host/venv/bin/python" -P -m pytest $where "$@"
}

for host in "${hosts[@]}"; do python_of "$host" >/dev/null; done
tools=$("$python" scripts/install_comfyui.py tools)
failed=()

echo "== ruff"
"$tools/ruff" check . && "$tools/ruff" format --check --quiet . || failed+=("ruff")

echo "== mypy"
# A package needs a name that is one, whatever the folder of the repository is called.
mkdir -p .hosts/types && ln -sfn ../.. .hosts/types/comfyui_sage
# A cache for each version: two that run at the same time would break a common one.
MYPYPATH=.hosts/types:scripts "$tools/mypy" --python-executable "$(python_of "${hosts[0]}")" \
  --cache-dir ".hosts/${hosts[0]}/mypy" \
  -p comfyui_sage.sage_core -p comfyui_sage.nodes -p comfyui_sage.routes -p comfyui_sage.farm -m install_comfyui -m comfyui_server \
  -m workflow_to_api -m demo -m browser_checks -m make_thumbnails -m export_texts -m screenshots || failed+=("mypy")

echo "== scanners"
# What users and the registry may run over the pack. Of the second one, "suspicious" is not enough: so are docstrings.
"$tools/bandit" -q -r -ll sage_core nodes routes farm __init__.py || failed+=("bandit")
for folder in sage_core nodes routes farm web; do
  "$tools/nodesafe" scan --fail-on malicious "$folder" >/dev/null || failed+=("nodesafe: $folder")
done

echo "== comfy node validate"
DO_NOT_TRACK=1 "$tools/comfy" --skip-prompt node validate || failed+=("comfy node validate")

# The first version's suite is shown while it runs, the others' when they are done.
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
declare -A running
for host in "${hosts[@]:1}"; do
  suite "$host" "$@" >".hosts/$host/pytest.log" 2>&1 &
  running[$host]=$!
done
echo "== pytest on ComfyUI ${hosts[0]}"
suite "${hosts[0]}" "$@" 2>&1 | tee ".hosts/${hosts[0]}/pytest.log" || failed+=("pytest on ${hosts[0]}")
for host in "${hosts[@]:1}"; do
  wait "${running[$host]}" || failed+=("pytest on $host")
  echo "== pytest on ComfyUI $host"
  cat ".hosts/$host/pytest.log"
done

echo "== results"
for host in "${hosts[@]}"; do echo "$host: $(tail -n 1 ".hosts/$host/pytest.log")"; done
((${#failed[@]} == 0)) || { (IFS=, && echo "FAILED: ${failed[*]}") && exit 1; }
