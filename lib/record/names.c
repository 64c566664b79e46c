/* names.c - the names that the schema gives (schema.md): of attributes, axes and arrays of score files, studies and interventions. A score
 * that is called so would take the place of one. */
#include <string.h>

#include <needlescope/study.h>

#include "core/core.h"

static const char *const names[] = {
    /* attributes */
    "conventions", "schema", "kind", "probes", "dropped", "special_tokens", "config_sha256", "content_sha256", "complete", "provenance",
    "cases_sha256", "weights_sha256", "arch_sha256", "tokenizer_sha256", "shards_sha256", "arch_json", "kernel_class", "layer_kinds",
    "constrain", "model_family", "model_name", "not_taken", "gone", "superseded",
    "passed_over", "unsealed", "tokenizer_unread", "arch_changes", "ranking_resamples", "ranking_seed",
    "ranking_strata", "hash_tile", "long_name", "coordinates", "best", "range", "chance",
    "probe_at", "probe_rows", "probe_classes", "probe_c", "probe_folds", "probe_shuffles", "probe_seed",
    "probe_weights", "probe_intercepts", "probe_mean", "probe_size",
    /* axes */
    "case", "layer", "head", "answer", "score", "score_other", "group", "run", "step", "condition", "control", "target", "row", "key",
    "kv_head", "position", "class",
    /* of cases, layers and heads */
    "value_type", "template", "twin_of", "length", "n_tokens", "n_answer", "query_token", "content_right", "n_mentions", "n_distractors",
    "depth", "distance", "answered", "first_right", "layer_kind", "window", "head_valid", "prompt", "answer_hits", "find_hits",
    "find_events", "find_margin", "copy_margin", "case_id", "case_group", "case_stratum", "case_tokens", "case_answer",
    "answer_retrieval_logit", "answer_needle_logit", "answer_distractor_logit", "answer_dla", "answer_dla_plain", "answer_write_norm",
    "answer_contribution", "answer_layer_logit", "answer_embed_logit", "answer_logit",
    /* of rankings */
    "score_name", "group_name", "score_low", "score_high", "score_top4", "score_top10", "score_chance", "score_answered", "score_missed",
    "score_by_group", "split_half_jaccard4", "split_half_jaccard10", "agreement_spearman", "agreement_jaccard10",
    /* of studies and training metrics */
    "run_name", "tokens", "status", "checkpoint", "error", "head_window", "accuracy", "first_token_accuracy", "loss", "loss_filler",
    "loss_near", "loss_mid", "loss_far", "recall_in_window", "recall_beyond_window", "lr", "grad_norm", "grad_norm_layer", "train_loss",
    "seed", "pattern", "nope", "rope_theta", "rope_scaling", "layer_window", "arch_change", "weights_sample",
    "weights_sample_of", "sample", "weight_distance", "weight_across", "left_out", "left_out_run", "left_out_name", "left_out_why",
};

static bool is_listed(const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Beside a score lie its chance and what each case gave: NAME_chance and case_NAME. */
bool ns_score_name_is_taken(const char *name)
{
    char of_cases[128];
    snprintf(of_cases, sizeof of_cases, "case_%.100s", name);
    return is_listed(name) || is_listed(of_cases) || ns_starts(name, "case_") || ns_ends(name, "_chance") || ns_hits_of(name) ||
           ns_ends(name, "_events");
}
