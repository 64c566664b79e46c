/* scan_sbatch.c - a scan as a Slurm array, and the merge behind it: one script for bash, which submits both. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/scan.h>

#include "core/core.h"

/* For a shell: 'it'\''s'. Plain words stay as they are. */
static void put_quoted(FILE *to, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%";
    if (*word && !word[strspn(word, plain)]) {
        fputs(word, to);
        return;
    }
    putc('\'', to);
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", to);
        else
            putc(*word, to);
    putc('\'', to);
}

static void put_setting(FILE *to, const char *name, const char *value)
{
    if (value)
        fprintf(to, "#SBATCH --%s=%s\n", name, value);
}

/* What array and merge have in common. */
static void put_head(FILE *to, const ns_sbatch_params *p, const char *name, const char *log)
{
    fprintf(to, "#!/bin/bash\n#SBATCH --job-name=%s\n", name);
    put_setting(to, "partition", p->partition);
    put_setting(to, "account", p->account);
    put_setting(to, "time", p->time);
    put_setting(to, "mem", p->memory);
    fprintf(to, "#SBATCH --output=logs/%s\n#SBATCH --open-mode=append\n", log);
}

/* SIGTERM comes a minute before the time is over (to the shell: B), and when the node is wanted otherwise. The program, which the shell
 * waits for, gets it and says 75: then the task is put into the queue again, and goes on there. */
static void put_task(FILE *to, const ns_sbatch_params *p)
{
    put_head(to, p, "needlescope-scan", "%x_%A_%a.out");
    fprintf(to, "#SBATCH --cpus-per-task=%lld\n#SBATCH --requeue\n#SBATCH --signal=B:TERM@60\n", (long long)p->cpus);
    put_quoted(to, p->program);
    fputs(" scan", to);
    for (int64_t i = 0; i < p->n_words; i++) {
        putc(' ', to);
        put_quoted(to, p->words[i]);
    }
    fputs(" -o ", to);
    put_quoted(to, p->out);
    fprintf(to, " --shard \"$SLURM_ARRAY_TASK_ID/%lld\" &\n", (long long)p->tasks);
    fputs("scan=$!\n"
          "trap 'kill -TERM $scan 2>/dev/null' TERM USR1\n"
          "wait $scan; code=$?\n"
          "while kill -0 $scan 2>/dev/null; do wait $scan; code=$?; done    # a signal ends the waiting, not the scan\n"
          "if [ $code -gt 128 ]; then wait $scan 2>/dev/null; late=$?; [ $late -eq 127 ] || code=$late; fi\n"
          "if [ $code -eq 75 ] && [ \"${SLURM_RESTART_COUNT:-0}\" -lt 100 ]; then\n"
          "    scontrol requeue \"${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID\"\n"
          "fi\n"
          "exit $code\n", to);
}

/* afterany: what a lost task has not done is said, and the rest is merged. */
static void put_merge(FILE *to, const ns_sbatch_params *p)
{
    put_head(to, p, "needlescope-merge", "%x_%A.out");
    put_quoted(to, p->program);
    fputs(" merge ", to);
    put_quoted(to, p->out);
    fputs("; code=$?\n[ $code -eq 0 ] || ", to);
    put_quoted(to, p->program);
    fputs(" status ", to);
    put_quoted(to, p->out);
    fputs("\nexit $code\n", to);
}

/* Its own words: the folder and the share. */
static const char *own_word(const char *word)
{
    static const char *const own[] = {"-o", "--output", "--shard"};
    for (size_t k = 0; k < sizeof own / sizeof *own; k++)
        if (strncmp(word, own[k], strlen(own[k])) == 0 && (!word[strlen(own[k])] || word[strlen(own[k])] == '=' || own[k][1] != '-'))
            return own[k];
    return NULL;
}

static int check_words(const ns_sbatch_params *p, ns_error *err)
{
    for (int64_t i = 0; i < p->n_words; i++)
        if (own_word(p->words[i]))
            return ns_fail(err, NS_E_ARG, "%s among the words of the scan: the script says it itself", own_word(p->words[i]));
    const char *const texts[] = {p->out, p->program, p->partition, p->account, p->time, p->memory};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i] && strchr(texts[i], '\n'))
            return ns_fail(err, NS_E_ARG, "'%s': a line break in the script's settings", texts[i]);
    return NS_OK;
}

int ns_sbatch_script(char **out, const ns_sbatch_params *p, ns_error *err)
{
    const int64_t last = p->tasks - 1;
    *out = NULL;
    const int rc = check_words(p, err);
    if (rc != NS_OK)
        return rc;
    ns_stream *const stream = ns_stream_open();
    if (!stream)
        return ns_oom(err, "the script");
    FILE *const to = ns_stream_file(stream);
    fprintf(to, "#!/bin/bash\n# A scan as a Slurm array of %lld tasks, and the merge behind it. bash SCRIPT submits both; the same again\n"
                "# does what is missing. NS_TASKS=3,7 bash SCRIPT submits these tasks alone: which checkpoints are a task's never\n"
                "# changes.\n"
                "set -eu\nmkdir -p logs\nscan=$(sbatch --parsable --array=\"${NS_TASKS:-0-%lld%%%lld}\" <<'SCAN'\n",
            (long long)p->tasks, (long long)last, (long long)(p->at_once > 0 ? p->at_once : p->tasks));
    put_task(to, p);
    fputs("SCAN\n)\nmerge=$(sbatch --parsable --dependency=afterany:\"${scan%%;*}\" <<'MERGE'\n", to);
    put_merge(to, p);
    fputs("MERGE\n)\necho \"scan ${scan%%;*}, merge ${merge%%;*}; needlescope status says how far it is\"\n", to);
    return ns_stream_end(stream, "the script", out, NULL, err);
}
