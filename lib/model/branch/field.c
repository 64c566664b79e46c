/* field.c - rows of fields, and the words that they are written in. */
#include "model/branch/field.h"

#include <stdlib.h>
#include <string.h>

const ns_word ns_words_norm[] = {{"none", NS_NORM_NONE}, {"rms", NS_NORM_RMS}, {"layer", NS_NORM_LAYER}, {"l2", NS_NORM_L2},
                                 {NULL, 0}};
const ns_word ns_words_qk_norm[] = {{"none", NS_QK_NONE}, {"per_head", NS_QK_PER_HEAD}, {"full", NS_QK_FULL}, {NULL, 0}};
const ns_word ns_words_act[] = {{"silu", NS_ACT_SILU}, {"gelu", NS_ACT_GELU}, {"gelu_tanh", NS_ACT_GELU_TANH}, {"relu", NS_ACT_RELU},
                                {"relu2", NS_ACT_RELU2}, {"quick_gelu", NS_ACT_QUICK_GELU}, {NULL, 0}};

const char *ns_word_name(const ns_word *words, int value)
{
    for (; words->name; words++)
        if (words->value == value)
            return words->name;
    return "?";
}

bool ns_word_find(const ns_word *words, const char *name, int *value)
{
    for (; words->name; words++)
        if (strcmp(words->name, name) == 0) {
            *value = words->value;
            return true;
        }
    return false;
}

const ns_field *ns_field_find(const ns_field *f, const char *key)
{
    while (f->key && strcmp(f->key, key) != 0)
        f++;
    return f->key ? f : NULL;
}

void ns_fields_clear(const ns_field *f, void *base)
{
    for (; f->key; f++)
        if (f->kind == NS_FIELD_I64S || f->kind == NS_FIELD_F64S) {
            void **const list = (void **)((char *)base + f->offset);
            free(*list);
            *list = NULL;
        }
}
