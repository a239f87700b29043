#!/usr/bin/env bash
# The house's rules of style that a script can see: format, sizes of files, functions and folders.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
failures=0
fault() {
    echo "FAILED: $*"
    failures=1
}
mapfile -t sources < <(git ls-files '*.c' '*.h' 2>/dev/null)
[ ${#sources[@]} -gt 0 ] || { echo "skipped: this is no clone with its list of files (git clone)"; exit 77; }
for file in "${sources[@]}"; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 450 ] || fault "$file has $lines lines, over 450: does it hold two ideas?"
done
long=$(awk 'FNR == 1 { begin = 0 }
    /^[a-zA-Z_].*\) \{$/ { begin = FNR }
    /^\}$/ && begin { if (FNR - begin > 70) print FILENAME ":" begin " (" FNR - begin + 1 " lines)"; begin = 0 }' "${sources[@]}")
[ -z "$long" ] || fault "functions over about 60 lines: $long"
lone=$(awk 'FNR == 1 { before = "" }
    /^ *\*\/$/ && before ~ /\/\*\*? ?[^ *]/ && before !~ /\*\// { print FILENAME ":" FNR }
    { before = $0 }' "${sources[@]}")
[ -z "$lone" ] || fault "a comment's end stands alone where the comment has one line: $lone"
full=$(git ls-files '*.[ch]' | sed -E 's#/[^/]*$##' | sort | uniq -c | awk '$1 > 44 { print $2 " (" $1 " files)" }')
[ -z "$full" ] || fault "these folders are too full, some 20 sources with their headers are the most: $full"
hidden=$(grep -nE '\b(for|while) \(.*\) if \(' "${sources[@]}")
[ -z "$hidden" ] || fault "an if is hidden in a loop's line: $hidden"
if command -v clang-format >/dev/null; then
    unformatted=$(clang-format --dry-run --Werror "${sources[@]}" 2>&1 | grep -E 'error' | head -5)
    [ -z "$unformatted" ] || fault "run clang-format -i: $unformatted"
else
    echo "clang-format is not installed: format is not checked (Debian: clang-format)"
fi
exit $failures
