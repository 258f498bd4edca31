# Sourced by the scripts beside it: finds a Python and sees that .venv has what they need.
# Usage: setup [--lowest | --newest] EXTRA…   Afterwards $root is the checkout and $python the
# environment's Python; with an option the environment lies beside .venv.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
python="$root/.venv/bin/python"

setup() {
  local candidate first=()
  case $1 in
    # What is old has no build for a Python that is new.
    --lowest) python="$root/.venv-lowest/bin/python" first=(python3.10 python3.11) ;;
    --newest) python="$root/.venv-newest/bin/python" first=(python3.14 python3.13 python3.12) ;;
  esac
  # $PYTHON first, for whoever has several.
  for candidate in ${PYTHON:+"$PYTHON"} ${first[@]+"${first[@]}"} python3 python3.13 python3.12 python3.11 python3.10 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; then
      "$candidate" "$root/scripts/_setup.py" "$@"
      return
    fi
  done
  echo "gramscope: Python 3.10 or newer is needed and none was found;" \
    "install one, or say where it is with PYTHON=/path/to/python." >&2
  return 1
}
