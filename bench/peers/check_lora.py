"""Holds bench/peers/lora.py to what PEFT computed: logits under an adapter, loss and gradients of a batch, and the adapter
after twelve steps of AdamW, of the references in test/golden.

usage: python bench/peers/check_lora.py        prints the largest errors, ends with 1 when one is over 1e-4
needs: torch, transformers
"""
import json
import pathlib
import sys

import lora
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden"


def name_of(key):
    """A parameter of ours by PEFT's name for it."""
    return key.removeprefix("base_model.model.").replace(".modules_to_save", "").replace(".default", "")


def opened(folder):
    config = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    model = AutoModelForSequenceClassification.from_pretrained(folder / "checkpoint", dtype=torch.float32)
    recipe = {key: config[key] for key in ("r", "lora_alpha", "lora_dropout", "target_modules")}
    model = lora.adapted(model, **recipe).eval()
    found = model.load_state_dict(weights(folder / "adapter"), strict=False)
    assert not found.unexpected_keys, found.unexpected_keys
    return model


def weights(folder):
    return {name_of(key): tensor for key, tensor in load_file(folder / "adapter_model.safetensors").items()}


def inputs(case):
    return {key: torch.tensor(case[key]) for key in ("input_ids", "attention_mask", "labels") if key in case}


def relative(found, expected):
    return float((found.detach() - expected).abs().max() / expected.abs().max())


def check(folder):
    reference = json.loads((folder / "reference.json").read_text())
    model = opened(folder)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        logits = [relative(model(**inputs(case)).logits, torch.tensor(case["adapter_logits"])) for case in reference["cases"]]
    model(**inputs(reference["gradient"])).loss.backward()
    grads = {name_of(key): torch.tensor(g["data"]).view(g["shape"]) for key, g in reference["gradient"]["grads"].items()}
    assert grads.keys() == trained.keys()
    gradients = [relative(trained[name].grad, grad) for name, grad in grads.items()]
    how = reference["trajectory"]["optimizer"]
    optimizer = torch.optim.AdamW(
        trained.values(), lr=how["lr"], betas=how["betas"], eps=how["eps"], weight_decay=how["weight_decay"]
    )
    for step in reference["trajectory"]["steps"]:
        optimizer.zero_grad()
        model(**inputs(step)).loss.backward()
        optimizer.step()
    final = [relative(trained[name], tensor) for name, tensor in weights(folder / "adapter-after-trajectory").items()]
    return {"logits": max(logits), "gradient": max(gradients), "final_adapter": max(final)}


errors = {folder.name: check(folder) for folder in sorted(GOLDEN.iterdir()) if (folder / "reference.json").exists()}
print(json.dumps(errors))
sys.exit(max(error for of in errors.values() for error in of.values()) > 1e-4)
