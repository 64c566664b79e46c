/* families.c - the table of families: one row each, defined in the files beside this one. A new family is one row and its name here. */
#include "model/families/family.h"
#include <string.h>

const ns_family *const ns_families[] = {
    &ns_family_llama,       &ns_family_mistral,     &ns_family_qwen2,
    &ns_family_qwen3,       &ns_family_qwen2_vl,    &ns_family_qwen2_5_vl,
    &ns_family_qwen3_vl,    &ns_family_gpt_neox,    &ns_family_gemma2,
    &ns_family_gemma3_text, &ns_family_cohere2,     &ns_family_smollm3,
    &ns_family_olmo,        &ns_family_olmo2,       &ns_family_olmo3,
    &ns_family_phi3,        &ns_family_exaone4,     &ns_family_gpt2,
    &ns_family_minimax,     &ns_family_needlescope, NULL,
};

const ns_family *ns_family_find(const char *type)
{
    for (int i = 0; ns_families[i]; i++)
        if (strcmp(ns_families[i]->type, type) == 0)
            return ns_families[i];
    return NULL;
}
