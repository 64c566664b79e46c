/* layout.c - what needlescope.py mirrors, as the compiler has it. One line each:
 *     struct NAME SIZE            a struct that is mirrored whole
 *     field NAME.FIELD OFFSET SIZE KIND      i: whole number, f: floating point, o: pointer, array or struct
 *     value NAME NUMBER           an enumerator */
#include <stdio.h>

#include <needlescope/ablate.h>
#include <needlescope/attribute.h>
#include <needlescope/backward.h>
#include <needlescope/compare.h>
#include <needlescope/edit.h>
#include <needlescope/generated.h>
#include <needlescope/gradient.h>
#include <needlescope/machine.h>
#include <needlescope/nll.h>
#include <needlescope/notebook.h>
#include <needlescope/open.h>
#include <needlescope/laboratory.h>
#include <needlescope/linear.h>
#include <needlescope/paper.h>
#include <needlescope/patch.h>
#include <needlescope/plot.h>
#include <needlescope/probe.h>
#include <needlescope/profile.h>
#include <needlescope/run.h>
#include <needlescope/scaling.h>
#include <needlescope/scan.h>

#define KIND(x) _Generic((x), float: 'f', double: 'f', bool: 'i', int: 'i', unsigned: 'i', int64_t: 'i', uint64_t: 'i', default: 'o')
#define F(name) \
    printf("field %s.%s %zu %zu %c\n", label, #name, offsetof(mirrored, name), sizeof ((mirrored *)0)->name, \
           KIND(((mirrored *)0)->name));
#define HEAD(T, fields) { typedef T mirrored; static const char label[] = #T; fields }           /* its first fields alone */
#define WHOLE(T, fields) printf("struct %s %zu\n", #T, sizeof(T)); HEAD(T, fields)
#define VALUE(name) printf("value %s %d\n", #name, (int)(name));

static void structs(void)
{
    WHOLE(ns_error, F(message))
    WHOLE(ns_view, F(data) F(dtype) F(rank) F(shape) F(stride))
    WHOLE(ns_span, F(name) F(begin) F(end))
    WHOLE(ns_case,
          F(id) F(tokens) F(n_tokens) F(answer) F(n_answer) F(n_lead) F(spans) F(n_spans) F(text) F(answer_text) F(twin_of) F(meta))
    WHOLE(ns_cases, F(list) F(n) F(capacity) F(files) F(n_files))
    WHOLE(ns_encoding, F(ids) F(begin) F(end) F(n))
    WHOLE(ns_open_params, F(size) F(path) F(revision) F(arch) F(names) F(olmo3_rope) F(heads_of) F(constrain) F(n_constrain) F(tokenizer)
                              F(want) F(no_hash) F(memory) F(threads) F(cpu) F(engine) F(warn) F(user) F(cancelled))
    WHOLE(ns_provenance, F(size) F(caller) F(job))
    WHOLE(ns_fact, F(name) F(value) F(is_volatile))
    WHOLE(ns_fact_list, F(list) F(n) F(capacity) F(inputs) F(n_inputs) F(inputs_capacity) F(named) F(n_named)
        F(named_capacity))
    WHOLE(ns_opened, F(name) F(checkpoint) F(arch) F(tokenizer) F(engine) F(model))
    WHOLE(ns_machine_params, F(size) F(slurm_cpus_per_task) F(slurm_mem_per_node) F(slurm_mem_per_cpu) F(root) F(affinity))
    WHOLE(ns_machine, F(cpus) F(memory) F(cpus_from) F(memory_from) F(ignored))
    WHOLE(ns_session_params, F(size) F(final_length) F(decode))
    WHOLE(ns_seed, F(size) F(at) F(row0) F(n_rows) F(width) F(values))
    WHOLE(ns_backward_params, F(size) F(cancelled) F(user) F(walker) F(stream))
    WHOLE(ns_forward_params, F(size) F(no_logits) F(cancelled) F(progress) F(user))
    WHOLE(ns_generate_params, F(size) F(stop) F(n_stop) F(gold) F(n_gold) F(hooks) F(accepted) F(user))
    HEAD(ns_arch, F(family) F(n_layers) F(d_model) F(vocab) F(max_positions))
    HEAD(ns_attn, F(n_heads) F(n_kv_heads) F(head_dim))
    WHOLE(ns_rows, F(kind) F(n) F(positions) F(span))
    WHOLE(ns_site, F(size) F(point) F(layer) F(session) F(case_index) F(c) F(row0) F(n_rows) F(key0) F(n_keys) F(n_heads) F(n_kv_heads)
        F(kind) F(attn) F(band))
    WHOLE(ns_hook, F(size) F(at) F(rows) F(read) F(edit) F(user))
    WHOLE(ns_edit, F(size) F(mode) F(scope) F(heads) F(n_heads) F(mean) F(span) F(seed) F(hid))
    WHOLE(ns_score, F(name) F(of) F(over) F(summary) F(paper) F(chance_of) F(chance_over) F(group_max) F(best) F(lo) F(hi) F(chance)
                        F(minor) F(distractor_of))
    WHOLE(ns_score_meaning, F(best) F(lo) F(hi) F(chance) F(assumed))
    WHOLE(ns_best_cut, F(n) F(left) F(sharing))
    HEAD(ns_probe, F(name) F(summary) F(paper) F(at) F(rows) F(also) F(n_also) F(accepts) F(state_size) F(outputs)
        F(n_outputs) F(scores) F(n_scores))
    WHOLE(ns_score_params, F(size) F(probes) F(n_probes) F(reference) F(definitions) F(n_definitions) F(stop) F(n_stop) F(special)
        F(n_special) F(hooks) F(n_hooks) F(no_sharing) F(one_at_a_time) F(progress) F(cancelled) F(note) F(rows) F(user))
    WHOLE(ns_linear_params, F(size) F(at) F(rows) F(classes) F(c) F(folds) F(shuffles) F(seed) F(weights))
    WHOLE(ns_ranking_params, F(size) F(resamples) F(seed))
    WHOLE(ns_array, F(name) F(axes) F(summary) F(view) F(text) F(meaning))
}

