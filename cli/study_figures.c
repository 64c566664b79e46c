/* study_figures.c - the table of a study's figures. */
#include "cli/study_figure.h"

const cli_study_figure cli_study_figures[] = {
    {"laziness", "Draws scores over training, a band a window and control, a row a run", false, cli_draw_laziness},
    {"births", "Draws the share of runs whose retrieval head is born (Kaplan-Meier)", false, cli_draw_births},
    {"pairs", "Draws the birth of the previous-token head against that of retrieval", false, cli_draw_pairs},
    {"curves", "Draws the best head's score over training, a thin line a run", false, cli_draw_curves},
    {"loss", "Draws losses over training by recall distance, a thin line a run", false, cli_draw_loss},
    {"strip", "Draws every head of one run over training", true, cli_draw_strip},
    {0},
};
