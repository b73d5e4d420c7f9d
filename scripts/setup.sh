#!/bin/sh
# Set this checkout up: uv into .tools/, everything that uv.lock names into .venv/.
#
#   scripts/setup.sh          what the testbed needs to run here
#   scripts/setup.sh dev      that, and what the checks and the tests need
#
# Needs a Python 3.11+ and a package index; neither root, nor pip, nor what makes virtual environments. A second run
# only compares checksums. PYTHON names the interpreter to use; EXTRAS adds to the packages (EXTRAS="pytorch").
# An index of your own is taken from PIP_INDEX_URL or pip's configuration.
set -eu
cd "$(dirname "$0")/.."
unset VIRTUAL_ENV UV_PROJECT_ENVIRONMENT PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX
export PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_DISABLE_PIP_VERSION_CHECK=1 UV_PYTHON_DOWNLOADS=never

what=${1:-run}
say() { printf '%s\n' "$*" >&2; }
fail() { say "setup: $*"; exit 1; }

# --- is everything here already? ---------------------------------------------------------------------------------
wanted="$PWD ${EXTRAS:-} $(cat pyproject.toml uv.lock | cksum)"
is_current() { [ "$(cat ".venv/.set-up-$1" 2>/dev/null)" = "$wanted" ] && .venv/bin/python -c '' 2>/dev/null; }
if is_current dev || { [ "$what" = run ] && is_current run; }; then
    exit 0
fi

# --- a Python ----------------------------------------------------------------------------------------------------
# A version manager's shim is a script that uv cannot use: ask it for the interpreter behind it.
suitable='
import sys
print(".".join(map(str, sys.version_info[:3])), sys.executable)
import ssl, zlib
sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))
'
seen=""
python=""
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14 python}; do
    command -v "$candidate" >/dev/null 2>&1 || [ -n "${PYTHON:-}" ] || continue
    if answer=$("$candidate" -c "$suitable" 2>/dev/null); then
        python=${answer#* }
        break
    fi
    seen="$seen
    $candidate: ${answer:-does not start}"
done
[ -n "$python" ] || fail "Tiltyard needs Python 3.11 to 3.14, built with ssl.${seen:+ Seen here:$seen}
Install one, or name it: make PYTHON=/path/to/python3.12 ..."

# --- a package index ---------------------------------------------------------------------------------------------
index=${PIP_INDEX_URL:-$("$python" -m pip config get global.index-url 2>/dev/null || true)}
index=${index:-https://pypi.org/simple}
export UV_DEFAULT_INDEX="$index"
# uv brings its own certificates; where the system has some, those are trusted, as pip does.
for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
    [ ! -r "$bundle" ] || export UV_SYSTEM_CERTS=true
done
[ -z "${PIP_CERT:-}" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$PIP_CERT}"
# A home that cannot be written to is no place for a cache.
mkdir -p "${UV_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/uv}" 2>/dev/null || export UV_CACHE_DIR="$PWD/.tools/cache"

# --- uv ----------------------------------------------------------------------------------------------------------
uv="$PWD/.tools/bin/uv"
if ! "$uv" --version >/dev/null 2>&1; then
    say "setup: installing uv into .tools/ ($python)"
    if "$python" -m pip --version >/dev/null 2>&1; then
        pip="-m pip"
    else
        pip="$("$python" scripts/fetch_pip.py "$index" .tools)/pip" || fail "no package index answers at $index"
    fi
    # shellcheck disable=SC2086 # "-m pip" is two words
    "$python" $pip install --quiet --upgrade --target .tools 'uv>=0.13,<1' || fail "uv could not be installed from $index"
fi

# --- the packages ------------------------------------------------------------------------------------------------
# Scripts in an environment hold its absolute path: one that was moved is made anew.
if [ -f .venv/.set-up-at ] && [ "$(cat .venv/.set-up-at)" != "$PWD" ]; then
    say "setup: this checkout has moved; making .venv anew"
    rm -rf .venv
fi
chosen="--extra embedded"
for extra in ${EXTRAS:-}; do chosen="$chosen --extra $extra"; done
[ "$what" = dev ] || chosen="$chosen --no-dev"
say "setup: installing packages into .venv/ (the first time a few hundred megabytes)"
# shellcheck disable=SC2086 # the options are words
from_lock() { "$uv" sync --frozen --inexact --python "$python" $chosen; }
# The lock file holds the public index's addresses. Elsewhere the same versions are held to the same digests.
# shellcheck disable=SC2086
from_own_index() {
    "$uv" export --quiet --frozen --no-emit-project --python "$python" $chosen --output-file .tools/requirements.txt &&
        { [ -x .venv/bin/python ] || "$uv" venv --quiet --python "$python" .venv; } &&
        "$uv" pip install --python .venv/bin/python --require-hashes --requirement .tools/requirements.txt &&
        "$uv" pip install --python .venv/bin/python --no-deps --editable .
}
case ${index%/} in
https://pypi.org/simple) from_lock ;;
*) from_own_index ;;
esac || fail "the packages could not be installed from $index"
printf '%s' "$PWD" >.venv/.set-up-at
printf '%s' "$wanted" >".venv/.set-up-$what"
