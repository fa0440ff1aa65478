"""The adapter of Errata's own recipe on a model: PEFT's where peft can be imported, else that of lora.py, which does the same."""
import lora

try:
    import peft
except ModuleNotFoundError:
    peft = None

RECIPE = {"r": 8, "lora_alpha": 16, "lora_dropout": 0.1, "target_modules": ["query_proj", "value_proj"]}
VERSION = peft.__version__ if peft else lora.__version__


def adapted(base):
    if peft:
        return peft.get_peft_model(base, peft.LoraConfig(task_type=peft.TaskType.SEQ_CLS, **RECIPE))
    return lora.adapted(base, **RECIPE)
