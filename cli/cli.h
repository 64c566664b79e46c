/* cli.h - the shape of the command line: a command is one row of one table, an option is one row of its command's table.
 * Parsing, --help, the man pages and the shell completions are all read off these rows. */
#ifndef NS_CLI_H
#define NS_CLI_H

#include <stdio.h>
#include <sys/types.h>

#include <needlescope/machine.h>
#include <needlescope/error.h>
#include <needlescope/kind.h>
#include <needlescope/provenance.h>

#include "core/core.h"

/* ---- options ---- */
typedef enum cli_kind {             /* type of the field that the option fills */
    CLI_FLAG,                       /* bool */
    CLI_TEXT, CLI_FILE, CLI_FOLDER, /* const char *; files and folders that are read, or a folder to write to */
    CLI_OUTPUT,                     /* const char *: a file to write */
    CLI_STREAM,                     /* const char *: a text file to write; - is standard output */
    CLI_INT,                        /* int64_t in [min, max] */
    CLI_BYTES,                      /* int64_t: 4G, 512M, 1000 */
    CLI_NUMBER,                     /* double */
    CLI_LENGTH,                     /* double, inches: 3.3, 85mm, 8.5cm, 240pt */
    CLI_CHOICE,                     /* int: index into choices */
    /* lists: repeatable, comma-separated, each item once (but for `again`) */
    CLI_WORDS,                      /* cli_words */
    CLI_FILES,                      /* cli_words: files to read, as CLI_WORDS; a file whose name holds a comma is one */
    CLI_INTS,                       /* cli_ints: 512,1024 or FROM:TO:COUNT */
    CLI_NUMBERS,                    /* cli_numbers: 0,.5,1 or FROM:TO:COUNT */
    CLI_HEADS,                      /* cli_heads: 3.1,4.0 (layer.head) */
} cli_kind;

typedef struct cli_words { const char **list; int64_t n, capacity; } cli_words;
typedef struct cli_ints { int64_t *list; int64_t n, capacity; } cli_ints;
typedef struct cli_numbers { double *list; int64_t n, capacity; } cli_numbers;
typedef struct cli_heads { ns_head *list; int64_t n, capacity; } cli_heads;

typedef struct cli_option {
    const char *name;               /* long name without the dashes; NULL ends a table */
    char        letter;             /* or 0 */
    cli_kind    kind;
    size_t      offset;             /* of the field in the settings */
    const char *value;              /* how help calls the value; NULL for flags */
    const char *help;               /* one sentence without a full stop */
    const char *choices;            /* "dense|rows|topk" */
    int64_t     min, max;           /* of CLI_INT; both 0 = any */
    bool        again;              /* of a list: a sequence or a pair, in which the same may stand again */
    ns_kinds    makes;              /* of an output: the kinds of file that it may replace */
} cli_option;

/* A table and where its settings lie inside the command's settings. */
typedef struct cli_group {
    const char       *title;
    const cli_option *options;
    size_t            base;
} cli_group;

/* ---- commands ---- */
typedef struct cli cli;
enum { CLI_MAX_GROUPS = 6, CLI_MAX_TABLES = CLI_MAX_GROUPS + 2 };
enum { CLI_THREADS = 1, CLI_MEMORY = 2, CLI_ONE_THREAD = 4 };     /* the last: --threads is 1 where it is not said */
typedef struct cli_command {
    const char *name;               /* "score", "cases needle" */
    const char *section;            /* heading in the list of commands */
    const char *summary;            /* "Scores every head": one sentence without a full stop */
    const char *arguments;          /* "MODEL", "[TEXT]" */
    int         min_args, max_args;
    cli_group   groups[CLI_MAX_GROUPS];
    unsigned    resources;          /* bits: CLI_THREADS, CLI_MEMORY: which of these options it has, because they have an effect */
    size_t      settings_size;
    bool        goes_on;            /* called again it goes on where it was: stopped by SIGTERM or SIGUSR1 it says 75, try again */
    const void *defaults;           /* settings to start from; NULL = zeros */
    const char *description;        /* paragraphs of the man page, separated by empty lines */
    const char *examples;           /* lines: "command\n  what it does" as pairs */
    int       (*run)(cli *, const void *settings, char **args, int n_args);   /* NS_OK, NS_STOP or a code with cli.err set */
} cli_command;

extern const cli_command *const cli_commands[];    /* NULL-terminated, in the order of the help */
const cli_command *cli_command_find(const char *name);
/* "cases" -> true when the table has "cases needle". */
bool cli_command_is_prefix(const char *name);

typedef struct cli_globals { bool json, quiet, verbose, help, version; } cli_globals;
typedef struct cli_resources { int64_t threads, memory; } cli_resources;
extern const cli_option cli_global_options[], cli_resource_options[];
/* All tables that a command has, in the order of its help: its own, threads and memory, those of every command. NULL: what may stand before
 * a command. Returns how many. */
