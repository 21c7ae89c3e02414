#!/bin/bash
# setup.sh <dir> [venv-dir]   - one peer's own virtual environment, from <dir>/requirements.txt (every version pinned).
# <dir>: flask | fastapi | mlserver | bentoml (a name beside this script, or a path). venv-dir defaults to <dir>/venv.
# Exit 0 = usable; 2 = wrong use; 3 = no Python 3.11; 4 = a package cannot be had; 5 = installed but does not import.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 1 ] || { echo "setup: usage: setup.sh <dir> [venv-dir]" >&2; exit 2; }
dir=$1; [ -f "$dir/requirements.txt" ] || dir="$here/$1"
[ -f "$dir/requirements.txt" ] || { echo "setup: FAILED $1: no requirements.txt there" >&2; exit 2; }
dir=$(cd "$dir" && pwd); peer=$(basename "$dir"); venv=${2:-$dir/venv}; py=${PYTHON:-python3.11}
"$py" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { echo "setup: FAILED $peer: $py is not Python 3.11" >&2; exit 3; }
log=$(mktemp)
stop() { tail -n 15 "$log" >&2; echo "setup: FAILED $peer: $1" >&2; rm -f "$log"; exit "$2"; }
"$py" -m venv --clear "$venv" >"$log" 2>&1 || stop "cannot create $venv" 3
# --no-deps: the file already names every package, so nothing is resolved anew and nothing unpinned gets in.
"$venv/bin/python" -m pip install --disable-pip-version-check --no-input --no-deps --prefer-binary -r "$dir/requirements.txt" >"$log" 2>&1 ||
  stop "cannot install: $(grep -m1 -oE 'No matching distribution found for .*' "$log" || grep -m1 ERROR "$log" || echo 'see above')" 4
"$venv/bin/python" -m pip check >"$log" 2>&1 || stop "pip check: $(head -1 "$log")" 4
"$venv/bin/python" -c "import $(cat "$dir/imports.txt")" >"$log" 2>&1 || stop "installed, but does not import" 5
rm -f "$log"
echo "setup: OK $peer: $(wc -l <"$dir/requirements.txt") pinned packages in $venv"
