"""Eight bits of an exported model by onnxruntime's quantize_dynamic, in a process without PyTorch.

usage: python quantize_onnx.py FOLDER      FOLDER/onnx/model.onnx becomes FOLDER/onnx/model_quantized.onnx
needs: onnx, onnxruntime
"""
import pathlib
import sys

# Debian's builds of onnx, onnxruntime and PyTorch share a library each way: onnx must come first, PyTorch not at all.
import onnx  # noqa: F401

sys.modules["torch"] = None
from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: E402

folder = pathlib.Path(sys.argv[1], "onnx")
quantize_dynamic(folder / "model.onnx", folder / "model_quantized.onnx", weight_type=QuantType.QInt8)
