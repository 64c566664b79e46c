/* claims.c - the paper's claims, each with what it would take of us: an effect of a seed that is above 0 where the claim holds there, and a
 * control that the effect must exceed. Effects, controls and margins were written before any of the runs was measured. */
#include <math.h>
#include <string.h>

#include "paper.h"

/* A spread of losses, and a loss of accuracy, that is called none: single checkpoints of one run differ by as much. */
static const double margin_loss = .05, margin_accuracy = .05;
/* What constraining efficient layers may cost, of what constraining full ones does, and still be little; of an early spread what may be
 * left where curves converge. */
static const double little = .1, converged = .5;

/* ---- over architectures ---- */

static bool is_one_of_seven(const paper *p, int64_t arm)
{
    return p->arms[arm].kind == PAPER_FULL || p->arms[arm].kind == PAPER_WINDOW || p->arms[arm].kind == PAPER_RECURRENT;
}

/* Largest minus smallest; NaN where an architecture has no number, or there are not two. */
static double spread(const paper *p, int64_t seed, paper_measure m)
{
    double low = INFINITY, high = -INFINITY;
    int n = 0;
    for (int64_t a = 0; a < p->n_arms; a++) {
        const double value = ns_paper_value(p, a, seed, m);
        if (!is_one_of_seven(p, a))
            continue;
        if (isnan(value))
            return (double)NAN;
        low = fmin(low, value);
        high = fmax(high, value);
        n++;
    }
    return n > 1 ? high - low : (double)NAN;
}

/* Mean of a - b over the architectures that have both (a third, too, where it is named); NaN: none has. */
static double mean_difference(const paper *p, int64_t seed, paper_measure a, paper_measure b, paper_measure beside)
{
    double sum = 0;
    int n = 0;
    for (int64_t i = 0; i < p->n_arms; i++) {
        const double value = ns_paper_value(p, i, seed, a) - ns_paper_value(p, i, seed, b);
        if (!is_one_of_seven(p, i) || isnan(value) || isnan(ns_paper_value(p, i, seed, beside)))
            continue;
        sum += value;
        n++;
    }
    return n ? sum / n : (double)NAN;
}

static double mean_over(const paper *p, int64_t seed, paper_measure m, paper_measure beside)
{
    double sum = 0;
    int n = 0;
    for (int64_t a = 0; a < p->n_arms; a++)
        if (is_one_of_seven(p, a) && !isnan(ns_paper_value(p, a, seed, m)) && !isnan(ns_paper_value(p, a, seed, beside))) {
            sum += ns_paper_value(p, a, seed, m);
            n++;
        }
    return n ? sum / n : (double)NAN;
}

static double between_windows(const paper *p, int64_t seed, paper_measure m)
{
    const int64_t small = ns_paper_arm(p, PAPER_WINDOW, false), large = ns_paper_arm(p, PAPER_WINDOW, true);
    const double a = ns_paper_value(p, small, seed, m), b = ns_paper_value(p, large, seed, m);
    return small == large ? (double)NAN : isinf(a) && isinf(b) ? 0 : b - a;      /* neither born: no order */
}

/* ---- losses ---- */

static double short_coincide(const paper *p, int64_t seed)
{
    return margin_loss - spread(p, seed, PAPER_SHORT_LATE);
}

static double early_worst(const paper *p, int64_t seed)
{
    const int64_t large = ns_paper_arm(p, PAPER_WINDOW, true);
    double others = -INFINITY;
    for (int64_t a = 0; a < p->n_arms; a++)
        if (a != large && is_one_of_seven(p, a))
            others = fmax(others, ns_paper_value(p, a, seed, PAPER_LONG_EARLY));
    return isnan(spread(p, seed, PAPER_LONG_EARLY)) ? (double)NAN : ns_paper_value(p, large, seed, PAPER_LONG_EARLY) - others;
}

static double early_window(const paper *p, int64_t seed)
{
    return between_windows(p, seed, PAPER_LONG_EARLY);
}

