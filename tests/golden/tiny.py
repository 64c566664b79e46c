"""What all makers of tiny random models share: sizes, random numbers, how a model is stored, the command line."""
import argparse
import os

import torch
import transformers

TINY = dict(num_hidden_layers=4, intermediate_size=40, vocab_size=64, max_position_embeddings=96, pad_token_id=0, bos_token_id=1,
            eos_token_id=2)
T = 40
ROWS = [0, 6, 7, 20, 38, 39]


def randomise(model, generator, sd=0.2):
    with torch.no_grad():
        for p in model.parameters():
            noise = torch.randn(p.shape, generator=generator) * sd
            p.copy_(p + noise if p.dim() == 1 else noise)
        for name, buffer in model.named_buffers():               # above 0: transformers gives experts of groups that are left out a 0
            if name.endswith("e_score_correction_bias"):
                buffer.copy_(torch.rand(buffer.shape, generator=generator))


def store(model, folder, dtype, shard):
    model.to(dtype).save_pretrained(folder, max_shard_size=shard)
    for name in os.listdir(folder):
        if name == "generation_config.json":
            os.unlink(os.path.join(folder, name))


def begin(seed):
    """The generator of a model's numbers; torch's own begins there too, for what a class makes at random (dt_bias, A_log)."""
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def main(doc, make, kept, live):
    """make(folder, name, seed) of those that the command line names."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--only", default="")
    p.add_argument("--live", action="store_true")
    args = p.parse_args()
    transformers.logging.set_verbosity_error()
    for name in args.only.split(",") if args.only else kept | (live if args.live else {}):
        make(args.folder, name, args.seed)
        print(name, flush=True)
