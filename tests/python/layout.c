/* layout.c - what needlescope.py mirrors, as the compiler has it. One line each:
 *     struct NAME SIZE            a struct that is mirrored whole
 *     field NAME.FIELD OFFSET SIZE KIND      i: whole number, f: floating point, o: pointer, array or struct
 *     value NAME NUMBER           an enumerator */
#include <stdio.h>

#include <needlescope/ablate.h>
#include <needlescope/edit.h>
#include <needlescope/machine.h>
#include <needlescope/open.h>
#include <needlescope/probe.h>

#define KIND(x) _Generic((x), float: 'f', double: 'f', bool: 'i', int: 'i', unsigned: 'i', int64_t: 'i', uint64_t: 'i', default: 'o')
#define F(name) printf("field %s.%s %zu %zu %c\n", label, #name, offsetof(mirrored, name), sizeof ((mirrored *)0)->name, KIND(((mirrored *)0)->name));
#define HEAD(T, fields) { typedef T mirrored; static const char label[] = #T; fields }           /* its first fields alone */
#define WHOLE(T, fields) printf("struct %s %zu\n", #T, sizeof(T)); HEAD(T, fields)
#define VALUE(name) printf("value %s %d\n", #name, (int)(name));

static void structs(void)
{
    WHOLE(ns_error, F(message))
    WHOLE(ns_view, F(data) F(dtype) F(rank) F(shape) F(stride))
    WHOLE(ns_span, F(name) F(begin) F(end))
    WHOLE(ns_case, F(id) F(tokens) F(n_tokens) F(answer) F(n_answer) F(n_lead) F(spans) F(n_spans) F(text) F(answer_text) F(twin_of) F(meta))
    WHOLE(ns_cases, F(list) F(n) F(capacity))
    WHOLE(ns_encoding, F(ids) F(begin) F(end) F(n))
    WHOLE(ns_open_params, F(size) F(path) F(revision) F(arch) F(names) F(olmo3_rope) F(tokenizer) F(want) F(no_hash) F(memory) F(threads) F(cpu)
        F(engine) F(warn) F(user))
    WHOLE(ns_provenance, F(size) F(caller) F(job))
    WHOLE(ns_opened, F(name) F(checkpoint) F(arch) F(tokenizer) F(engine) F(model))
    WHOLE(ns_machine_params, F(size) F(slurm_cpus_per_task) F(slurm_mem_per_node) F(slurm_mem_per_cpu) F(root) F(affinity))
    WHOLE(ns_machine, F(cpus) F(memory) F(cpus_from) F(memory_from) F(ignored))
    WHOLE(ns_session_params, F(size) F(final_length) F(decode))
    WHOLE(ns_forward_params, F(size) F(no_logits) F(cancelled) F(progress) F(user))
    WHOLE(ns_generate_params, F(size) F(stop) F(n_stop) F(gold) F(n_gold) F(hooks) F(accepted) F(user))
    HEAD(ns_arch, F(family) F(n_layers) F(d_model) F(vocab) F(max_positions))
    HEAD(ns_attn, F(n_heads) F(n_kv_heads) F(head_dim))
    WHOLE(ns_rows, F(kind) F(n) F(positions) F(span))
    WHOLE(ns_site, F(size) F(point) F(layer) F(session) F(case_index) F(c) F(row0) F(n_rows) F(key0) F(n_keys) F(n_heads) F(n_kv_heads)
        F(kind) F(attn))
    WHOLE(ns_hook, F(size) F(at) F(rows) F(read) F(edit) F(user))
    WHOLE(ns_edit, F(size) F(mode) F(scope) F(heads) F(n_heads) F(mean) F(span) F(seed) F(hid))
    WHOLE(ns_score, F(name) F(of) F(over) F(summary) F(paper) F(chance_of) F(chance_over) F(group_max) F(best) F(lo) F(hi) F(chance) F(minor) F(distractor_of))
    WHOLE(ns_score_meaning, F(best) F(lo) F(hi) F(chance) F(assumed))
    WHOLE(ns_best_cut, F(n) F(left) F(sharing))
    HEAD(ns_probe, F(name) F(summary) F(paper) F(at) F(rows) F(accepts) F(state_size) F(outputs) F(n_outputs) F(scores) F(n_scores))
    WHOLE(ns_dropped, F(reason) F(n) F(first_id))
    WHOLE(ns_score_params, F(size) F(probes) F(n_probes) F(reference) F(definitions) F(n_definitions) F(stop) F(n_stop) F(special)
        F(n_special) F(hooks) F(n_hooks) F(no_sharing) F(one_at_a_time) F(progress) F(cancelled) F(user))
    WHOLE(ns_ranking_params, F(size) F(resamples) F(seed))
    WHOLE(ns_array, F(name) F(axes) F(summary) F(view) F(text) F(meaning))
}

static void values(void)
{
    VALUE(NS_E_ARG) VALUE(NS_E_FORMAT) VALUE(NS_E_MISSING) VALUE(NS_E_CREATE) VALUE(NS_E_IO) VALUE(NS_E_MEMORY) VALUE(NS_E_UNSUPPORTED)
    VALUE(NS_E_NUMERIC) VALUE(NS_E_INTERNAL) VALUE(NS_STOP) VALUE(NS_N_POINTS) VALUE(NS_MAX_RANK) VALUE(NS_ROW_UNROLLED)
    VALUE(NS_ROWS_ALL) VALUE(NS_ROWS_LIST) VALUE(NS_ROWS_SPAN) VALUE(NS_ROWS_ANSWER)
    VALUE(NS_EDIT_NOOP) VALUE(NS_EDIT_ZERO_Z) VALUE(NS_EDIT_MEAN_Z) VALUE(NS_EDIT_UNIFORM_ATTN) VALUE(NS_EDIT_KNOCKOUT) VALUE(NS_EDIT_KNOCKOUT_OTHERS)
    VALUE(NS_EDIT_N_MODES) VALUE(NS_SCOPE_ALL) VALUE(NS_SCOPE_PREFILL) VALUE(NS_SCOPE_DECODE)
    VALUE(NS_F32) VALUE(NS_F64) VALUE(NS_F16) VALUE(NS_BF16) VALUE(NS_I8) VALUE(NS_U8) VALUE(NS_I16) VALUE(NS_U16) VALUE(NS_I32) VALUE(NS_U32)
    VALUE(NS_I64) VALUE(NS_U64) VALUE(NS_BOOL) VALUE(NS_N_DTYPES)
}

int main(void)
{
    structs();
    values();
    return 0;
}
