# Sourced by tests that go on after a failure: a scratch directory `work`, which is removed at the end, and a count of
# what was wrong.

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# complain WHAT: a failure, which is counted.
complain() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# conclude: ends the test, well if nothing was wrong.
conclude() {
    [ $failures = 0 ] && echo "all as expected"
    exit $((failures > 0))
}
