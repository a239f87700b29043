#!/usr/bin/env bash
# Installs to a temporary prefix and uses the copy as others would: the examples by their one compile line, shared and static;
# every public header on its own, in C and in C++; the CMake package; what is exported, and what is needed; uninstalling.
set -euo pipefail
build=$(cd "$1" && pwd)
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
fail() {
    echo "FAILED: $*"
    exit 1
}

cmake --install "$build" --prefix "$prefix" >/dev/null
pc=$(find "$prefix" -name trefoil.pc)
export PKG_CONFIG_PATH=${pc%/*}
# shellcheck disable=SC2207 # flags are words
cflags=($(pkg-config --cflags trefoil)) libs=($(pkg-config --libs trefoil)) static=($(pkg-config --static --libs trefoil))
libdir=$(pkg-config --variable=libdir trefoil)
sanitizers=()
if grep -q '^TREFOIL_SANITIZE:BOOL=ON' "$build/CMakeCache.txt"; then sanitizers=(-fsanitize=address,undefined); fi
export LD_LIBRARY_PATH=$libdir
examples=$(dirname "$(find "$prefix/share/doc" -name three_parties.c)")

# The library exports its public interface and nothing else, and needs no MPI.
exported=$(nm -D --defined-only "$libdir/libtrefoil.so" | awk '{ print $3 }')
if grep -vE '^(tf_|trefoil_)' <<<"$exported"; then fail "names without the library's prefix are exported"; fi
for hidden in tf_execute tf_plan_make tf_party_open tf_session_open tf_safetensors_open; do
    grep -qx "$hidden" <<<"$exported" && fail "$hidden is exported"
done
readelf -d "$libdir/libtrefoil.so" | grep 'NEEDED.*mpi' && fail "libtrefoil needs MPI"
readelf -d "$libdir/libtrefoil_mpi.so" | grep -q 'NEEDED.*mpi' || fail "libtrefoil_mpi needs no MPI"

# Every public header on its own.
find "$prefix/include/trefoil" -name '*.h' -printf '%P\n' | sort >"$prefix/headers"
while read -r header; do
    flags=("${cflags[@]}")
    # shellcheck disable=SC2207
    [ "$header" != net/link_mpi.h ] || flags=($(pkg-config --cflags trefoil-mpi))
    echo "#include \"$header\"" | cc -std=gnu17 -Wall -Werror "${flags[@]}" -fsyntax-only -x c - || fail "$header does not stand on its own"
    command -v c++ >/dev/null || continue
    echo "#include \"$header\"" | c++ -std=c++17 -Wall -Werror "${flags[@]}" -fsyntax-only -x c++ - || fail "$header is no C++"
done <"$prefix/headers"

# The embedded program, shared, static, and from C++.
expected=$'word 2: 3.25 3.75\nword 3: 3.25 1.40'
check() { [[ $("$1") == "$expected"*" rounds" ]] || fail "the $2 program printed '$("$1")'"; }
cc -std=gnu17 -Wall -Werror "${sanitizers[@]}" "$examples/three_parties.c" "${cflags[@]}" "${libs[@]}" -o "$prefix/three"
check "$prefix/three" shared
if command -v c++ >/dev/null; then
cat >"$prefix/user.cc" <<'C'
#include <cstdio>
#include "models/library/trefoil.h"
#include "net/local.h"
static tf_status party(tf_link *link, int id, void *) {
    trefoil_settings settings = trefoil_default_settings();
    trefoil_session *session;
    TF_TRY(trefoil_session_open(link, &settings, &session));
    if (id == 1) std::printf("%s\n", trefoil_library_version());
    trefoil_session_close(session);
    return TF_OK;
}
int main() { return tf_run_local(party, nullptr, nullptr) != TF_OK; }
C
c++ -std=c++17 -Wall -Werror "${sanitizers[@]}" "$prefix/user.cc" "${cflags[@]}" "${libs[@]}" -o "$prefix/user"
[ "$("$prefix/user")" = "$(pkg-config --modversion trefoil)" ] || fail "the C++ program printed '$("$prefix/user")'"
else
    echo "no C++ compiler: headers were tried in C only (Debian: g++)"
fi

# An op outside of the tree, built by its one line and loaded by the installed program.
for op in squared_relu softmax_relu2; do
    cc -shared -fPIC "$examples/$op.c" "${cflags[@]}" -o "$prefix/$op.so"
    "$prefix/bin/trefoil" ops --plugin "$prefix/$op.so" >"$prefix/ops" || fail "the program does not take $op.so"
    grep -qE "squared_relu|relu2" "$prefix/ops" || fail "$op is not among the ops"
done

# The CMake package.
mkdir "$prefix/project"
cat >"$prefix/project/CMakeLists.txt" <<C
cmake_minimum_required(VERSION 3.20)
project(user C)
find_package(trefoil REQUIRED COMPONENTS mpi)
add_executable(three $examples/three_parties.c)
target_link_libraries(three PRIVATE trefoil::shared)
add_executable(three_static $examples/three_parties.c)
target_link_libraries(three_static PRIVATE trefoil::static)
C
cmake -S "$prefix/project" -B "$prefix/project/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_FLAGS="${sanitizers[*]}" \
    >"$prefix/log" 2>&1 || { cat "$prefix/log"; fail "find_package(trefoil) fails"; }
cmake --build "$prefix/project/build" >"$prefix/log" 2>&1 || { cat "$prefix/log"; fail "the CMake project does not build"; }
check "$prefix/project/build/three" "CMake"
check "$prefix/project/build/three_static" "static CMake"

rm "$libdir"/libtrefoil.so*
cc -std=gnu17 -Wall -Werror "${sanitizers[@]}" "$examples/three_parties.c" "${cflags[@]}" "${static[@]}" -o "$prefix/three-static"
check "$prefix/three-static" static

"$prefix/bin/trefoil" --version
[ -f "$prefix/share/doc/trefoil/LICENSE" ] && [ -f "$prefix/share/doc/trefoil/README.md" ] || fail "documents are missing"
"$prefix/bin/trefoil" sweep "$source/experiments/sweep/specs/networks.toml" --list measure=cost >/dev/null || fail "sweep does not find its driver"
