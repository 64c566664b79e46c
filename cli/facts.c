/* facts.c - provenance of the model and the run, in one place. Stable facts say what was computed and enter config_sha256 and
 * content_sha256; volatile ones (when, where, by which command) only inform. No path is stable. What was asked (probes, points,
 * cases) is added by the writers of the files. */
#include <stdlib.h>
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

/* The same bytes whether or not a tokenizer was opened for these cases. */
static int tokenizer_hash(cli *app, cli_facts *facts, const ns_opened *m)
{
    const char *const path = ns_checkpoint_tokenizer_path(m->checkpoint);
    if (m->tokenizer || !path) {
        say(facts, "tokenizer_sha256", m->tokenizer ? ns_tokenizer_sha256(m->tokenizer) : NULL, false);
        return NS_OK;
    }
    char hex[65];
    const int rc = ns_tokenizer_file_sha256(path, hex, &app->err);
    if (rc < 0)
        return rc;
    say(facts, "tokenizer_sha256", hex, false);
    return NS_OK;
}

static int gather_model(cli *app, cli_facts *facts, const ns_opened *m)
{
    const char *const weights = m->model ? ns_model_weights_sha256(m->model) : NULL;
    say(facts, "model_name", m->name, true);
    say(facts, "model_family", m->arch->family, false);
    say(facts, "weights_sha256", weights, false);
    /* The identity knows mtimes. Where the weights are hashed a copy is as good, so it only informs. */
    say(facts, "checkpoint_identity", ns_checkpoint_identity(m->checkpoint), weights != NULL);
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
    if (rc == NS_OK)
        rc = tokenizer_hash(app, facts, m);
    if (m->engine) {
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

int cli_facts_gather(cli *app, cli_facts *facts, const ns_opened *m)
{
    *facts = (cli_facts){0};
    gather_run(app, facts);
    const int rc = gather_model(app, facts, m);
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

int cli_out_written(cli *app, cli_out *o, const char *path)
{
    ns_file *file;
    const int rc = ns_file_open(&file, path, &app->err);
    if (rc < 0)
        return rc;
    cli_out_text(o, "file", "wrote", path);
    cli_out_text(o, "content_sha256", "content", ns_file_fact(file, "content_sha256"));
    ns_file_close(file);
    return NS_OK;
}