int cli_command_tables(const cli_command *, cli_group out[CLI_MAX_TABLES]);

/* A file that stood where an output goes: to be told of when another one stands there. */
enum { CLI_MAX_OUTPUTS = 4 };
typedef struct cli_standing { const char *path; dev_t device; ino_t inode; } cli_standing;

struct cli {
    cli_globals globals;
    cli_resources resources;        /* never 0 once a command runs */
    ns_machine  machine;
    ns_error    err;
    const cli_command *command;
    ns_fact_list figure;            /* the provenance of the figure that it draws */
    char         crowded[256];      /* which texts of a figure lie on each other or leave the page */
    char       *command_line;
    bool        answer_aside;       /* standard output is taken by an output file: the answer goes to standard error */
    ns_provenance by;               /* of the files that the command makes */
    cli_standing standing[CLI_MAX_OUTPUTS];  int n_standing;
    char        unsealed[400];  int64_t n_unsealed;        /* inputs without a seal */
    int         argc;  char **argv; /* as they were given: of processes that do a part of the work */
};

/* ---- opt.c ---- */
typedef struct cli_target { const cli_option *options; void *settings; } cli_target;
/* Parses argv[1...] into the targets; positionals end up in args. stop_early: stops at the first positional. NS_E_ARG with a line.
 * *used = number of argv entries consumed (program name included). */
int cli_parse(const cli_target *targets, int n_targets, int argc, char **argv, bool stop_early, int *used, char ***args, int *n_args,
              ns_error *err);
/* Frees the lists that parsing made. */
void cli_settings_clear(const cli_option *options, void *settings);
/* Sets one option from its text, as on the command line. */
int cli_option_set(const cli_option *, void *settings, const char *text, ns_error *err);

/* ---- paths.c ---- */
/* Every output can be written and is none of the inputs (arguments, files and folders of the options), before anything is read. */
void cli_watch_output(cli *, const char *path);           /* borrows the path, until cli_tell_replaced */
void cli_tell_replaced(cli *);                            /* a note for each watched file that another one has replaced */
void cli_watch_seal(cli *, const char *path);             /* counts an input that has no seal */
void cli_tell_unsealed(cli *);                            /* a note of those */
int cli_check_paths(cli *, const cli_target *, int n_targets, char *const *args, int n_args);

/* ---- help.c, man.c, complete.c ---- */
void cli_print_overview(FILE *, const char *prefix);      /* all commands, or those under a prefix ("cases") */
void cli_print_help(FILE *, const cli_command *);
void cli_print_man(FILE *, const cli_command *);          /* NULL: needlescope(1) */
void cli_print_man_group(FILE *, const char *prefix);              /* of "cases", "figure": the commands that begin so */
int  cli_print_completion(FILE *, const char *shell);     /* NS_E_ARG for an unknown shell */
void cli_print_wrapped(FILE *, const char *text, int indent, int column, int width);

/* ---- status.c ---- */
int cli_exit_code(int ns_code);
typedef struct cli_status { int ns_code, exit_code; const char *meaning; } cli_status;
extern const cli_status cli_statuses[];                   /* ends with meaning = NULL */

/* ---- signal.c: SIGINT, SIGTERM and SIGHUP; of a command that goes on where it was SIGUSR1 too ---- */
void cli_signals_catch(bool goes_on);
/* While held, a first signal only makes cli_cancelled() true, so that temporaries are removed; a second one leaves at once, and so does,
 * where the command goes on, a second without an end. Not held: leave at once. */
void cli_signals_hold(bool held);
void cli_signals_say(const char *line);                   /* what a command that goes on says when it is stopped: "3 of 8 done; ..." */
const char *cli_signals_words(void);                      /* with a newline */
int  cli_signals_code(void);                              /* the exit code of a stopped command */
bool cli_cancelled(void *unused);
int  cli_signal_seen(void);                               /* 0 or the signal's number */

/* ---- progress.c: a conversation on stderr ---- */
typedef struct cli_progress {
    const char *what;
    bool        silent, tty, drawn;
    double      start, shown;                             /* seconds; fraction that was last drawn is not kept: time decides */
} cli_progress;
cli_progress cli_progress_begin(const cli *, const char *what);
void cli_progress_update(void *progress, double fraction);
void cli_progress_end(cli_progress *);
void cli_progress_note(void *progress, const char *line);              /* a line beside it, unless --quiet */
void cli_note(const cli *, const char *fmt, ...) NS_PRINTF(2, 3);       /* a line unless --quiet */
void cli_detail(const cli *, const char *fmt, ...) NS_PRINTF(2, 3);     /* a line with --verbose */
void cli_warn(void *cli, const char *line);
void cli_complain(const char *where, const char *line);                  /* the final error */
void cli_print_clean(FILE *, const char *text);          /* lines of texts of strangers: control characters escaped */
bool cli_use_colour(int fd);

#endif