static double early_window_short(const paper *p, int64_t seed)
{
    return between_windows(p, seed, PAPER_SHORT_EARLY);
}

static double converge(const paper *p, int64_t seed)
{
    return converged * spread(p, seed, PAPER_LONG_EARLY) - spread(p, seed, PAPER_LONG_LATE);
}

/* ---- heads over training ---- */

static double delay(const paper *p, int64_t seed)
{
    return between_windows(p, seed, PAPER_BIRTH);
}

static double entropy_stays(const paper *p, int64_t seed)
{
    return between_windows(p, seed, PAPER_ENTROPY);
}

static double entropy_of_others(const paper *p, int64_t seed)
{
    return between_windows(p, seed, PAPER_ENTROPY_OTHERS);
}

static double distance_stays(const paper *p, int64_t seed)
{
    return between_windows(p, seed, PAPER_DISTANCE);
}

static double distance_of_others(const paper *p, int64_t seed)
{
    return between_windows(p, seed, PAPER_DISTANCE_OTHERS);
}

/* ---- the last checkpoint ---- */

static double full_carries(const paper *p, int64_t seed)
{
    return mean_difference(p, seed, PAPER_FAR_FULL, PAPER_FAR, PAPER_FAR_EFFICIENT);
}

static double efficient_carries(const paper *p, int64_t seed)
{
    return mean_difference(p, seed, PAPER_FAR_EFFICIENT, PAPER_FAR, PAPER_FAR_FULL);
}

static double efficient_spared(const paper *p, int64_t seed)
{
    return little * full_carries(p, seed) - efficient_carries(p, seed);
}

/* Of the architectures with recurrent layers alone: beyond a window no head of it can look at the needle. */
static double finders_in_full(const paper *p, int64_t seed)
{
    double sum = 0;
    int n = 0;
    for (int64_t a = 0; a < p->n_arms; a++) {
        const double share = ns_paper_value(p, a, seed, PAPER_FULL_SHARE);
        int64_t full = 0;
        for (const char *layer = p->arms[a].pattern; *layer; layer++)
            full += *layer == 'F';
        if (p->arms[a].kind != PAPER_RECURRENT || isnan(share))
            continue;
        sum += share - (double)full / (double)strlen(p->arms[a].pattern);
        n++;
    }
    return n ? sum / n : (double)NAN;
}

static double full_layers_gain(const paper *p, int64_t seed)
{
    return mean_difference(p, seed, PAPER_GAIN_FULL, PAPER_GAIN_EFFICIENT, PAPER_GAIN_SHUFFLED);
}

static double shuffled_labels_gain(const paper *p, int64_t seed)
{
    return mean_over(p, seed, PAPER_GAIN_SHUFFLED, PAPER_GAIN_EFFICIENT);
}

static double cut_costs(const paper *p, int64_t seed)
{
    return mean_difference(p, seed, PAPER_INTACT, PAPER_CUT, PAPER_CUT_OTHERS);
}

static double other_cut_costs(const paper *p, int64_t seed)
{
    return mean_difference(p, seed, PAPER_INTACT, PAPER_CUT_OTHERS, PAPER_CUT);
}

static double finders_write(const paper *p, int64_t seed)
{
    return mean_over(p, seed, PAPER_WRITES, PAPER_WRITES_OTHERS);
}

static double others_write(const paper *p, int64_t seed)
{
    return mean_over(p, seed, PAPER_WRITES_OTHERS, PAPER_WRITES);
}

static double small_window_answers(const paper *p, int64_t seed)
{
    const int64_t small = ns_paper_arm(p, PAPER_WINDOW, false), full = ns_paper_arm(p, PAPER_FULL, false);
    return margin_accuracy + ns_paper_value(p, small, seed, PAPER_ACCURACY) - ns_paper_value(p, full, seed, PAPER_ACCURACY);
}

