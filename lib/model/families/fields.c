/* fields.c - the rows of the JSON form. An absent key that is not required has the value that does nothing. */
#include "model/families/fields.h"

const ns_field ns_fields_arch[] = {
    {"d_model", NS_FIELD_I64, .offset = offsetof(ns_arch, d_model), .required = true},
    {"vocab", NS_FIELD_I64, .offset = offsetof(ns_arch, vocab), .required = true},
    {"max_positions", NS_FIELD_I64, .offset = offsetof(ns_arch, max_positions)},
    {"position_offset", NS_FIELD_I64, .offset = offsetof(ns_arch, position_offset)},
    {"embed", NS_FIELD_TREF, .offset = offsetof(ns_arch, embed), .required = true},
    {"positions", NS_FIELD_TREF, .offset = offsetof(ns_arch, positions)},
    {"embed_scale", NS_FIELD_F32, .offset = offsetof(ns_arch, embed_scale), .otherwise = 1},
    {"final_norm", NS_FIELD_NORM, .offset = offsetof(ns_arch, final_norm)},
    {"head", NS_FIELD_TREF, .offset = offsetof(ns_arch, head), .required = true},
    {"head_bias", NS_FIELD_TREF, .offset = offsetof(ns_arch, head_bias)},
    {"logit_scale", NS_FIELD_F32, .offset = offsetof(ns_arch, logit_scale), .otherwise = 1},
    {"logit_softcap", NS_FIELD_F32, .offset = offsetof(ns_arch, logit_softcap)},
    {0},
};

const ns_field ns_fields_rope[] = {
    {"theta", NS_FIELD_F64, .offset = offsetof(ns_rope, theta), .required = true},
    {"rotary_dim", NS_FIELD_I64, .offset = offsetof(ns_rope, rotary_dim), .required = true},
    {"layout", NS_FIELD_WORD, .offset = offsetof(ns_rope, layout), .words = ns_words_layout, .required = true},
    {"scaling", NS_FIELD_WORD, .offset = offsetof(ns_rope, scaling), .words = ns_words_scaling},
    {"factor", NS_FIELD_F64, .offset = offsetof(ns_rope, factor)},
    {"low_freq_factor", NS_FIELD_F64, .offset = offsetof(ns_rope, low_freq_factor)},
    {"high_freq_factor", NS_FIELD_F64, .offset = offsetof(ns_rope, high_freq_factor)},
    {"beta_fast", NS_FIELD_F64, .offset = offsetof(ns_rope, beta_fast)},
    {"beta_slow", NS_FIELD_F64, .offset = offsetof(ns_rope, beta_slow)},
    {"mscale", NS_FIELD_F64, .offset = offsetof(ns_rope, mscale)},
    {"mscale_all_dim", NS_FIELD_F64, .offset = offsetof(ns_rope, mscale_all_dim)},
    {"attention_factor", NS_FIELD_F64, .offset = offsetof(ns_rope, attention_factor)},
    {"truncate", NS_FIELD_BOOL, .offset = offsetof(ns_rope, truncate), .otherwise = 1},
    {"original_max_positions", NS_FIELD_I64, .offset = offsetof(ns_rope, original_max_positions)},
    {"short_factor", NS_FIELD_F64S, .offset = offsetof(ns_rope, short_factor), .count = offsetof(ns_rope, rotary_dim), .over = 2},
    {"long_factor", NS_FIELD_F64S, .offset = offsetof(ns_rope, long_factor), .count = offsetof(ns_rope, rotary_dim), .over = 2},
    {0},
};

const ns_field ns_fields_norm[] = {
    {"type", NS_FIELD_WORD, .offset = offsetof(ns_norm, type), .words = ns_words_norm, .required = true},
    {"eps", NS_FIELD_F32, .offset = offsetof(ns_norm, eps), .required = true},
    {"offset", NS_FIELD_F32, .offset = offsetof(ns_norm, offset)},
    {"weight", NS_FIELD_TREF, .offset = offsetof(ns_norm, weight)},
    {"bias", NS_FIELD_TREF, .offset = offsetof(ns_norm, bias)},
    {0},
};

