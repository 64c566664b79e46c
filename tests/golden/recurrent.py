"""What recurrent layers of transformers compute, as rows: W[t, s] in float64 from their parameters and the input of the layer, and the
output of the recurrence itself as the module has it, before its norm. W v is held to that output."""
import torch
from torch.nn.functional import pad, silu, softplus


def lightning(module, hidden):
    """minimax: W[t, s] = exp(-slope (t - s)) q_t . k_s."""
    T = hidden.shape[1]
    q, k, v = (x.transpose(0, 1).double() for x in torch.split(silu(module.qkv_proj(hidden[0]))
               .reshape(T, module.num_attention_heads, 3 * module.head_dim), module.head_dim, dim=2))
    distance = torch.arange(T)[:, None] - torch.arange(T)[None]
    decay = torch.where(distance >= 0, torch.exp(-module.slope_rate.double() * distance), 0.0)
    weights = decay * (q @ k.transpose(1, 2))
    ours = module.norm((weights @ v).transpose(0, 1).reshape(1, T, -1).float())
    theirs = module(hidden_states=hidden, position_embeddings=None, attention_mask=None)[0]
    assert (module.out_proj(torch.sigmoid(module.output_gate(hidden)) * ours) - theirs).abs().max() < 1e-4
    return weights.float(), None


def rows(q, k, beta, decay, delta):
    """q, k, decay [T, H, key], beta [T, H], in float64 -> W [H, T, T], from each position backward."""
    T, H, _ = q.shape
    weights = torch.zeros(H, T, T, dtype=torch.float64)
    for t in range(T):
        p = q[t].clone()
        for s in range(t, -1, -1):
            weights[:, t, s] = beta[s] * (p * k[s]).sum(-1)
            p = decay[s] * (p - weights[:, t, s, None] * k[s] if delta else p)
    return weights


def convolved(module, x):
    """[T, channels] through the module's short convolution and silu."""
    taps = module.conv1d.weight.double()
    bias = None if module.conv1d.bias is None else module.conv1d.bias.double()
    return silu(torch.nn.functional.conv1d(pad(x.double().T[None], (taps.shape[-1] - 1, 0)), taps, bias, groups=x.shape[1])[0].T)


def delta_projections(m, hidden):
    """q, k, v, b, a of each class that has Gated DeltaNet: qwen3_next, qwen3_5, olmo_hybrid"""
    if hasattr(m, "in_proj_qkvz"):
        q, k, v, _, b, a = m.fix_query_key_value_ordering(m.in_proj_qkvz(hidden), m.in_proj_ba(hidden))
        return q, k, v, b, a
    if hasattr(m, "in_proj_qkv"):
        return *torch.split(m.in_proj_qkv(hidden), [m.key_dim, m.key_dim, m.value_dim], -1), m.in_proj_b(hidden), m.in_proj_a(hidden)
    return [p(hidden) for p in (m.q_proj, m.k_proj, m.v_proj, m.b_proj, m.a_proj)]


def gated_delta_net(m, hidden):
    T = hidden.shape[1]
    q, k, v, b, a = delta_projections(m, hidden)
    mixed = convolved(m, torch.cat([x.reshape(T, -1) for x in (q, k, v)], -1))
    q, k, v = torch.split(mixed, [m.key_dim, m.key_dim, m.value_dim], -1)
    each = m.num_v_heads // m.num_k_heads
    q, k = (x.reshape(T, -1, m.head_k_dim).repeat_interleave(each, 1) for x in (q, k))
    q, k = (x / torch.sqrt((x * x).sum(-1, keepdim=True) + 1e-6) for x in (q, k))
    decay = torch.exp(-m.A_log.double().exp() * softplus(a[0].double() + m.dt_bias.double()))
    beta = b[0].double().sigmoid() * (2 if getattr(m, "allow_neg_eigval", False) else 1)
    weights = rows(q * m.head_k_dim ** -0.5, k, beta, decay[..., None].expand(q.shape), True)
    return weights, v.reshape(T, -1, m.head_v_dim), 0


