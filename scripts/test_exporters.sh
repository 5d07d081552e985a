#!/usr/bin/env bash
# Exports models afresh with torch and with TensorFlow, each in an environment of its own, and compares
# the converted models with the frameworks themselves. Called by test.sh --exporters.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

# exporters NAME PACKAGES...: an environment with those packages and this clone's hps-trt, then its tests.
exporters() {
  local env=$venv/exporters-$1
  shift
  [ -x "$env/bin/python" ] || "$python" -m venv "$env"
  say "exporters: $*"
  install_wheel "$env/bin/python" test "$@"
  (cd "$root/tests" && "$env/bin/python" -m pytest -q -m exporters exporters)
}
exporters torch torch==2.13.0 onnxscript==0.7.2
exporters tensorflow tensorflow-cpu==2.21.0 keras==3.15.0 tf2onnx==1.17.0
