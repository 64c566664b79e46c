/* value.h - values as people type them: 4G, 512,1024, 0:1:5, 3.1,4.0. */
#ifndef NS_CLI_VALUE_H
#define NS_CLI_VALUE_H

#include <needlescope/hooks.h>

#include "cli/cli.h"

/* The whole text must be used; false otherwise. */
bool cli_value_int(const char *text, int64_t *out);
bool cli_value_number(const char *text, double *out);
bool cli_value_bytes(const char *text, int64_t *out);
bool cli_value_length(const char *text, double *inches);
/* I/N with 0 <= I < N. */
bool cli_value_shard(const char *text, int64_t *shard, int64_t *n_shards);
/* BIRTH, BIRTH:DEATH, ... (steps from 1), or never, which has no turn. turns has room for as many as the text has characters. */
bool cli_value_life(const char *text, int64_t *turns, int *n);
/* These append. NS_E_ARG or NS_E_MEMORY; the message is about the value only. */
int cli_value_words(const char *text, cli_words *out, ns_error *err);
/* The same; a name that holds a comma and exists is one file. */
int cli_value_files(const char *text, cli_words *out, ns_error *err);
int cli_value_ints(const char *text, cli_ints *out, ns_error *err);
int cli_value_numbers(const char *text, cli_numbers *out, ns_error *err);
int cli_value_heads(const char *text, cli_heads *out, ns_error *err);
/* The same; the name of a file is the heads that its list chooses (head_list.h). */
int cli_value_heads_or_file(const char *text, cli_heads *out, ns_error *err);
/* Each item of a list once, whatever it is a list of: NS_E_ARG names one that is there again. Anything but a list is NS_OK. */
int cli_value_once(cli_kind, const void *list, ns_error *err);
/* all, answer, probe, last:N, span:NAME, or a list of positions, each once; rows borrows the text, and the list in `positions`, which is
 * the caller's to free() afterwards. NS_E_ARG names --rows. */
int cli_value_rows(const char *text, ns_rows *rows, cli_ints *positions, ns_error *err);
/* Every word is one of names; NS_E_ARG names the option, and the nearest of them. *mask: bit i for names[i]. */
int cli_check_words(const char *option, const cli_words *, const char *const *names, int n, unsigned *mask, ns_error *err);
/* Index of text in "a|b|c", -1 if it is not there. */
int cli_value_choice(const char *text, const char *choices);

#endif
