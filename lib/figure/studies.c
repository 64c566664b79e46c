/* studies.c - the table of a study's figures. */
#include "figure/study.h"

#include <string.h>

const ns_study_figure ns_study_figures[] = {
    {"laziness", "Draws scores over training, a band a window and control, a row a run", false, ns_study_laziness},
    {"births", "Draws the share of runs whose retrieval head is born (Kaplan-Meier)", false, ns_study_births},
    {"pairs", "Draws the birth of the previous-token head against that of retrieval", false, ns_study_pairs},
    {"curves", "Draws the best head's score over training, a thin line a run", false, ns_study_curves},
    {"loss", "Draws losses over training by recall distance, a thin line a run", false, ns_study_loss},
    {"strip", "Draws every head of one run over training", true, ns_study_strip},
    {0},
};

const ns_study_figure *ns_study_figure_find(const char *name)
{
    const ns_study_figure *f = ns_study_figures;
    while (f->name && strcmp(f->name, name) != 0)
        f++;
    return f->name ? f : NULL;
}
