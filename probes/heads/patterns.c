/* patterns.c - our own definitions, run by interpret.c as a user's are. A new one is a PATTERN here and a line in probes.c; what it says
 * of itself in C (rows, accepted rows) must be what its JSON says, which a test holds. */
#include "pattern.h"

#define BOTH (NS_ACCEPTS_SOFTMAX | NS_ACCEPTS_UNROLLED)
#define PATTERN(id, SUMMARY, FROM, ROWS, ACCEPTS, GROUP_MAX, MEANING, RULE) \
    static const ns_output id##_outputs[] = {{"case_" #id, NS_F32, SUMMARY}}; \
    static const ns_score id##_scores[] = {{#id, "case_" #id, NULL, SUMMARY, FROM, .group_max = GROUP_MAX, MEANING}}; \
    const ns_probe ns_probe_##id = { \
        .name = #id, .summary = SUMMARY, .paper = FROM, .at = "blocks.*.attn.hook_pattern", .rows = ROWS, .accepts = ACCEPTS, \
        .state_size = NS_PATTERN_STATE, .outputs = id##_outputs, .n_outputs = 1, .scores = id##_scores, .n_scores = 1, \
        .rejects = ns_pattern_rejects, .begin = ns_pattern_begin, .see = ns_pattern_see, .end = ns_pattern_end, \
        .definition = "{\"name\": \"" #id "\", " RULE "}", \
    }
#define ROWS(...) {__VA_ARGS__}
#define ONE(...) __VA_ARGS__         /* one argument of PATTERN, commas and all */

PATTERN(induction, "mean attention to the token after an earlier copy of the current one",
        "Olsson et al. 2022, arXiv 2209.11895 (prefix matching), over all rows that have a copy",
        ROWS(.kind = NS_ROWS_ALL), BOTH, false, ONE(NS_SHARE), "\"rows\": \"all\", \"keys\": \"after_same_token\", \"stat\": \"mass\"");
PATTERN(previous_token, "mean attention to the previous token", "Elhage et al. 2021; the mean of TransformerLens' previous-token diagonal",
        ROWS(.kind = NS_ROWS_ALL), BOTH, false, ONE(NS_SHARE), "\"rows\": \"all\", \"keys\": \"offset:-1\", \"stat\": \"mass\"");
PATTERN(previous_at_needle, "mean attention of the needle's answer tokens to the token before them",
        "needlescope: the lower half of the retrieval circuit", ROWS(.kind = NS_ROWS_SPAN, .span = "needle_answer"), BOTH, false,
        ONE(NS_SHARE), "\"rows\": \"span:needle_answer\", \"keys\": \"offset:-1\", \"stat\": \"mass\"");
PATTERN(duplicate_token, "mean attention to earlier copies of the current token, over all rows that have a copy",
        "TransformerLens' duplicate-token pattern; Wang et al. 2023, arXiv 2211.00593",
        ROWS(.kind = NS_ROWS_ALL), BOTH, false, ONE(NS_SHARE), "\"rows\": \"all\", \"keys\": \"same_token\", \"stat\": \"mass\"");
PATTERN(echo, "attention to an earlier copy of the current token, mean over (row, copy) of each row; the largest of the KV group's heads",
        "RazorAttention, arXiv 2407.15891 (echo score)",
        ROWS(.kind = NS_ROWS_ALL), BOTH, true, ONE(NS_SHARE), "\"rows\": \"all\", \"keys\": \"same_token\", \"stat\": \"mean\"");
PATTERN(needle_mass, "mean attention mass on the whole needle, at the rows that say the answer", "needlescope",
        ROWS(.kind = NS_ROWS_ANSWER), BOTH, false, ONE(NS_SHARE), "\"rows\": \"answer\", \"keys\": \"needle\", \"stat\": \"mass\"");
PATTERN(sink_mass, "mean attention mass on position 0, at the last four prompt rows", "attention sinks: Xiao et al. 2024, arXiv 2309.17453",
        ROWS(.kind = NS_ROWS_PROBE, .n = 3), BOTH, false, ONE(NS_SHARE), "\"rows\": \"last:4\", \"keys\": [0], \"stat\": \"mass\"");
PATTERN(local_mass, "mean attention mass on the 32 nearest positions, the row's own included, at the last four prompt rows", "needlescope",
        ROWS(.kind = NS_ROWS_PROBE, .n = 3), BOTH, false, ONE(NS_SHARE),
        "\"rows\": \"last:4\", \"keys\": \"local:32\", \"stat\": \"mass\"");
PATTERN(entropy, "mean entropy of the last four prompt rows, nats",
        "arXiv 2606.15378, compute_attention_metrics (attention_entropy, one head)", ROWS(.kind = NS_ROWS_PROBE, .n = 3),
        NS_ACCEPTS_SOFTMAX, false, ONE(.best = NS_BEST_NONE, .hi = INFINITY, .chance = (double)NAN),
        "\"rows\": \"last:4\", \"stat\": \"entropy\"");
PATTERN(entropy_norm, "mean of entropy / ln(q + 1) over the last four prompt rows q: 1 is uniform attention",
        "arXiv 2606.15378, compute_attention_metrics (attention_entropy_norm, one head)", ROWS(.kind = NS_ROWS_PROBE, .n = 3),
        NS_ACCEPTS_SOFTMAX, false, ONE(.best = NS_BEST_NONE, .hi = 1, .chance = (double)NAN),
        "\"rows\": \"last:4\", \"stat\": \"entropy_norm\"");
