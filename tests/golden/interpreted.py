"""flash-linear-attention on the CPU: its kernels in Triton's interpreter, forward and backward. Imported before fla.

Attention of the softmax layers is flash-attn's, which is replaced by the eager one."""
import builtins
import math
import os
import warnings

os.environ["TRITON_INTERPRET"] = "1"

import torch
from triton.runtime import autotuner

autotuner.Autotuner._bench = lambda self, *args, config, **more: [0.0, 0.0, 0.0]        # the first of the sizes will do
warnings.filterwarnings("ignore")

import fla.layers.attn
import fla.models
from fla.ops.common import chunk_delta_h, chunk_h


class Index(int):
    """What these kernels count chunks with and ask for another type: a tensor where they are compiled, a number of Python's here."""

    def to(self, _):
        return self


for kernels in (chunk_delta_h, chunk_h):
    kernels.range = lambda *ends: map(Index, builtins.range(*ends))


class Attention:
    """flash_attn_func, and the weights [B, H, T, T] of the last layer that called it."""
    weights = None

    def __call__(self, q, k, v, causal, window_size):
        groups = q.shape[2] // k.shape[2]
        q, k, v = q.transpose(1, 2), *(x.transpose(1, 2).repeat_interleave(groups, 1) for x in (k, v))
        distance = torch.arange(q.shape[2])[:, None] - torch.arange(k.shape[2])[None]
        seen = (distance >= 0) & ((distance <= window_size[0]) | (window_size[0] < 0))
        self.weights = (q @ k.transpose(2, 3) * q.shape[-1] ** -0.5).masked_fill(~seen, -math.inf).softmax(-1)
        return (self.weights @ v).transpose(1, 2)


attention = fla.layers.attn.flash_attn_func = Attention()
