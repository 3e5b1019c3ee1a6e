#!/bin/sh
# Run tests as other machines would: `make test-anywhere`. CONTRIBUTING.md says what this shows.
#
#     sh tests/anywhere.sh PYTHON TESTS...
#
# Each run has a copy of the tree of its own with nothing beside it, an empty home, an order of the
# tests and seeds of what trains that differ from the usual ones.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
stranger=65534 # nobody
failed=
work=

tidy() {
    if [ -n "$work" ]; then rm -rf "$work"; fi
}
trap tidy EXIT
trap 'exit 130' INT TERM

# as NAME USER SEED SETTING... : run the tests as a user, with settings of the environment
as() {
    name=$1 user=$2 seed=$3
    shift 3
    work=$(mktemp -d /tmp/anywhere.XXXXXX) # short: it holds sockets, whose paths may not be long
    mkdir "$work/tree" "$work/home" "$work/tmp"
    (cd "$here" && git ls-files -coz --exclude-standard | tar --null -T - -cf -) |
        tar -C "$work/tree" -xf -
    become=
    if [ "$user" != "$(id -u)" ]; then
        chown -R "$user:$user" "$work"
        become="setpriv --reuid=$user --regid=$user --clear-groups"
    fi
    echo "== $name: seed $seed, user $user, $*"
    if (cd "$work/tree" && $become env -u PRUNESCOPE_CACHE "$@" PYTHONPATH="$work/tree/src" \
        HOME="$work/home" TMPDIR="$work/tmp" PYTHONDONTWRITEBYTECODE=1 \
        PRUNESCOPE_TEST_SEED="$seed" PRUNESCOPE_TEST_ORDER="$seed" \
        "$python" -m pytest -q -p no:cacheprovider -n "${WORKERS:-2}" --dist loadfile \
        --no-loadscope-reorder $tests); then
        echo "== $name: passed"
    else
        failed="$failed '$name'"
    fi
    tidy
}

tests=$*
me=$(id -u)
as "an old processor" "$me" 1 ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 \
    OPENBLAS_CORETYPE=Nehalem OMP_NUM_THREADS=1
as "a newer one, two threads" "$me" 2 ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 \
    OPENBLAS_CORETYPE=Haswell OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive
if [ "$me" != 0 ]; then
    as "this one" "$me" 3 OMP_NUM_THREADS=1
    echo "== root alone can take another user: run as $me"
elif setpriv --reuid=$stranger --regid=$stranger --clear-groups "$python" -c "import ssl, torch"; then
    as "another user" "$stranger" 3 OMP_NUM_THREADS=1 LC_ALL=C
else
    failed="$failed 'another user, who may not read $python or what it imports'"
fi
if [ -n "$failed" ]; then
    echo "== failed:$failed"
    exit 1
fi
