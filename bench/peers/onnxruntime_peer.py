"""Python's onnxruntime as a peer of bench/peers.ts, on the file that transformers.js runs: a JSON question on each line of
standard input, an answer on each line of standard output.

usage: python onnxruntime_peer.py FOLDER THREADS      (FOLDER holds onnx/model.onnx and onnx/model_quantized.onnx)
needs: numpy, onnxruntime

questions: {"kind": "tokens", "model": "fp32" | "q8", "rows": [[id, ...], ...]}
"""
import json
import pathlib
import sys
import time

import numpy
import onnxruntime

FILES = {"fp32": "model.onnx", "q8": "model_quantized.onnx"}


def opened(file, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def padded(rows):
    ids = numpy.zeros((len(rows), max(map(len, rows))), numpy.int64)
    mask = numpy.zeros_like(ids)
    for r, row in enumerate(rows):
        ids[r, : len(row)] = row
        mask[r, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def main():
    folder, threads = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    sessions = {name: opened(folder / "onnx" / file, threads) for name, file in FILES.items()}
    print(json.dumps({"versions": {"onnxruntime": onnxruntime.__version__}}), flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        started = time.perf_counter()
        logits = sessions[question["model"]].run(["logits"], padded(question["rows"]))[0]
        print(json.dumps({"ms": 1000 * (time.perf_counter() - started), "logits": logits.tolist()}), flush=True)


main()
