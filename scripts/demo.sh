#!/usr/bin/env bash
# The main job on a real model, on a fresh machine: sets everything up, converts a DLRM of 26 tables,
# compares it with the original, measures it, and ends with a verdict. Arguments go to demo.py.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
need_packages "${build_packages[@]}"
need_python
build_wheel
install_wheel "$venv/bin/python" ""
cd "${TMPDIR:-/tmp}" # not the clone's root: its hps_trt/ would shadow the installed package
exec "$venv/bin/python" "$root/scripts/demo.py" --workdir "${HPS_TRT_DEMO_DIR:-$root/demo-output}" "$@"
