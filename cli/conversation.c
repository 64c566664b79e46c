/* conversation.c - lines over a bar, for commands that run others. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/conversation.h"

void cli_conversation_say(void *user, ns_laboratory_line kind, const char *line)
{
    cli_conversation *const c = user;
    cli_progress_end(&c->bar);           /* a line over the bar */
    if (kind == NS_LABORATORY_WARNING)
        cli_warn((void *)c->app, line);
    else
        (kind == NS_LABORATORY_NOTE ? cli_note : cli_detail)(c->app, "%s", line);
}

void cli_conversation_show(void *user, const char *stage, double fraction)
{
    cli_conversation *const c = user;
    if (!c->stage || strcmp(c->stage, stage) != 0) {
        cli_progress_end(&c->bar);
        c->bar = cli_progress_begin(c->app, stage);
    }
    c->stage = stage;
    cli_progress_update(&c->bar, fraction);
}

int cli_own_path(char *out, size_t size, ns_error *err)
{
    const ssize_t n = readlink("/proc/self/exe", out, size - 1);
    if (n <= 0)
        return ns_fail(err, NS_E_UNSUPPORTED, "the program's own file is not known: /proc/self/exe: %s", strerror(errno));
    out[n] = '\0';
    return NS_OK;
}