/* The run of the same pattern and window whose full layers rotate. */
static double beside_twin(const paper *p, int64_t seed, paper_measure m)
{
    const int64_t nope = ns_paper_arm(p, PAPER_NOPE, false);
    for (int64_t a = 0; a < p->n_arms && nope >= 0; a++)
        if (a != nope && p->arms[a].window == p->arms[nope].window && strcmp(p->arms[a].pattern, p->arms[nope].pattern) == 0)
            return ns_paper_value(p, nope, seed, m) - ns_paper_value(p, a, seed, m);
    return (double)NAN;
}

static double nope_retrieves(const paper *p, int64_t seed)
{
    return beside_twin(p, seed, PAPER_LONGEST);
}

static double nope_short(const paper *p, int64_t seed)
{
    return margin_loss - fabs(beside_twin(p, seed, PAPER_SHORT_LATE));
}

static double influence(const paper *p, int64_t seed)
{
    return ns_paper_value(p, ns_paper_arm(p, PAPER_FULL, false), seed, PAPER_INFLUENCE);
}

static double influence_shuffled(const paper *p, int64_t seed)
{
    return ns_paper_value(p, ns_paper_arm(p, PAPER_FULL, false), seed, PAPER_INFLUENCE_SHUFFLED);
}

/* ---- the table ---- */

static const char two_windows[] = "runs with two windows are needed";
static const char two_windows_losses[] = "runs with two windows and their losses over training (metrics.h5) are needed";
/* Runs of a seed have the same texts in the same order: what differs between them. */
static const char by_mixer[] = "runs of one seed: the same texts in the same order, steps, layers, heads and width; mixers differ, and "
                               "with recurrences the number of parameters";

