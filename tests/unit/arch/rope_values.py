#!/usr/bin/env python3
"""Writes rope_values.h: inverse frequencies and attention factors of transformers 4.57.6 (torch 2.13.0, CPU, f32) for test_rope.c.

    rope_values.py > rope_values.h"""
import torch
import transformers as hf
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

hf.logging.set_verbosity_error()
SHORT = [1.0 + 0.07 * i for i in range(16)]
LONG = [2.0 + 0.9 * i for i in range(16)]


def yarn(**more):
    return dict(rope_type="yarn", factor=8.0, original_max_position_embeddings=4096, **more)


# (rope_theta, head_dim, max_position_embeddings, sequence length, rope_scaling, more config keys)
CASES = [
    (1e4, 64, 2048, 100, None, {}),
    (5e5, 128, 8192, 100, None, {}),
    (1e4, 80, 2048, 100, None, dict(partial_rotary_factor=0.25)),
    (1e6, 256, 8192, 100, dict(rope_type="linear", factor=8.0), {}),
    (1e4, 64, 2048, 2048, dict(rope_type="dynamic", factor=4.0), {}),
    (1e4, 64, 2048, 2049, dict(rope_type="dynamic", factor=4.0), {}),
    (1e4, 64, 2048, 7001, dict(rope_type="dynamic", factor=4.0), {}),
    (5e5, 128, 131072, 100, dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                 original_max_position_embeddings=8192), {}),
    (1e6, 64, 131072, 100, dict(rope_type="llama3", factor=32.0, low_freq_factor=1.5, high_freq_factor=3.7,
                                original_max_position_embeddings=8191), {}),
    (5e5, 128, 32768, 100, yarn(), {}),
    (1e4, 32, 32768, 100, yarn(beta_fast=16.0, beta_slow=2.0, truncate=False), {}),
    (1e6, 128, 32768, 100, yarn(mscale=1.0, mscale_all_dim=0.7), {}),
    (1e6, 128, 32768, 100, yarn(attention_factor=1.3), {}),
    (1.5e5, 64, 16384, 100, dict(rope_type="yarn", factor=4.0), {}),
    (1e4, 32, 131072, 4096, dict(rope_type="longrope", short_factor=SHORT, long_factor=LONG), dict(original_max_position_embeddings=4096)),
    (1e4, 32, 131072, 4097, dict(rope_type="longrope", short_factor=SHORT, long_factor=LONG), dict(original_max_position_embeddings=4096)),
    (1e4, 32, 4096, 4097, dict(rope_type="longrope", short_factor=SHORT, long_factor=LONG, attention_factor=1.7),
     dict(original_max_position_embeddings=4096)),
]


def frequencies(theta, d, positions, n, scaling, more):
    config = hf.LlamaConfig(hidden_size=4 * d, num_attention_heads=4, head_dim=d, max_position_embeddings=positions, rope_theta=theta,
                            rope_scaling=scaling, **more)
    kind = scaling["rope_type"] if scaling else "default"
    length = torch.tensor(n) if kind == "dynamic" and n > positions else n      # as dynamic_rope_update passes it
    values, m = ROPE_INIT_FUNCTIONS[kind](config, torch.device("cpu"),
                                          **({} if kind == "dynamic" and n <= positions else dict(seq_len=length)))
    return values, float(m)


def json(theta, d, positions, scaling, more):
    import json as j
    config = dict(model_type="phi3" if "partial_rotary_factor" in more else "llama", hidden_size=4 * d, num_attention_heads=4, head_dim=d,
                  num_key_value_heads=4, max_position_embeddings=positions, rope_theta=theta, rope_scaling=scaling, **more)
    return j.dumps(j.dumps(config))


def main():
    print("/* rope_values.h - written by rope_values.py from transformers 4.57.6: do not edit. */")
    print("static const struct rope_case { int64_t n; const char *config; double attention_factor; int64_t half; float inv_freq[128]; } "
          "rope_cases[] = {")
    for theta, d, positions, n, scaling, more in CASES:
        values, m = frequencies(theta, d, positions, n, scaling, more)
        print("    {%d, %s, %r, %d, {" % (n, json(theta, d, positions, scaling, more), m, len(values)))
        text = [float(v).hex() + "f" for v in values]
        for i in range(0, len(text), 6):
            print("        " + ", ".join(text[i:i + 6]) + ",")
        print("    }},")
    print("};")


main()
