#!/usr/bin/env bash
# Fetch the libraries of the listening page from npm, with their licences.
#
#   tools/vendor_web.sh         into okd_brain/page/static/vendor, which is committed
#   tools/vendor_web.sh --axe   axe-core into tests/page, which is not: its test
#                               is skipped without it
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# npm checks the digest that the registry gives for a version.
fetch() { # package@version, then files of the package and their new names
    local package=$1
    shift
    rm -rf "$folder/package"
    tar -xzf "$folder/$(cd "$folder" && npm pack --silent "$package")" -C "$folder"
    while [ $# -gt 0 ]; do
        cp "$folder/package/$1" "$2"
        shift 2
    done
}

if [ "${1:-}" = --axe ]; then
    fetch axe-core@4.14.1 axe.min.js tests/page/axe.min.js
    exit
fi
vendor=okd_brain/page/static/vendor
fetch wavesurfer.js@8.0.1 \
    dist/wavesurfer.min.js $vendor/wavesurfer.min.js \
    dist/plugins/spectrogram.min.js $vendor/spectrogram.min.js \
    LICENSE $vendor/wavesurfer.LICENSE
fetch uplot@1.6.32 \
    dist/uPlot.iife.min.js $vendor/uPlot.iife.min.js \
    dist/uPlot.min.css $vendor/uPlot.min.css \
    LICENSE $vendor/uPlot.LICENSE
du -ch $vendor/* | tail -1
