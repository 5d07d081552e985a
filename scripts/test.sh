#!/usr/bin/env bash
# All tests, on a fresh machine: sets everything up in .venv, builds, checks style, runs.
#   scripts/test.sh [--exporters] [--fast]
#   --exporters  also export models afresh with torch and TensorFlow (gigabytes of wheels) and compare
#   --fast       leave out the sanitizer builds and the TensorRT wheels (development only)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
exporters=0 fast=0
for argument in "$@"; do
  case $argument in
    --exporters) exporters=1 ;;
    --fast) fast=1 ;;
    *) die "unknown option $argument; options are --exporters and --fast" ;;
  esac
done

need_packages "${build_packages[@]}" libgtest-dev libbenchmark-dev libabsl-dev clang-format strace
need_python
build_wheel
install_wheel "$venv/bin/python" test,lint
bin=$venv/bin

say "style: ruff, clang-format, mypy"
cd "$root"
"$bin/ruff" check .
"$bin/ruff" format --check .
git ls-files -z -co --exclude-standard '*.h' '*.cpp' '*.cu' '*.cuh' | xargs -0 clang-format --dry-run --Werror
# The clone keeps surgery/ beside hps_trt/; installed it is hps_trt.surgery, and so mypy reads it.
stage=$venv/stage
rm -rf "$stage" && mkdir -p "$stage"
cp -r hps_trt "$stage/hps_trt" && cp -r surgery "$stage/hps_trt/surgery"
(cd "$stage" && "$bin/mypy" --config-file "$root/pyproject.toml" -p hps_trt)

# cpp_tests FOLDER OPTIONS...: builds everything in FOLDER and runs its C++ tests.
cpp_tests() {
  local folder=$1
  shift
  cmake -S "$root" -B "$folder" -G Ninja -DHPS_TRT_TESTS=ON "$@" >"$folder.log" 2>&1 ||
    { cat "$folder.log" >&2; die "cmake failed"; }
  cmake --build "$folder" || die "the build in $folder failed"
  ctest --test-dir "$folder" --output-on-failure --timeout 300 -j 2
}
mkdir -p "$venv/build"
say "C++ tests"
cpp_tests "$venv/build/plain" -DCMAKE_BUILD_TYPE=Release -DHPS_TRT_BENCHMARKS=ON
if [ $fast = 0 ]; then
  sanitized=(-DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g1" -DHPS_TRT_CUDA=OFF)
  say "C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer"
  cpp_tests "$venv/build/address" "${sanitized[@]}" -DHPS_TRT_SANITIZE=address
  say "C++ tests under ThreadSanitizer"
  cpp_tests "$venv/build/thread" "${sanitized[@]}" -DHPS_TRT_SANITIZE=thread
  say "TensorRT runtimes for the plugin tests"
  "$bin/python" "$root/scripts/install_tensorrt_wheels.py" "$venv/tensorrt"
  export HPS_TRT_TEST_TENSORRT=$venv/tensorrt
fi

say "Python tests"
export HPS_TRT_TEST_BUILD=$venv/build/plain
cd "$root/tests" # not the clone's root: its hps_trt/ would shadow the installed package
"$bin/python" -m pytest -n 2 -q -m "not slow and not exporters"

if [ $exporters = 1 ]; then
  "$root/scripts/test_exporters.sh"
fi
say "all tests passed"
