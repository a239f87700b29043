#!/usr/bin/env bash
# The rooms of the program: only commands/ knows the command line, and what is printed is made in report/ alone
# (JSON of HTTP is made in gateway/).
set -euo pipefail
cd "$(dirname "$0")/../../experiments/app"
failed=0
fail() { echo "$*"; failed=1; }

outside=$(grep -lE 'command_line|argp|getopt' {log,data,parties,report,service,measure}/*.[ch] || true)
[ -z "$outside" ] || fail "these know the command line: $outside"
makers=$(grep -lE 'json_(pack|object\(|array\(|dump)' {parties,service,measure,commands}/*.c || true)
[ -z "$makers" ] || fail "these make JSON: $makers"
makers=$(grep -lE '(^|[^a-z_])(printf|puts|putchar)\(' {log,data,parties,service,measure}/*.c commands/cmd_*.c || true)
[ -z "$makers" ] || fail "these print results: $makers"
exit $failed
