"""The sweep's recipe and data with transformers + PEFT, for whoever has Python: does it learn as much as Errata's own training?

usage: python bench/peers/train_peft.py [--learning-rate 3e-3] [--epochs 6] [--batch 8] [--replay confirmations|once|none]
                                        [--batches grouped|random] [--seeds 3] [--pages 60]
needs: torch, transformers; peft, or lora.py stands in for it

The same reviews as bench/sweep.ts: the base model judges the first pages of demo/data/reviewed.jsonl; what it gets wrong
above 0.8 is corrected, what it gets right above 0.8 is confirmed. LoRA r 8, alpha 16, dropout 0.1 on the LoRA branch alone,
query_proj and value_proj, classifier trained; AdamW, weight decay 0.01 on everything trained, warm-up 0.1 of the steps, then
linear to 0; clip 1.0. Dropouts of the base stay off. Rows of like length share a batch, as Errata puts them together and
Trainer with group_by_length; `--batches random` is Trainer's default. Prints a line of docs/learning.md.
"""
import argparse
import json
import math
import pathlib
import statistics

import adapter
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "nli-deberta-v3-tiny"
WORDS = {"supports": "entailment", "refutes": "contradiction", "neutral": "neutral"}
LONGEST = 512
SURE = 0.8


def read(file):
    return [json.loads(line) for line in (ROOT / file).read_text(encoding="utf-8").splitlines()]


def encode(tokenizer, label2id, pairs):
    """(ids, label) of each pair; only the premise is cut."""
    texts = tokenizer([p["premise"] for p in pairs], [p["hypothesis"] for p in pairs], truncation="only_first", max_length=LONGEST)
    return [(ids, label2id[WORDS.get(p["label"], p["label"])]) for ids, p in zip(texts["input_ids"], pairs)]


def padded(rows):
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in rows])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in rows])
    return ids, mask, torch.tensor([label for _, label in rows])


@torch.no_grad()
def answers(model, rows):
    """(label, confidence) of each row."""
    model.eval()
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]))
    found = [None] * len(rows)
    for start in range(0, len(order), 32):
        places = order[start : start + 32]
        ids, mask, _ = padded([rows[i] for i in places])
        shares = model(input_ids=ids, attention_mask=mask).logits.softmax(-1)
        for i, share in zip(places, shares):
            found[i] = (int(share.argmax()), float(share.max()))
    return found


def share_right(model, rows):
    return sum(answer == label for (answer, _), (_, label) in zip(answers(model, rows), rows)) / len(rows)


def review(model, rows):
    corrections, confirmations = [], []
    for row, (answer, confidence) in zip(rows, answers(model, rows)):
        if confidence > SURE:
            (confirmations if answer == row[1] else corrections).append(row)
    return corrections, confirmations


def base():
    return AutoModelForSequenceClassification.from_pretrained(MODEL, dtype=torch.float32)


def only_lora_dropout(model):
    """PEFT's train() turns the base's own dropouts on too; Errata's recipe leaves them off."""
    model.eval()
    for name, module in model.named_modules():
        if "lora_dropout" in name:
            module.train()


def batches_of(rows, a, generator):
    """Of one epoch: shuffled, and when grouped sorted by length within pools of batches that are shuffled again."""
    order = torch.randperm(len(rows), generator=generator).tolist()
    if a.batches == "grouped":
        pool = a.batch * max(1, min(50, len(rows) // (4 * a.batch)))
        pools = [order[start : start + pool] for start in range(0, len(order), pool)]
        order = [i for pool in pools for i in sorted(pool, key=lambda i: -len(rows[i][0]))]
    batches = [order[start : start + a.batch] for start in range(0, len(order), a.batch)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator)]


def replayed(corrections, confirmations, how):
    """As a run does a confirmation for each correction, in turn; or each once; or none."""
    if how == "none" or not confirmations:
        return []
    count = len(corrections) if how == "confirmations" else min(len(corrections), len(confirmations))
    return [confirmations[i % len(confirmations)] for i in range(count)]


def train(rows, a, seed):
    torch.manual_seed(seed)
    model = adapter.adapted(base())
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=a.learning_rate, weight_decay=0.01)
    steps = a.epochs * math.ceil(len(rows) / a.batch)
    schedule = get_linear_schedule_with_warmup(optimizer, math.ceil(0.1 * steps), steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(a.epochs):
        for places in batches_of(rows, a, generator):
            only_lora_dropout(model)
            ids, mask, labels = padded([rows[i] for i in places])
            optimizer.zero_grad()
            model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            schedule.step()
    return model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--replay", choices=["confirmations", "once", "none"], default="confirmations")
    parser.add_argument("--batches", choices=["grouped", "random"], default="grouped")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pages", type=int, default=60)
    a = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    model = base()
    rows = lambda pairs: encode(tokenizer, model.config.label2id, pairs)
    reviewed = read("demo/data/reviewed.jsonl")
    pages = list(dict.fromkeys(p["page_id"] for p in reviewed))[: a.pages]
    corrections, confirmations = review(model, rows([p for p in reviewed if p["page_id"] in set(pages)]))
    held = rows(read("demo/data/held-out.jsonl"))
    held_corrections, held_confirmations = review(model, held)
    sets = {
        "corrections": held_corrections,
        "confirmations": held_confirmations,
        "pages": held,
        "everyday": rows(read("models/nli-deberta-v3-tiny/evaluation/snli-test-1000.jsonl")),
    }
    print(f"{len(corrections)} corrections and {len(confirmations)} confirmations to learn from")
    print("base", {name: round(100 * share_right(model, some), 1) for name, some in sets.items()})
    found = {name: [] for name in sets}
    for seed in range(1, a.seeds + 1):
        model = train(corrections + replayed(corrections, confirmations, a.replay), a, seed)
        for name, some in sets.items():
            found[name].append(100 * share_right(model, some))
        print("seed", seed, {name: round(values[-1], 1) for name, values in found.items()})
    for name, values in found.items():
        error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0
        print(f"{name}: {statistics.mean(values):.1f} ± {error:.1f}")


main()