const paper_claim ns_paper_claims[] = {
    {"short-loss", "the short-context losses of all seven architectures almost coincide", "losses over budgets",
     "0.05 nats minus the spread of the loss on filler over the architectures, last 5 checkpoints", by_mixer, short_coincide, NULL,
     "runs of two architectures with metrics.h5 are needed",
     "Filler follows from the one token before it, which every architecture sees: that it can be learnt by all was built in.",
     {PAPER_SHORT_EARLY, PAPER_SHORT_LATE}, 2},
    {"early-worst", "on long context there are large early gaps, and the largest window is the worst of all seven", "LongPPL over budgets",
     "far loss in the first half of training: the largest window's minus the worst of the others'", by_mixer,
     early_worst, NULL, two_windows_losses,
     "It is asked of all architectures at once, so one other that is as slow refutes it.", {PAPER_LONG_EARLY, PAPER_LONG_LATE}, 2},
    {"early-window", "a larger window makes long context worse early in training", "LongPPL over budgets",
     "far loss in the first half of training: the largest window's minus the smallest's; control: the same of filler",
     "two runs of one seed that differ in the window alone; the control is the same two runs on filler", early_window, early_window_short,
     two_windows_losses, NULL, {PAPER_LONG_EARLY, PAPER_SHORT_EARLY}, 2},
    {"converge", "with more budget the long-context losses of all architectures converge", "LongPPL over budgets",
     "half of the early spread of the far loss over the architectures, minus the late one",
     "the spread of the same runs early and late; there is no control",
     converge, NULL, two_windows_losses,
     "One budget, followed over training: the paper compares budgets, each with a schedule of its own.",
     {PAPER_LONG_EARLY, PAPER_LONG_LATE}, 2},
    {"delay", "retrieval heads of a hybrid with a large window form later (Large-Window Laziness)", "retrieval heads over training",
     "birth of retrieval with the largest window minus that with the smallest, in steps; neither born: 0",
     "two runs of one seed that differ in the window alone; there is no control, the birth of the previous-token head stands beside",
     delay, NULL, two_windows,
     "That the order is this has been seen on other seeds of this recipe (docs/laboratory.md), where its cause was the previous-token "
     "head, and not a full layer that has nothing to do.", {PAPER_BIRTH, PAPER_PREVIOUS, PAPER_ACCURACY}, 3},
    {"trace-entropy", "the largest window's retrieval heads converge slowest: their entropy stays higher",
     "retrieval heads over training, fig. 5b",
     "entropy of the 4 best heads at the end, mean over training: largest minus smallest window; control: of the other heads of full "
     "layers",
     "two runs of one seed that differ in the window alone; the control's heads are of the same layers and checkpoints, and more",
     entropy_stays, entropy_of_others, two_windows,
     "Heads chosen at the end are survivors: the table has the best of each step beside them. The control was that of all other heads "
     "until one seed (200) had been read: a head with a larger window has more entropy by its making, so that control could not be "
     "exceeded fairly.",
     {PAPER_ENTROPY, PAPER_ENTROPY_STEP, PAPER_ENTROPY_OTHERS}, 3},
    {"trace-distance", "... and their Q and K approach those of the end more slowly", "retrieval heads over training, fig. 5b",
     "distance of Q and K to the last checkpoint, mean over training: largest minus smallest window; control: of all other heads",
     "two runs of one seed that differ in the window alone; the control's heads are of the same checkpoints, in all layers, and more",
     distance_stays, distance_of_others, two_windows,
     "The rate stays constant to the end here, so no run settles: the distance is to where it happened to stop.",
     {PAPER_DISTANCE, PAPER_DISTANCE_STEP, PAPER_DISTANCE_OTHERS}, 3},
    {"full-carries", "full layers that see no more than an eighth of the context lose the long context", "receptive-field constraint",
     "far loss with full layers constrained minus without, mean over the hybrids whose efficient layers see more; control: efficient "
     "layers constrained the same way",
     "the same weights and texts with and without the constraint; the control leaves as many keys to the efficient layers",
     full_carries, efficient_carries, "hybrids with recurrences, or windows beyond 8, are needed", NULL,
     {PAPER_FAR, PAPER_FAR_FULL, PAPER_FAR_EFFICIENT}, 3},
    {"efficient-spared", "... while efficient layers that see no more change little", "receptive-field constraint",
     "a tenth of what constraining full layers costs, minus what constraining efficient ones does",
     "the same weights and texts, constrained in the full layers or in the others",
     efficient_spared, NULL,
     "hybrids with recurrences, or windows beyond 8, are needed",
     "Of a recurrence the unrolled weights of far keys are dropped; what came through its convolution stays.",
     {PAPER_FAR, PAPER_FAR_FULL, PAPER_FAR_EFFICIENT}, 3},
    {"probing", "what tells the answer is gained in the full-attention layers, and efficient layers add little", "layer-wise probing",
     "gain of a linear reader's accuracy per full layer minus per efficient one, mean over the hybrids; control: labels shuffled",
     "layers of the same checkpoint on the same prompts; where they stand in turn, a full one is always the later of a pair; the "
     "control's labels are exchanged within distances",
     full_layers_gain, shuffled_labels_gain, "hybrids are needed",
     "Every needle lies beyond every window, so a layer with one could not have gained from it; a recurrence could.",
     {PAPER_GAIN_FULL, PAPER_GAIN_EFFICIENT, PAPER_GAIN_SHUFFLED}, 3},
    {"finders-in-full", "retrieval heads lie in the full-attention layers", "retrieval heads",
     "share of the 4 best heads by retrieval_find in full layers minus the share of such layers, mean over the recurrent hybrids",
     "what heads that fell anywhere would give; the same checkpoint",
     finders_in_full, NULL, "hybrids with recurrences are needed",
     "Needles lie beyond every window, so no head with one could have found them: such hybrids do not count. The paper's own code gives "
     "recurrent layers a row of zeros.", {PAPER_FULL_SHARE, PAPER_ACCURACY, PAPER_RECALL}, 3},
    {"ablation", "the answer goes through those heads", "retrieval heads (an assumption of the paper, not an experiment of it)",
     "needle accuracy lost without the finders' edges to the needle, mean over the architectures; control: without other edges of "
     "theirs, "
     "the worst draw", "the same weights, heads and prompts; as many other edges, which weigh less",
     cut_costs, other_cut_costs, "runs in which a head finds are needed",
     "The other edges weigh less: heads that find look at little but the needle.", {PAPER_INTACT, PAPER_CUT, PAPER_CUT_OTHERS}, 3},
    {"writing", "heads that find the answer are those that write it", "retrieval heads (asked here, not in the paper)",
     "retrieval_logit of the finders, mean over the architectures; control: of the other heads of full layers",
     "heads of the same checkpoint on the same prompts; the others are more, and not matched in norm or layer",
     finders_write, others_write,
     "runs in which a head finds are needed", NULL, {PAPER_WRITES, PAPER_WRITES_OTHERS}, 2},
    {"small-window", "a hybrid with the smallest window retrieves as full attention does", "RULER, 46.13 beside 47.17",
     "0.05 plus its needle accuracy minus that of full attention, at the trained length",
     "two runs of one seed that differ in the layers between full ones; a difference of 0.05 is allowed for",
     small_window_answers, NULL,
     "runs of full attention and of a window are needed", "Both can reach 1.00, where no difference could show.",
     {PAPER_ACCURACY, PAPER_LONGER, PAPER_LONGEST}, 3},
    {"nope-long", "full layers that do not rotate retrieve better on long prompts", "NoPE in full layers, RULER 52.88 beside 46.13",
     "needle accuracy at four times the trained length, minus that of the twin that rotates",
     "two runs of one seed that differ in the rotation of full layers alone; there is no control",
     nope_retrieves, NULL,
     "runs without rotation in the full layers, and their twins, are needed",
     "The paper's gain is within the trained length, ours beyond it: at the trained length both answer everything.",
     {PAPER_ACCURACY, PAPER_LONGER, PAPER_LONGEST}, 3},
    {"nope-short", "... at no cost on short context", "NoPE in full layers, ShortAvg 41.32 beside 41.31",
     "0.05 nats minus the difference of the loss on filler to the twin that rotates",
     "two runs of one seed that differ in the rotation of full layers alone; a difference of 0.05 nats is allowed for",
     nope_short, NULL,
     "runs without rotation in the full layers, and their twins, are needed", NULL, {PAPER_SHORT_EARLY, PAPER_SHORT_LATE}, 2},
    {0},
};

