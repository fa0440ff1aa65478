#!/usr/bin/env bash
# A Python with PyTorch, transformers, onnx and onnxruntime for bench:peers and train_peft.py, where no index of Python's
# packages can be reached but Debian's archive can: a Debian of its own (unstable) in a folder, 2 GB.
#
# usage (as root): bench/peers/debian-python.sh FOLDER        then: npm run -s bench:peers -- --python FOLDER/python
set -euo pipefail
[ $# -eq 1 ] || { sed -n 5p "$0"; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
root=$folder/debian
libraries=$root/usr/lib/x86_64-linux-gnu

command -v debootstrap >/dev/null || apt-get install -y -q debootstrap
[ -e "$root/etc/debian_version" ] || debootstrap --variant=minbase sid "$root" http://deb.debian.org/debian
chroot "$root" apt-get install -y -q --no-install-recommends libopenblas0-openmp \
  python3-torch python3-transformers python3-onnx python3-onnxruntime

# OpenBLAS shares PyTorch's threads (its own would fight with them) and picks its kernels by the processor, whatever kind a
# surrounding environment has set.
cat >"$folder/python" <<SCRIPT
#!/bin/sh
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
PYTHONHOME=$root/usr exec $root/lib64/ld-linux-x86-64.so.2 \\
  --library-path $libraries/openblas-openmp:$libraries:$root/usr/lib --argv0 "$folder/python" $root/usr/bin/python3 "\$@"
SCRIPT
chmod +x "$folder/python"
"$folder/python" -c 'import torch, transformers, onnxruntime; print(torch.__version__, transformers.__version__, onnxruntime.__version__)'
