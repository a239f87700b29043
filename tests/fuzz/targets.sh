# Sourced by the fuzz scripts, which set `build`, the directory of the build with clang.
fuzz_targets="safetensors config tokenizer vocab chat parties shares records handshake"

# Why there is no fuzzing on this machine; nothing if there can be.
fuzz_obstacle() {
    local probe
    command -v clang >/dev/null || { echo "clang is missing (Debian: clang and libclang-rt-dev)" && return; }
    probe=$(mktemp -d)
    printf '#include <stddef.h>\nint LLVMFuzzerTestOneInput(const unsigned char *d, size_t n) { return 0; }\n' >"$probe/p.c"
    clang -fsanitize=fuzzer,address "$probe/p.c" -o "$probe/p" 2>/dev/null ||
        echo "clang's libFuzzer is missing (Debian: libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev)"
    rm -rf "$probe"
}

# Builds the targets.
fuzz_build() {
    local log
    log=$(nice cmake -S . -B "$build" -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Release -DTREFOIL_FUZZ=ON 2>&1 &&
        nice cmake --build "$build" --parallel 2 --target fuzz 2>&1) || {
        printf '%s\n' "$log" | tail -30 >&2
        return 1
    }
}

# fuzz_seeds DIRECTORY: the seeds of every target, in DIRECTORY/<target>/.
fuzz_seeds() {
    local target
    for target in $fuzz_targets; do
        mkdir -p "$1/$target"
        [ ! -d "tests/fuzz/corpus/$target" ] || cp tests/fuzz/corpus/"$target"/* "$1/$target/"
    done
    "$build/make_seeds" "$1"
}

# fuzz_run TARGET CORPUS OPTION...: an input may take 10 s and 1 GiB at most. Short stacks of allocations and a small
# quarantine keep the address sanitizer quick; ASAN_OPTIONS=malloc_context_size=30 tells more about what was found.
fuzz_run() {
    local target=$1 corpus=$2
    shift 2
    ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:malloc_context_size=4:quarantine_size_mb=16:${ASAN_OPTIONS:-} \
        UBSAN_OPTIONS=print_stacktrace=1 nice "$build/fuzz_$target" -timeout=10 -rss_limit_mb=1024 -max_len=8192 -print_final_stats=1 \
        -artifact_prefix="$corpus/../found-$target-" "$@" "$corpus" 2>&1
}