/* Of training runs, files and figures. */
static void more_structs(void)
{
    WHOLE(ns_engine_params, F(size) F(threads) F(cpu))
    WHOLE(ns_range, F(least) F(most) F(nan))
    WHOLE(ns_expected, F(size) F(name) F(type) F(rank) F(shape) F(range) F(axes))
    WHOLE(ns_recorder_params, F(size) F(at) F(n_at) F(rows) F(maps) F(dtype) F(top_k) F(pool_block) F(max_bytes) F(generated))
    WHOLE(ns_patch_params, F(size) F(heads) F(n_heads) F(scores_sha256) F(scores_arch_sha256) F(site) F(no_map) F(all_rows) F(noising)
        F(draws) F(resamples) F(seed) F(keep) F(progress) F(cancelled) F(user) F(paths) F(n_paths))
    WHOLE(ns_path, F(from) F(to) F(into) F(logits))
    WHOLE(ns_nll_params, F(size) F(context) F(stride) F(short_context) F(keys) F(make_keys) F(tokenizer) F(progress) F(cancelled) F(user))
    WHOLE(ns_gradient_params, F(size) F(target) F(last) F(length) F(window) F(no_baseline) F(resamples) F(seed) F(progress) F(cancelled)
        F(user))
    WHOLE(ns_attribute_params, F(size) F(site) F(all_rows) F(noising) F(recompute) F(edges) F(against) F(resamples) F(seed) F(progress)
        F(cancelled) F(user) F(steps) F(gates))
    WHOLE(ns_ablate_params, F(size) F(heads) F(n_heads) F(scores_sha256) F(scores_arch_sha256) F(modes) F(scope) F(draws) F(seed)
        F(loss_cases) F(progress) F(cancelled) F(user))
    WHOLE(ns_generated_params, F(size) F(tokenizer) F(tokens) F(progress) F(cancelled) F(user))
    WHOLE(ns_compare_params, F(size) F(scores) F(n_scores) F(k) F(persistence) F(permutations) F(seed) F(all_steps))
    WHOLE(ns_profile_params, F(size) F(run) F(k))
    WHOLE(ns_scaling_params, F(size) F(longppl) F(hold_largest) F(resamples) F(seed))
    WHOLE(ns_series_item, F(path) F(revision) F(label) F(stage) F(stage_step) F(step) F(branch) F(tokens) F(final) F(inside) F(other)
          F(other_step))
    WHOLE(ns_series_left, F(name) F(why) F(no_checkpoint))
    WHOLE(ns_series, F(list) F(n) F(capacity) F(left_out) F(n_left_out) F(left_capacity))
    WHOLE(ns_scan_run, F(folder) F(name) F(coords) F(unread) F(tokens_per_step) F(stamp) F(series))
    WHOLE(ns_scan_params, F(size) F(out) F(cases) F(score) F(open) F(shard) F(n_shards) F(steps) F(force) F(retry_failed)
        F(by) F(told) F(user))
    WHOLE(ns_scan_counts, F(scored) F(present) F(failed) F(replaced) F(own) F(found) F(left_out) F(empty_runs) F(unsealed) F(unread))
    WHOLE(ns_merge_params, F(size) F(mixed_kernels) F(gone_too) F(by))
    WHOLE(ns_study_shape, F(R) F(P) F(C) F(L) F(H))
    WHOLE(ns_birth_params, F(size) F(theta) F(persist))
    WHOLE(ns_emergence_params, F(size) F(score) F(previous) F(birth) F(sweep) F(horizon) F(leave_short) F(top) F(resamples) F(seed) F(axis)
          F(apart))
    WHOLE(ns_event, F(after) F(at) F(step) F(head) F(gap))
    WHOLE(ns_midpoint, F(tokens) F(width) F(low) F(high) F(rmse) F(flaw))
    WHOLE(ns_max_null, F(observed) F(bound) F(p))
    WHOLE(ns_run_emergence, F(P) F(measured) F(any_kind) F(best_score) F(previous_score) F(best_head) F(previous_head) F(best) F(second)
        F(previous) F(sweep) F(midpoint) F(chance) F(theta) F(previous_chance) F(previous_theta) F(null) F(entropy) F(distance)
        F(flags) F(twin))
    WHOLE(ns_head_life, F(run) F(layer) F(head) F(life) F(born) F(died_after) F(died) F(died_step))
    WHOLE(ns_birth_interval, F(median) F(low) F(high) F(R) F(born))
    WHOLE(ns_seed_group, F(arm) F(pattern) F(window) F(nope) F(runs) F(n) F(interval) F(median_previous))
    WHOLE(ns_emergence, F(shape) F(study) F(score) F(previous) F(birth) F(sweep) F(in_tokens) F(axis) F(chance) F(previous_chance)
        F(null_control) F(horizon) F(shortest) F(runs) F(lives) F(n_lives) F(groups) F(n_groups)
        F(n_apart))
    WHOLE(ns_birth_grid, F(S) F(W) F(time) F(limit))
    WHOLE(ns_grid_trend, F(page) F(logrank) F(least) F(n_seeds))
    WHOLE(ns_order, F(earlier) F(later) F(same) F(n) F(p))
    WHOLE(ns_laziness, F(births) F(group) F(seed) F(W) F(S) F(best) F(previous) F(control)
          F(trend) F(previous_trend) F(order) F(previous_order))
    WHOLE(ns_run_progress, F(name) F(first) F(step) F(steps) F(tokens_per_step) F(loss))
    WHOLE(ns_run_params, F(size) F(config) F(folder) F(resume) F(own_seed) F(seed) F(steps) F(threads)
          F(by) F(progress) F(cancelled) F(user))
    WHOLE(ns_run_result, F(size) F(name) F(newest) F(config_sha256) F(first) F(steps) F(tokens) F(loss)
          F(layout) F(own_layout_because))
    WHOLE(ns_laboratory_params, F(size) F(folder) F(protocol) F(scale) F(seeds) F(windows) F(n_windows) F(program) F(cores) F(by) F(say)
        F(progress) F(cancelled) F(user) F(study))
    WHOLE(ns_laboratory_report, F(size) F(text) F(json) F(runs) F(measured) F(failures))
    WHOLE(ns_paper_params, F(size) F(folder) F(runs) F(n_runs) F(scale) F(seeds) F(dry_run) F(program) F(cores) F(by) F(say) F(progress)
          F(cancelled) F(user))
    WHOLE(ns_paper_report, F(size) F(text) F(json) F(runs) F(failures))
    WHOLE(ns_export_score, F(name) F(of) F(over))
    WHOLE(ns_export_params, F(size) F(scores) F(n_scores) F(run) F(top) F(standalone) F(births) F(by) F(page))
    WHOLE(ns_study_notebook_params, F(size) F(what) F(birth) F(no_births) F(view) F(beside) F(n_beside) F(tokenizer) F(limit) F(page))
    WHOLE(ns_figure_params, F(size) F(title) F(colormap) F(vmin) F(vmax) F(width) F(dpi) F(comment) F(facts) F(n_facts) F(bytes)
        F(n_bytes) F(crowded) F(crowded_size) F(font_size) F(font) F(labels) F(n_labels)
        F(height) F(theme) F(dark) F(transparent) F(values) F(legend) F(x_axis) F(order) F(n_order) F(layers))
    WHOLE(ns_plotted, F(size) F(shows) F(note))
    WHOLE(ns_study_plot, F(size) F(file) F(figure) F(births) F(run))
    WHOLE(ns_map_plot, F(size) F(file) F(case_id) F(layer) F(head) F(log_scale) F(no_spans) F(rows) F(keys) F(tokens) F(tokenizer))
    WHOLE(ns_scaling_plot, F(size) F(files) F(n_files) F(longppl) F(hold_largest))
    WHOLE(ns_tokens_plot, F(size) F(file) F(case_id) F(layer) F(head) F(row) F(keys) F(tokenizer))
    WHOLE(ns_growth_plot, F(size) F(file) F(run) F(score) F(steps) F(n_steps) F(top))
    WHOLE(ns_compare_plot, F(size) F(files) F(n_files) F(score) F(run) F(steps) F(n_steps) F(top))
    WHOLE(ns_heads_plot, F(size) F(files) F(n_files) F(scores) F(n_scores) F(marks) F(n_marks) F(top) F(split))
    WHOLE(ns_rank_plot, F(size) F(file) F(scores) F(n_scores) F(top))
    WHOLE(ns_grid_plot, F(size) F(file) F(of) F(head) F(by))
    WHOLE(ns_probe_plot, F(size) F(file) F(distances) F(n_distances) F(run))
    WHOLE(ns_agreement_plot, F(size) F(file) F(scores) F(n_scores) F(spearman))
}