const ns_field ns_fields_branch[] = {
    {"kind", NS_FIELD_WORD, .offset = offsetof(ns_branch, kind), .words = ns_words_kind, .required = true},
    {"in_norm", NS_FIELD_NORM, .offset = offsetof(ns_branch, in_norm)},
    {"out_norm", NS_FIELD_NORM, .offset = offsetof(ns_branch, out_norm)},
    {"shares_norm", NS_FIELD_BOOL, .offset = offsetof(ns_branch, shares_norm)},
    {"out_scale", NS_FIELD_F32, .offset = offsetof(ns_branch, out_scale), .otherwise = 1},
    {0},
};

const ns_field ns_fields_attn[] = {
    {"n_heads", NS_FIELD_I64, .offset = offsetof(ns_attn, n_heads), .required = true},
    {"n_kv_heads", NS_FIELD_I64, .offset = offsetof(ns_attn, n_kv_heads), .required = true},
    {"head_dim", NS_FIELD_I64, .offset = offsetof(ns_attn, head_dim), .required = true},
    {"scale", NS_FIELD_F32, .offset = offsetof(ns_attn, scale), .required = true},
    {"window", NS_FIELD_I64, .offset = offsetof(ns_attn, window)},
    {"head_window", NS_FIELD_I64S, .offset = offsetof(ns_attn, head_window), .count = offsetof(ns_attn, n_heads), .over = 1},
    {"mixer", NS_FIELD_WORD, .offset = offsetof(ns_attn, mixer), .words = ns_words_mixer},
    {"slope", NS_FIELD_F64S, .offset = offsetof(ns_attn, slope), .count = offsetof(ns_attn, n_heads), .over = 1},
    {"qkv_act", NS_FIELD_WORD, .offset = offsetof(ns_attn, qkv_act), .words = ns_words_act},
    {"z_norm", NS_FIELD_NORM, .offset = offsetof(ns_attn, z_norm)},
    {"z_gate", NS_FIELD_TREF, .offset = offsetof(ns_attn, z_gate)},
    {"rope", NS_FIELD_INT, .offset = offsetof(ns_attn, rope), .required = true},
    {"softcap", NS_FIELD_F32, .offset = offsetof(ns_attn, softcap)},
    {"clip_qkv", NS_FIELD_F32, .offset = offsetof(ns_attn, clip_qkv)},
    {"q", NS_FIELD_TREF, .offset = offsetof(ns_attn, q), .required = true},
    {"k", NS_FIELD_TREF, .offset = offsetof(ns_attn, k), .required = true},
    {"v", NS_FIELD_TREF, .offset = offsetof(ns_attn, v), .required = true},
    {"o", NS_FIELD_TREF, .offset = offsetof(ns_attn, o), .required = true},
    {"q_bias", NS_FIELD_TREF, .offset = offsetof(ns_attn, q_bias)},
    {"k_bias", NS_FIELD_TREF, .offset = offsetof(ns_attn, k_bias)},
    {"v_bias", NS_FIELD_TREF, .offset = offsetof(ns_attn, v_bias)},
    {"o_bias", NS_FIELD_TREF, .offset = offsetof(ns_attn, o_bias)},
    {"qk_norm", NS_FIELD_WORD, .offset = offsetof(ns_attn, qk_norm), .words = ns_words_qk_norm},
    {"q_norm", NS_FIELD_NORM, .offset = offsetof(ns_attn, q_norm)},
    {"k_norm", NS_FIELD_NORM, .offset = offsetof(ns_attn, k_norm)},
    {0},
};

const ns_field ns_fields_ffn[] = {
    {"d_ff", NS_FIELD_I64, .offset = offsetof(ns_ffn, d_ff), .required = true},
    {"act", NS_FIELD_WORD, .offset = offsetof(ns_ffn, act), .words = ns_words_act, .required = true},
    {"gate", NS_FIELD_TREF, .offset = offsetof(ns_ffn, gate)},
    {"up", NS_FIELD_TREF, .offset = offsetof(ns_ffn, up), .required = true},
    {"down", NS_FIELD_TREF, .offset = offsetof(ns_ffn, down), .required = true},
    {"gate_bias", NS_FIELD_TREF, .offset = offsetof(ns_ffn, gate_bias)},
    {"up_bias", NS_FIELD_TREF, .offset = offsetof(ns_ffn, up_bias)},
    {"down_bias", NS_FIELD_TREF, .offset = offsetof(ns_ffn, down_bias)},
    {0},
};

const ns_field ns_fields_stage[] = {
    {"normed_scale", NS_FIELD_F32, .offset = offsetof(ns_stage, normed_scale)},
    {0},
};