/* What stands on the page and has no verdict to come. */
const paper_claim ns_paper_untested[] = {
    {.id = "influence", .says = "in natural text a token's influence decays with distance, to nothing beyond a large window",
     .source = "gradient influence, Llama-3.1-8B",
     .rule = "ln of the gradient norm at distances 4 to 15 over that at 32 and more, full attention; control: of shuffled texts",
     .compared = "the same model on texts and on the same tokens shuffled",
     .effect = influence, .control = influence_shuffled,
     .needs = "the distances of our language are ours, drawn as 1/d: what decays was built in. The number says what a model made of it",
     .shown = {PAPER_INFLUENCE, PAPER_INFLUENCE_SHUFFLED}, .n_shown = 2},
    {.id = "scaling", .says = "loss and LongPPL follow b/N^alpha + c/D^beta, and architectures differ in the constants",
     .source = "scaling laws, S1 to S5",
     .needs = "all runs are of one size, and a law of N takes several; `needlescope scaling` fits the paper's own table "
              "(docs/scaling.md)"},
    {.id = "benchmarks", .says = "ShortAvg, LongBench and RULER of models of 665M parameters at 16K and 32K",
     .source = "the tables of S5",
     .needs = "a language of 56 tokens holds none of those tasks; `cases ruler` and `generate` run RULER's on a model of natural text"},
    {0},
};

paper_verdict ns_paper_judge_claim(const paper *p, const paper_claim *c, double *effect, double *control)
{
    for (int64_t s = 0; s < p->n_seeds; s++) {
        effect[s] = c->effect ? c->effect(p, p->seeds[s]) : (double)NAN;
        control[s] = c->control ? c->control(p, p->seeds[s]) : (double)NAN;
    }
    return ns_paper_judge(effect, c->control ? control : NULL, p->n_seeds, p->lab.claims.alpha);
}
