#!/usr/bin/env bash
# Installs to a temporary prefix and builds a small program against it with pkg-config, as a user would: shared and static,
# and includes every public header on its own.
set -euo pipefail
build=$1
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT

cmake --install "$build" --prefix "$prefix" >/dev/null
pc=$(find "$prefix" -name trefoil.pc)
export PKG_CONFIG_PATH=${pc%/*}
# shellcheck disable=SC2207 # flags are words
cflags=($(pkg-config --cflags trefoil)) libs=($(pkg-config --libs trefoil)) static=($(pkg-config --static --libs trefoil))
libdir=$(pkg-config --variable=libdir trefoil)

if grep -q '^TREFOIL_SANITIZE:BOOL=ON' "$build/CMakeCache.txt"; then
    cflags+=(-fsanitize=address,undefined)
fi

cat >"$prefix/user.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
#include "ops/ops.h"
#include "runtime/graph/graph.h"

int main(void) {
    if (tf_ops_register() != TF_OK) return 1;
    float x[2] = {1, -1};
    tf_graph graph;
    tf_graph_init(&graph);
    tf_id leaf = tf_graph_leaf(&graph, TF_LEAF_CONSTANT, "x", tf_dims(2), x);
    tf_array out = {0};
    if (tf_graph_finish(&graph, tf_graph_op(&graph, "gelu", "relu", "y", TF_IN(leaf), TF_NO_ATTRS)) != TF_OK ||
        tf_graph_plain(&graph, &out, NULL, NULL) != TF_OK)
        return 1;
    printf("%g %g\n", (double)out.data[0], (double)out.data[1]);
    free(out.data);
    tf_graph_free(&graph);
    return 0;
}
C
expect() { [ "$1" = "1 0" ] || { echo "the $2 program printed '$1'"; exit 1; }; }
cc -std=gnu17 -Wall -Werror "${cflags[@]}" "$prefix/user.c" -o "$prefix/user" "${libs[@]}"
expect "$(LD_LIBRARY_PATH=$libdir "$prefix/user")" shared
! readelf -d "$libdir/libtrefoil.so" | grep NEEDED.*mpi || { echo "libtrefoil needs MPI"; exit 1; }
rm "$libdir"/libtrefoil.so*
cc -std=gnu17 -Wall -Werror "${cflags[@]}" "$prefix/user.c" -o "$prefix/user-static" "${static[@]}"
expect "$("$prefix/user-static")" static

find "$prefix/include/trefoil" -maxdepth 2 -name '*.h' -printf '%P\n' | while read -r header; do
    [ "$header" != net/link_mpi.h ] || continue
    echo "#include \"$header\"" | cc -std=gnu17 -Wall -Werror "${cflags[@]}" -fsyntax-only -x c - ||
        { echo "$header does not stand on its own"; exit 1; }
done
[ -x "$prefix/bin/trefoil" ]
"$prefix/bin/trefoil" --version
