# Sourced by demo.sh and test.sh: makes a machine ready to build, in a .venv of the clone's own.
# HPS_TRT_PYTHON chooses the interpreter (3.10 or newer; default python3).

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${HPS_TRT_VENV:-$root/.venv}

say() { printf '\n== %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Debian packages: installed when root, otherwise the one command to run is printed.
need_packages() {
  command -v dpkg-query >/dev/null || die "this script installs Debian or Ubuntu packages; on another system install the equivalents of: $*"
  local missing=() name
  for name in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  if [ "$(id -u)" -ne 0 ]; then
    die "packages are missing; run: sudo apt-get install -y ${missing[*]}"
  fi
  say "installing Debian packages: ${missing[*]}"
  apt-get update -qq >&2 || die "apt-get update failed"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
    die "apt-get install ${missing[*]} failed"
}

build_packages=(g++ cmake ninja-build nlohmann-json3-dev libxxhash-dev)
# Debian's own python3 comes without venv; an interpreter from elsewhere brings it along.
python=${HPS_TRT_PYTHON:-python3}
need_python() {
  command -v "$python" >/dev/null || need_packages python3
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then need_packages python3-venv; fi
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    die "$python is $("$python" -V 2>&1); 3.10 or newer is needed (set HPS_TRT_PYTHON)"
  local want have=
  want=$("$python" -c 'import sys; print(sys.version.split()[0])')
  [ -x "$venv/bin/python" ] && have=$("$venv/bin/python" -c 'import sys; print(sys.version.split()[0])' || true)
  if [ "$want" != "$have" ]; then
    say "making $venv for Python $want"
    rm -rf "$venv"
    "$python" -m venv "$venv" || die "could not make $venv"
  fi
}

# build_wheel: builds the wheel of this clone, plugin included, into $venv/dist.
build_wheel() {
  say "building the hps-trt wheel"
  rm -rf "$venv/dist"
  "$venv/bin/python" -m pip wheel -q --disable-pip-version-check --no-deps -w "$venv/dist" "$root" ||
    die "the wheel could not be built (pip's output is above)"
}

# install_wheel PYTHON EXTRAS PACKAGES...: installs that wheel, always anew, and what it needs.
install_wheel() {
  local interpreter=$1 extras=$2 wheel
  shift 2
  wheel=$(echo "$venv"/dist/hps_trt-*.whl)
  say "installing hps-trt${extras:+[$extras]} $*"
  "$interpreter" -m pip install -q --disable-pip-version-check "$wheel${extras:+[$extras]}" "$@" ||
    die "pip could not install hps-trt${extras:+[$extras]} $*"
  "$interpreter" -m pip install -q --disable-pip-version-check --force-reinstall --no-deps "$wheel" ||
    die "pip could not install $wheel"
}
