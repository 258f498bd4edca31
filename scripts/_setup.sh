# Sourced by the scripts beside it: finds a Python and sees that .venv has what they need.
# Usage: setup EXTRA…   Afterwards $root is the checkout and $python the environment's Python.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
python="$root/.venv/bin/python"

setup() {
  local candidate
  # $PYTHON first, for whoever has several.
  for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.10 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; then
      "$candidate" "$root/scripts/_setup.py" "$@"
      return
    fi
  done
  echo "gramscope: Python 3.10 or newer is needed and none was found;" \
    "install one, or say where it is with PYTHON=/path/to/python." >&2
  return 1
}
