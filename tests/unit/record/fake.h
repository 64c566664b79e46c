/* fake.h - a pass without a model: hooks are served with patterns and activations that a formula gives, in the order and in the bands
 * of the real one. referee_files.py has the same formulas. */
#ifndef FAKE_H
#define FAKE_H

#include <needlescope/record.h>

/* gemma3_text, 4 layers (window 37, 37, full, 37), 4 heads, 2 KV heads, d_head 8, D 24, F 40, V 50. */
ns_arch *fake_arch(void);
/* As many layers and heads as wanted, all full attention. */
ns_arch *fake_arch_of(int layers, int heads);
/* qwen3_next, layers 0 to 2 recurrent, 3 full attention. */
ns_arch *fake_hybrid(void);
/* Cases of these prompt lengths, two answer tokens each, the needle at [length / 4, length / 4 + 3). Token i is (7 i + case) mod 13. */
void fake_cases(ns_cases *, const int64_t *lengths, int64_t n);
/* Weight of (case, layer, head, query, key) before the row is divided by its sum; 0 where masked. */
int fake_weight(const ns_attn *, int64_t c, int64_t layer, int64_t head, int64_t q, int64_t k);
/* The point enters by the length of its name. */
float fake_value(int point, int64_t c, int64_t layer, int64_t row, int64_t i);
/* band: rows per delivery. Stops at the first callback that fails. */
int fake_pass(const ns_arch *, const ns_cases *, const ns_hooks *, int64_t band, ns_error *);

#endif
