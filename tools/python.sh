#!/bin/sh
# Runs the first working Python 3.12 to 3.14 with the arguments given: sh tools/python.sh -m tools demo
# PYTHON=... is tried first. Every folder of PATH is searched, since a pyenv shim may stand before a Python that works.

check='import sys, venv, ensurepip; sys.exit(not (3, 12) <= sys.version_info < (3, 15))'
works() { "$@" -c "$check" >/dev/null 2>&1 </dev/null; }

if [ -n "${PYTHON:-}" ]; then
    if works "$PYTHON"; then exec "$PYTHON" "$@"; fi
    echo "vsanime: PYTHON=$PYTHON is no working Python 3.12 to 3.14; looking for another" >&2
fi

for version in 3.14 3.13 3.12 3; do
    old_ifs=$IFS
    IFS=:
    for folder in $PATH; do
        candidate=${folder:-.}/python$version
        if [ -x "$candidate" ] && works "$candidate"; then IFS=$old_ifs; exec "$candidate" "$@"; fi
    done
    IFS=$old_ifs
done

# pyenv's own versions, where .python-version or the global version hides them; then the launcher for Windows.
for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[234]*/bin/python; do
    if [ -x "$candidate" ] && works "$candidate"; then exec "$candidate" "$@"; fi
done
for version in 3.14 3.13 3.12; do
    if works py "-$version"; then exec py "-$version" "$@"; fi
done
if works python; then exec python "$@"; fi

echo "vsanime: no working Python 3.12, 3.13 or 3.14 found (with its venv module: Debian and Ubuntu call that" >&2
echo "vsanime: python3-venv). Install one from https://www.python.org/downloads/, or name it: make demo PYTHON=..." >&2
exit 1
