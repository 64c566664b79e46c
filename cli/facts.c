/* facts.c - provenance in one place. Stable facts say what was computed and enter config_sha256; volatile ones (when, where, with how many threads)
 * only inform. No path is stable. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/facts.h"

/* Takes value over; NULL is a failed allocation. */
static void own(cli_facts *facts, const char *name, char *value, bool is_volatile)
{
    if (!value || facts->n == CLI_MAX_FACTS) {
        facts->failed = true;
        free(value);
        return;
    }
    facts->owned[facts->n] = value;
    facts->list[facts->n++] = (ns_fact){.name = name, .value = value, .is_volatile = is_volatile};
}

static void say(cli_facts *facts, const char *name, const char *value, bool is_volatile)
{
    if (value)
        own(facts, name, ns_strdup(value), is_volatile);
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const ns_case *)a)->id, ((const ns_case *)b)->id);
}

/* The same for the same set of cases, whatever their order in the file: scores do not depend on it either. */
static char *cases_hash(const ns_cases *cases)
{
    ns_case *const sorted = ns_alloc_array((size_t)cases->n, sizeof *sorted);
    char *const hex = malloc(65);
    if (sorted && hex) {
        memcpy(sorted, cases->list, (size_t)cases->n * sizeof *sorted);
        qsort(sorted, (size_t)cases->n, sizeof *sorted, by_id);
        const ns_cases view = {.list = sorted, .n = cases->n, .capacity = cases->n};
        ns_cases_hash(&view, hex);
    }
    free(sorted);
    return hex;
}

static int gather_model(cli *app, cli_facts *facts, const cli_model *m)
{
    say(facts, "model_name", m->name, false);
    say(facts, "model_family", m->arch->family, false);
    say(facts, "checkpoint_identity", ns_checkpoint_identity(m->checkpoint), false);
    const char *const config = ns_checkpoint_config_path(m->checkpoint);
    char *text = NULL, *arch = NULL;
    enum { LARGEST = 16 << 20 };
    int rc = config ? ns_file_read(config, LARGEST, &text, NULL, &app->err) : NS_OK;
    if (text)
        own(facts, "model_config_json", text, false);
    if (rc == NS_OK)
        rc = ns_arch_to_json(m->arch, &arch, &app->err);
    if (arch)
        own(facts, "arch_json", arch, false);
    if (m->tokenizer)
        say(facts, "tokenizer_sha256", ns_tokenizer_sha256(m->tokenizer), false);
    if (m->model)
        say(facts, "weights_sha256", ns_model_weights_sha256(m->model), false);
    if (m->engine) {
        say(facts, "kernel_class", ns_engine_kernel_class(m->engine), false);
        say(facts, "cpu_kernels", ns_engine_cpu(m->engine), true);
        own(facts, "threads", ns_printf_alloc("%d", ns_engine_threads(m->engine)), true);
    }
    return rc;
}

static void gather_run(const cli *app, cli_facts *facts)
{
    say(facts, "command_line", app->command_line, true);
    char host[256] = "", stamp[32] = "";
    const time_t now = time(NULL);
    struct tm utc;
    if (gethostname(host, sizeof host - 1) == 0)
        say(facts, "hostname", host, true);
    if (gmtime_r(&now, &utc) && strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &utc) > 0)
        say(facts, "created_utc", stamp, true);
    say(facts, "slurm_job_id", getenv("SLURM_JOB_ID"), true);
}

int cli_facts_gather(cli *app, cli_facts *facts, const cli_model *m, const ns_cases *cases, const char *what)
{
    *facts = (cli_facts){0};
    gather_run(app, facts);
    const int rc = gather_model(app, facts, m);
    say(facts, "request", what, false);
    if (cases)
        own(facts, "cases_sha256", cases_hash(cases), false);
    if (rc == NS_OK && !facts->failed)
        return NS_OK;
    cli_facts_clear(facts);
    return rc < 0 ? rc : ns_oom(&app->err, "the provenance");
}

void cli_facts_clear(cli_facts *facts)
{
    for (int i = 0; i < facts->n; i++)
        free(facts->owned[i]);
    *facts = (cli_facts){0};
}
