#!/bin/sh
# Make .venv and install the project into it: `sh deploy/install.sh run` or `sh deploy/install.sh test`.
# Does nothing when pyproject.toml and constraints.txt are those of the last installation. Set DETOXIFY=1 to add the
# Detoxify scorer wherever it can be had, DETOXIFY=0 to leave it out, PYTHON to choose the interpreter.
# POSIX sh only: dash on Debian and the old shells of macOS run it.
set -eu

profile=${1:-run}
venv=.venv
python_in_venv=$venv/bin/python
constraints=deploy/constraints.txt
torch=$(sed -n 's/^torch==//p' "$constraints")

say() { printf '%s\n' "$*" >&2; }
stop() { say "$*"; exit 1; }

case $(uname -s) in
    Darwin) advice="install it with: brew install python" ;;
    *) advice="on Debian and Ubuntu install it with: apt-get install python3 python3-venv" ;;
esac

# The fingerprint of what should be installed; of the folder too, because a moved .venv is broken.
sum=$( (cat pyproject.toml "$constraints"; pwd) | cksum)

fresh() { # fresh NAME...: is one of these profiles installed, and the installation alive?
    [ -x "$venv/bin/moderation" ] && "$python_in_venv" -c '' 2>/dev/null || return 1
    for stamp in "$@"; do
        [ -f "$venv/.stamp-$stamp" ] && [ "$(cat "$venv/.stamp-$stamp")" = "$sum" ] && return 0
    done
    return 1
}

detoxify=${DETOXIFY:-auto}
case $profile-$detoxify in
    test-*) name=test; fresh test && exit 0 ;;
    run-auto) name=run-auto; fresh run-auto run-1 test && exit 0 ;;
    run-1) name=run-1; fresh run-1 test && exit 0 ;;
    run-0) name=run-0; fresh run-0 run-auto run-1 test && exit 0 ;;
    *) stop "Usage: [DETOXIFY=0|1] sh deploy/install.sh run|test" ;;
esac

# --- what the machine must have ---------------------------------------------------------------------------------------

python=
for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
    old=$("$candidate" -c 'import platform; print(platform.python_version())' 2>/dev/null || echo unknown)
done
if [ -z "$python" ]; then
    [ -z "${old:-}" ] || stop "Python $old is too old, 3.11 or newer is needed: $advice"
    stop "Python 3.11 or newer was not found: $advice"
fi
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    stop "Python's venv module is missing (package python3-venv): $advice"

room() { # room MEGABYTES: is there as much free space in this folder?
    free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free" -ge "$1" ] ||
        stop "The disk of $(pwd) has only $free MB left and the installation needs $1 MB: make room and start again."
}
[ -x "$venv/bin/moderation" ] || room 800

# --- the virtual environment ------------------------------------------------------------------------------------------

if ! "$python_in_venv" -m pip --version >/dev/null 2>&1; then
    say "Making $venv with $("$python" --version) ..."
    rm -rf "$venv"
    "$python" -m venv "$venv" || stop "The virtual environment $(pwd)/$venv could not be made, see above."
fi
rm -f "$venv"/.stamp-*

pip() {
    "$python_in_venv" -m pip --disable-pip-version-check "$@" ||
        stop "The installation is not complete, pip says above why; run the same command again to go on."
}

# --- which scorers ----------------------------------------------------------------------------------------------------
# From PyPI, torch for Linux brings gigabytes of CUDA. So Detoxify comes by itself only where pip is offered a build for
# the CPU: an index or a folder of wheels that has one, or macOS.

offered() { "$python_in_venv" -m pip --disable-pip-version-check index versions torch 2>/dev/null | tr -d ' ' | tr ',' '\n'; }

extras=
case $name-$(uname -s) in
    run-0-*) ;;
    test-* | run-1-*) extras=detoxify ;;
    run-auto-Darwin) if offered | grep -Fqx "$torch"; then extras=detoxify; fi ;;
    *) if offered | grep -Fqx "$torch+cpu"; then extras=detoxify; fi ;;
esac
if [ -n "$extras" ]; then
    "$python_in_venv" -c 'import torch' 2>/dev/null || room 2500
    say "Installing torch $torch, the largest part, first ..."
    pip install -c "$constraints" "torch==$torch"
elif [ "$name" = run-auto ]; then
    say "The built-in scorer will serve: pip offers no CPU build of torch here; \`make run DETOXIFY=1\` adds Detoxify all the same."
fi
[ "$profile" != test ] || extras=detoxify,train,test

# --- the project itself -----------------------------------------------------------------------------------------------

say "Installing the project and what it needs ..."
if [ -n "$extras" ]; then
    pip install -c "$constraints" -e ".[$extras]"
else
    pip install -c "$constraints" -e .
fi
printf '%s\n' "$sum" > "$venv/.stamp-$name"
