#!/usr/bin/env bash
# Try okd in every Python, with the oldest and newest releases that setup.cfg allows.
#
#   tools/matrix.sh [VERSION ...]     3.10 3.11 3.12 3.13 without one
#
# uv finds the interpreters, or fetches them from GitHub. One environment at a time,
# of 6 GB, lies in $TMPDIR, and what uv downloads in its cache ($UV_CACHE_DIR): 12 GB
# for one Python. Prints a row of a Markdown table for each environment; the exit
# status is 1 if one of them failed. KEEP=1 keeps the logs.
set -uo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- 3.10 3.11 3.12 3.13

# A run of either task, files of either task, exports, the experiments, odd audio, all
# measures: a minute of one core.
tests=(tests/test_golden.py::test_a_tiny_run_leaves_what_it_left
    tests/test_golden.py::test_a_run_of_an_earlier_tree_resumes
    tests/enhance/test_files.py tests/export/test_folders.py tests/test_config.py
    tests/test_audio.py tests/measures/test_scores.py)
named=(torch torchaudio speechbrain hyperpyyaml numpy scipy pesq pystoi soundfile
    joblib tqdm filelock)

work=$(mktemp -d)
trap '[ "${KEEP:-}" ] && rm -rf "$work/env" "$work/uv" && echo "Logs: $work" || rm -rf "$work"' EXIT
python3 -m venv "$work/uv" && "$work/uv/bin/python" -m pip install --quiet uv || exit 1
uv="$work/uv/bin/uv"
python3 -c 'import configparser
setup = configparser.ConfigParser()
setup.read("setup.cfg")
print(setup["options"]["install_requires"])' >"$work/required.in"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

try() { # version resolution; its last line says how the tests ended
    "$uv" venv --quiet --clear --python "$1" "$work/env" || return
    # pesq has no wheels; what else has none for this Python is not meant for it.
    "$uv" pip compile --quiet --python-version "$1" --resolution "$2" \
        --only-binary :all: --no-binary pesq "$work/required.in" -o "$work/required" &&
        "$uv" pip install --quiet --python "$work/env" -r "$work/required" &&
        "$uv" pip install --quiet --python "$work/env" --no-deps -e . &&
        "$uv" pip install --quiet --python "$work/env" -c "$work/required" pytest hypothesis &&
        "$work/env/bin/okd-enhance" --version &&
        "$work/env/bin/python" -m pytest -p no:cacheprovider "${tests[@]}"
}

versions() {
    for package in "${named[@]}"; do
        grep -i "^$package==" "$work/required" | tr '\n' ' ' | sed 's/==/ /'
    done
}

failed=0
echo "| Python | of what is allowed | releases | tests |"
echo "| --- | --- | --- | --- |"
for version in "$@"; do
    for resolution in lowest-direct highest; do
        log="$work/$version-$resolution.log"
        : >"$work/required"
        if try "$version" "$resolution" >"$log" 2>&1; then
            outcome=$(grep -E '[0-9]+ passed' "$log" | tail -1)
        else
            failed=1 outcome="FAILED: $(grep -v '^ *$' "$log" | tail -1)"
        fi
        case $resolution in highest) what=newest ;; *) what=oldest ;; esac
        echo "| $version | $what | $(versions)| $outcome |"
    done
done
exit $failed