def mamba2(m, hidden):
    """mamba2, bamba, granitemoehybrid, nemotron_h"""
    T, inner, group = hidden.shape[1], m.intermediate_size, m.n_groups * m.ssm_state_size
    projected = m.in_proj(hidden * getattr(m, "ssm_in_multiplier", 1))[0] * getattr(m, "mup_vector", torch.ones(1))
    _, mixed, dt = torch.split(projected.reshape(T, -1), [inner, inner + 2 * group, m.num_heads], -1)
    x, k, q = torch.split(convolved(m, mixed), [inner, group, group], -1)
    q, k = (y.reshape(T, m.n_groups, -1).repeat_interleave(m.num_heads // m.n_groups, 1) for y in (q, k))
    dt = softplus(dt.double() + m.dt_bias.double()).clamp(*m.time_step_limit)
    decay = torch.exp(-m.A_log.double().exp() * dt)[..., None].expand(q.shape)
    v = x.reshape(T, m.num_heads, -1)
    return rows(q, k, dt, decay, False), v, m.D.double()[None, :, None] * v


def short_conv(m, hidden):
    """lfm2: what the convolution gives, before its gate."""
    T = hidden.shape[1]
    gate, out_gate, x = (y.T for y in m.in_proj(hidden)[0].double().split(hidden.shape[2], 1))
    bias = None if m.conv.bias is None else m.conv.bias.double()
    taps = m.conv.weight.double()
    z = torch.nn.functional.conv1d(pad((gate * x)[None], (taps.shape[-1] - 1, 0)), taps, bias, groups=len(x))[0]
    return z.T, m.out_proj((out_gate * z).T.float())


def rg_lru(m, hidden):
    """recurrent_gemma: what the unit gives, before its gate."""
    T, u = hidden.shape[1], m.rg_lru
    x = torch.nn.functional.conv1d(pad(m.linear_x(hidden)[0].double().T[None], (m.conv1d_width - 1, 0)), m.conv_1d.weight.double(),
                                   m.conv_1d.bias.double(), groups=m.lru_width)[0].T
    parts = x.reshape(T, u.num_attention_heads, u.block_width)
    gates = [(torch.einsum("thi,hij->thj", parts, w.double()) + b.double()).sigmoid().reshape(T, -1) for w, b in (
        (u.input_gate_weight, u.input_gate_bias), (u.recurrent_gate_weight, u.recurrent_gate_bias))]
    log_a = -8 * gates[1] * softplus(u.recurrent_param.double())
    write = torch.sqrt(-torch.expm1(2 * log_a))
    write[0] = 1
    state, out = torch.zeros_like(x[0]), []
    for t in range(T):
        state = log_a[t].exp() * state + write[t] * gates[0][t] * x[t]
        out.append(state)
    h = torch.stack(out)
    return h, m.linear_out((h * m.act_fn(m.linear_y(hidden)[0].double())).float())


def window_mask(config, T):
    """What recurrent_gemma's attention may see (arXiv 2404.07839). transformers 4 keeps the window while decoding alone."""
    distance = torch.arange(T)[:, None] - torch.arange(T)[None]
    return torch.where((distance >= 0) & (distance < config.attention_window_size), 0.0, torch.finfo(torch.float32).min)


def local_attention(m, hidden):
    """recurrent_gemma, whose attention shows no rows."""
    T, d, r = hidden.shape[1], m.head_dim, int(m.partial_rotary_factor * m.head_dim)
    q, k, v = (p(hidden)[0].reshape(T, -1, d).transpose(0, 1) for p in (m.q_proj, m.k_proj, m.v_proj))
    angles = torch.outer(torch.arange(T).float(), m.config.rope_theta ** (-torch.arange(0, r, 2).float() / r)).repeat(1, 2)

    def turn(x):
        turned = torch.cat((-x[..., r // 2:r], x[..., :r // 2]), -1)
        return torch.cat((x[..., :r] * angles.cos() + turned * angles.sin(), x[..., r:]), -1)
    k, v = (x.repeat_interleave(m.num_key_value_groups, 0) for x in (turn(k), v))
    weights = (turn(q) @ k.transpose(1, 2) * d ** -0.5 + window_mask(m.config, T)).softmax(-1)
    ours = m.o_proj((weights @ v).transpose(0, 1).reshape(1, T, -1))
    theirs = m(hidden, torch.arange(T)[None], window_mask(m.config, T)[None, None], torch.arange(T), False)
    assert (ours - theirs).abs().max() < 1e-5, (ours - theirs).abs().max()
    return weights, None


def mamba(m, hidden):
    """mamba, falcon_mamba, jamba: what the state space gives, with its skip, before its gate."""
    T, N = hidden.shape[1], m.ssm_state_size
    x, gate = m.in_proj(hidden)[0].double().chunk(2, 1)
    x = convolved(m, x)
    selected = (x @ m.x_proj.weight.double().T).split([m.time_step_rank, N, N], 1)
    if hasattr(m, "dt_layernorm"):
        selected = [norm(y.float()).double() for norm, y in zip((m.dt_layernorm, m.b_layernorm, m.c_layernorm), selected)]
    elif hasattr(m, "rms_eps"):
        selected = [y * torch.rsqrt((y * y).mean(-1, keepdim=True) + m.rms_eps) for y in selected]
    step = softplus(selected[0] @ m.dt_proj.weight.double().T + m.dt_proj.bias.double())
    state, out, rate = torch.zeros(x.shape[1], N, dtype=torch.float64), [], -m.A_log.double().exp()
    for t in range(T):
        state = (rate * step[t, :, None]).exp() * state + (step[t] * x[t])[:, None] * selected[1][t]
        out.append(state @ selected[2][t])
    y = torch.stack(out) + m.D.double() * x
    return y, m.out_proj((y * silu(gate)).float())


def falcon_h1(m, hidden):
    """The recurrence that is next to attention, whose rows the layer shows."""
    weights, v, skip = mamba2(m, hidden)
    y = (torch.einsum("hts,shd->thd", weights, v) + skip).reshape(hidden.shape[1], -1)
    gate = (m.in_proj(hidden * m.ssm_in_multiplier) * m.mup_vector)[..., :m.intermediate_size]
    gated = m.norm(y[None].float(), gate) if m.mamba_rms_norm else y[None].float() * silu(gate)
    return y, m.out_proj(gated)[0]


KINDS = {"MiniMaxLightningAttention": lightning, "Qwen3NextGatedDeltaNet": gated_delta_net,
         "Qwen3_5GatedDeltaNet": gated_delta_net, "Qwen3_5MoeGatedDeltaNet": gated_delta_net,
         "OlmoHybridGatedDeltaNet": gated_delta_net, "Mamba2Mixer": mamba2, "BambaMixer": mamba2,
         "GraniteMoeHybridMambaLayer": mamba2, "RecurrentGemmaSdpaAttention": local_attention,
         "NemotronHMamba2Mixer": mamba2}
# Mixers of channels: no heads, no rows. The output of the recurrence, and what the module makes of it.
CHANNELS = {"Lfm2ShortConv": short_conv, "MambaMixer": mamba, "FalconMambaMixer": mamba, "JambaMambaMixer": mamba,
            "RecurrentGemmaRecurrentBlock": rg_lru, "FalconH1Mixer": falcon_h1}
BESIDE = (falcon_h1,)                                # next to attention


class Recorder:
    """The inputs of a model's layers and of its recurrent modules, and the outputs of their recurrences, in one pass."""

    def __init__(self, model):
        self.layers, self.inputs, self.outputs, self.channels, self.beside = [], {}, {}, {}, set()
        for index, layer in enumerate(getattr(getattr(model.base_model, "language_model", model.base_model), "layers", ())):
            layer.register_forward_pre_hook(lambda _, args, kw: self.layers.append(args[0] if args else kw["hidden_states"]),
                                            with_kwargs=True)
            for module in layer.modules():
                if type(module).__name__ in KINDS:
                    module.register_forward_pre_hook(self.enter(index), with_kwargs=True)
                    norm = getattr(module, "norm", getattr(module, "o_norm", None))
                    if norm:
                        norm.register_forward_pre_hook(self.leave(index))
                if type(module).__name__ in CHANNELS:
                    module.register_forward_hook(self.mix(index), with_kwargs=True)

    def enter(self, index):
        def hook(module, args, kw):
            self.inputs[index] = module, args[0] if args else kw["hidden_states"]
        return hook

    def leave(self, index):
        def hook(_, args):
            self.outputs[index] = args[0].clone()
        return hook

    def mix(self, index):
        def hook(module, args, kw, out):
            kind = CHANNELS[type(module).__name__]
            output, whole = kind(module, args[0] if args else kw["hidden_states"])
            theirs = (out[0] if isinstance(out, tuple) else out)[0]
            assert (whole - theirs).abs().max() < 1e-5 * (1 + theirs.abs().max()), (whole - theirs).abs().max()
            self.channels[index] = output.float()
            self.beside |= {index} if kind in BESIDE else set()
        return hook

    def rows(self, index):
        """W [heads, T, T] and the recurrence's output [T, width] (None: not looked at); None for another layer."""
        if index not in self.inputs:
            return None
        module, hidden = self.inputs[index]
        kind = KINDS[type(module).__name__]
        if kind in (lightning, local_attention):
            return kind(module, hidden)
        weights, v, skip = kind(module, hidden)
        ours = (torch.einsum("hts,shd->thd", weights, v) + skip).reshape(hidden.shape[1], -1)
        theirs = self.outputs[index].reshape(ours.shape)
        assert ((ours - theirs).abs() / (1 + theirs.abs())).max() < 1e-5, (ours - theirs).abs().max()
        return weights.float(), theirs
