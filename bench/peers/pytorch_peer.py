"""PyTorch with transformers and PEFT as a peer of bench/peers.ts: a JSON question on each line of standard input, an answer
on each line of standard output.

usage: python pytorch_peer.py CHECKPOINT THREADS
needs: torch, transformers; peft, or lora.py stands in for it

questions: {"kind": "tokens", "model": "fp32", "rows": [[id, ...], ...]}
           {"kind": "texts", "model": "fp32", "pairs": [[premise, hypothesis], ...]}
           {"kind": "train", "model": "fp32" | "bf16", "rows": [[id, ...], ...], "labels": [label, ...]}
"""
import contextlib
import json
import sys
import time

import adapter
import torch
import transformers

CHECKPOINT, THREADS = sys.argv[1], int(sys.argv[2])


def padded(rows):
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": mask}


class Trainer:
    """LoRA of rank 8 on query and value, dropout 0.1, AdamW, gradients clipped at 1: what Errata's own steps do."""

    def __init__(self):
        base = transformers.AutoModelForSequenceClassification.from_pretrained(CHECKPOINT, dtype=torch.float32)
        self.model = adapter.adapted(base).train()
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=2e-4, weight_decay=0.01)

    def step(self, inputs, labels, precision):
        half = torch.autocast("cpu", dtype=torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()
        self.optimizer.zero_grad()
        with half:
            loss = self.model(**inputs, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        return loss.item()


def main():
    torch.set_num_threads(THREADS)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(CHECKPOINT, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(CHECKPOINT)
    trainer = Trainer()
    say({"versions": {"torch": torch.__version__, "transformers": transformers.__version__, "peft": adapter.VERSION}})
    for line in sys.stdin:
        question = json.loads(line)
        started = time.perf_counter()
        if question["kind"] == "train":
            loss = trainer.step(padded(question["rows"]), torch.tensor(question["labels"]), question["model"])
            found = {"loss": loss}
        else:
            found = {"logits": judged(model, tokenizer, question)}
        say({"ms": 1000 * (time.perf_counter() - started), **found})


@torch.inference_mode()
def judged(model, tokenizer, question):
    if question["kind"] == "tokens":
        return model(**padded(question["rows"])).logits.tolist()
    premises, hypotheses = map(list, zip(*question["pairs"]))
    inputs = tokenizer(premises, hypotheses, padding=True, truncation=True, max_length=512, return_tensors="pt")
    return model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits.tolist()


def say(answer):
    print(json.dumps(answer), flush=True)


main()
