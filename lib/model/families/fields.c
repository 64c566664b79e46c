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
    {"in_norm", NS_FIELD_NORM, .offset = offsetof(ns_branch, in_norm)},
    {"out_norm", NS_FIELD_NORM, .offset = offsetof(ns_branch, out_norm)},
    {"shares_norm", NS_FIELD_BOOL, .offset = offsetof(ns_branch, shares_norm)},
    {"in_scale", NS_FIELD_F32, .offset = offsetof(ns_branch, in_scale), .otherwise = 1, .sparse = true},
    {"out_scale", NS_FIELD_F32, .offset = offsetof(ns_branch, out_scale), .otherwise = 1},
    {0},
};

const ns_field ns_fields_stage[] = {
    {"normed_scale", NS_FIELD_F32, .offset = offsetof(ns_stage, normed_scale)},
    {"points_of", NS_FIELD_INT, .offset = offsetof(ns_stage, points_of), .sparse = true},
    {0},
};
