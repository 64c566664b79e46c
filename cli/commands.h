/* commands.h - one row per command; commands.c lists them. */
#ifndef NS_CLI_COMMANDS_H
#define NS_CLI_COMMANDS_H

#include "cli/cli.h"

extern const cli_command cli_cmd_inspect;
extern const cli_command cli_cmd_tokenize;
extern const cli_command cli_cmd_cases_needle;
extern const cli_command cli_cmd_cases_repeat;
extern const cli_command cli_cmd_cases_lab;
extern const cli_command cli_cmd_cases_check;
extern const cli_command cli_cmd_record;
extern const cli_command cli_cmd_scan;
extern const cli_command cli_cmd_merge;
extern const cli_command cli_cmd_emergence;
extern const cli_command cli_cmd_laziness;
extern const cli_command cli_cmd_verify;
extern const cli_command cli_cmd_ablate;
extern const cli_command cli_cmd_patch;
extern const cli_command cli_cmd_score;
extern const cli_command cli_cmd_figure_heads;
extern const cli_command cli_cmd_figure_map;
extern const cli_command cli_cmd_figure_rank;
extern const cli_command cli_cmd_figure_agreement;
extern const cli_command cli_cmd_figure_grid;
extern const cli_command cli_cmd_figure_ablation;
extern const cli_command cli_cmd_figure_laziness;
extern const cli_command cli_cmd_figure_births;
extern const cli_command cli_cmd_figure_pairs;
extern const cli_command cli_cmd_figure_curves;
extern const cli_command cli_cmd_figure_loss;
extern const cli_command cli_cmd_figure_strip;
extern const cli_command cli_cmd_export_csv;
extern const cli_command cli_cmd_export_latex;
extern const cli_command cli_cmd_export_notebook;
extern const cli_command cli_cmd_train;
extern const cli_command cli_cmd_lab_plant;
extern const cli_command cli_cmd_lab_laziness;
extern const cli_command cli_cmd_doctor;

#endif
