"""LoRA as PEFT applies it, for a Python that has PyTorch and transformers but not peft: the same parameters under the same
names, the same operations in the same order. `check_lora.py` holds it to what PEFT itself computed.

adapted(model, r, lora_alpha, lora_dropout, target_modules): freezes the model, puts LoRA beside each Linear whose name ends
with one of target_modules, and trains it and a copy of the classifier.
"""
import math

import torch

__version__ = "none, lora.py instead"


class Linear(torch.nn.Module):
    """W x + (alpha / r) B A dropout(x): A uniform in ±1/√in, B zero (Hu et al. 2021; PEFT's defaults)."""

    def __init__(self, base, r, lora_alpha, lora_dropout):
        super().__init__()
        self.base_layer = base
        self.scaling = lora_alpha / r
        self.lora_dropout = torch.nn.Dropout(lora_dropout) if lora_dropout > 0 else torch.nn.Identity()
        self.lora_A = torch.nn.Linear(base.in_features, r, bias=False)
        self.lora_B = torch.nn.Linear(r, base.out_features, bias=False)
        torch.nn.init.kaiming_uniform_(self.lora_A.weight, a=math.sqrt(5))
        torch.nn.init.zeros_(self.lora_B.weight)

    def forward(self, x):
        branch = x.to(self.lora_A.weight.dtype)
        return self.base_layer(x) + self.lora_B(self.lora_A(self.lora_dropout(branch))) * self.scaling


def adapted(model, r=8, lora_alpha=16, lora_dropout=0.1, target_modules=("query_proj", "value_proj")):
    model.requires_grad_(False)
    for name, module in list(model.named_modules()):
        if name.split(".")[-1] in target_modules:
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, Linear(module, r, lora_alpha, lora_dropout))
    model.classifier.requires_grad_(True)
    return model