static void values(void)
{
    VALUE(NS_E_ARG)
    VALUE(NS_E_FORMAT) VALUE(NS_E_MISSING) VALUE(NS_E_CREATE) VALUE(NS_E_IO) VALUE(NS_E_MEMORY) VALUE(NS_E_UNSUPPORTED) VALUE(NS_E_NUMERIC)
        VALUE(NS_E_INTERNAL) VALUE(NS_STOP) VALUE(NS_N_POINTS) VALUE(NS_MAX_RANK) VALUE(NS_ROW_UNROLLED) VALUE(NS_ROWS_ALL)
            VALUE(NS_ROWS_LIST) VALUE(NS_ROWS_SPAN) VALUE(NS_ROWS_ANSWER) VALUE(NS_EDIT_NOOP) VALUE(NS_EDIT_ZERO_Z) VALUE(NS_EDIT_MEAN_Z)
                VALUE(NS_EDIT_UNIFORM_ATTN) VALUE(NS_EDIT_KNOCKOUT) VALUE(NS_EDIT_KNOCKOUT_OTHERS) VALUE(NS_EDIT_N_MODES)
                    VALUE(NS_SCOPE_ALL) VALUE(NS_SCOPE_PREFILL) VALUE(NS_SCOPE_DECODE) VALUE(NS_SWEEP) VALUE(NS_OPEN_ARCH)
                        VALUE(NS_OPEN_TOKENIZER) VALUE(NS_PATCH_Z) VALUE(NS_PATCH_Q) VALUE(NS_PATCH_K) VALUE(NS_PATCH_V)
                            VALUE(NS_PATCH_SITES) VALUE(NS_MAPS_STATS_TOPK) VALUE(NS_MAPS_DENSE) VALUE(NS_MAPS_ROWS) VALUE(NS_MAPS_TOPK)
                                VALUE(NS_MAPS_POOLED) VALUE(NS_MAPS_STATS) VALUE(NS_GRID_FIRST) VALUE(NS_GRID_ANSWERED) VALUE(NS_GRID_FIND)
                                    VALUE(NS_F32) VALUE(NS_F64) VALUE(NS_F16) VALUE(NS_BF16) VALUE(NS_I8) VALUE(NS_U8) VALUE(NS_I16)
                                        VALUE(NS_U16) VALUE(NS_I32) VALUE(NS_U32) VALUE(NS_I64) VALUE(NS_U64) VALUE(NS_BOOL)
                                            VALUE(NS_N_DTYPES)
    VALUE(NS_TARGET_LOGIT_SUM) VALUE(NS_TARGET_LOGIT_MAX) VALUE(NS_WEIGHT_N_ROLES)
    VALUE(NS_WEIGHT_EMBED) VALUE(NS_WEIGHT_POSITIONS) VALUE(NS_WEIGHT_UNEMBED) VALUE(NS_WEIGHT_UNEMBED_BIAS) VALUE(NS_WEIGHT_Q)
    VALUE(NS_WEIGHT_K) VALUE(NS_WEIGHT_V) VALUE(NS_WEIGHT_O) VALUE(NS_WEIGHT_Q_BIAS) VALUE(NS_WEIGHT_K_BIAS) VALUE(NS_WEIGHT_V_BIAS)
    VALUE(NS_WEIGHT_O_BIAS) VALUE(NS_WEIGHT_GATE) VALUE(NS_WEIGHT_UP) VALUE(NS_WEIGHT_DOWN) VALUE(NS_WEIGHT_GATE_BIAS)
    VALUE(NS_WEIGHT_UP_BIAS) VALUE(NS_WEIGHT_DOWN_BIAS)
}

int main(void)
{
    structs();
    more_structs();
    values();
    return 0;
}
