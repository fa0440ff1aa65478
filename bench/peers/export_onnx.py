"""Exports a checkpoint as a user of transformers.js does: float32 by torch.onnx.export; quantize_onnx.py makes eight bits of it.

usage: python export_onnx.py CHECKPOINT FOLDER
needs: torch, transformers
"""
import pathlib
import sys

import torch
from torch.onnx._internal.torchscript_exporter import onnx_proto_utils
from transformers import AutoModelForSequenceClassification

# It looks for functions of onnxscript, of which there are none, and imports onnx to do so: in Debian's build PyTorch and
# onnx register the same operators, and the second of them ends the process.
onnx_proto_utils._add_onnxscript_fn = lambda model, _: model

INPUTS = ["input_ids", "attention_mask"]


class Logits(torch.nn.Module):
    """The model with tensors in and a tensor out, which is what a trace can hold."""

    def __init__(self, checkpoint):
        super().__init__()
        self.model = AutoModelForSequenceClassification.from_pretrained(checkpoint, dtype=torch.float32).eval()

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


def main():
    checkpoint, folder = sys.argv[1], pathlib.Path(sys.argv[2], "onnx")
    folder.mkdir(parents=True, exist_ok=True)
    example = torch.ones(2, 16, dtype=torch.long)
    axes = {name: {0: "batch", 1: "tokens"} for name in INPUTS} | {"logits": {0: "batch"}}
    options = {"input_names": INPUTS, "output_names": ["logits"], "dynamic_axes": axes, "opset_version": 17, "dynamo": False}
    torch.onnx.export(Logits(checkpoint), (example, example), str(folder / "model.onnx"), **options)


main()
