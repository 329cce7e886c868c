#!/usr/bin/env bash
# What a GPU makes of training: one command, at most 8 minutes.
#
#     benchmarks/device.sh [DEVICE] [OUT] [CORPUS]
#
# DEVICE: cuda (the default); cpu tries the script on any machine, with fewer
# steps. OUT receives device.md with the tables, and a short run of `fast`
# with its log and results. CORPUS: a folder as train.py takes it; the bundled
# mini corpus without it. About 100 utterances as FLAC are enough, and fit in
# the 64 MiB that a lent machine takes along.
#
# PYTHON names an interpreter with okd's requirements. A machine without network
# needs them carried along: speechbrain, hyperpyyaml, pesq and pystoi, in a folder
# made by `pip install --target`, named in PYTHONPATH.
set -euo pipefail

device=${1:-cuda} out=${2:-device} corpus=${3:-}
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
mkdir -p "$out"
out=$(cd "$out" && pwd)
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
utterances=20 epochs=3 precisions="fp32 bf16" seconds=240
if [ "$device" = cpu ]; then
    utterances=2 epochs=2 precisions=fp32 seconds=60
fi

{
    echo "# okd on $device"
    echo
    "$python" -c 'import platform, torch
name = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
print(f"{name}, PyTorch {torch.__version__}, Python {platform.python_version()}")'
    # shellcheck disable=SC2086
    timeout 220 "$python" "$root/benchmarks/training.py" cost --device "$device" --tables paper fast \
        --utterances $utterances --epochs $epochs --precisions $precisions || echo "(stopped after 220 s)"
} | tee "$out/device.md"

# The rest of the time trains `fast`; what there is when it ends is the result.
cd "$root/recipes/VoiceBank/okd"
options=(--schedule "$PWD/hparams/schedules/fast.yaml" --device "$device" --output_folder "$out/fast"
    --valid_interval 2 --report_metrics "[si_sdr]" --noprogressbar)
if [ -n "$corpus" ]; then options+=(--data_folder "$corpus"); fi
timeout --signal=INT $seconds "$python" train.py hparams/okd_pesq_csig.yaml "${options[@]}" ||
    echo "fast: stopped after $seconds s; $out/fast goes on with the same command"
tail -n 2 "$out/fast/train_log.txt" || true
