/* signal.c - an interrupted run removes its temporaries and then says 130 or 143; a command that goes on where it was says 75 on SIGTERM
 * and SIGUSR1, so that a batch system starts it again. Handlers live in the program, never in the library. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

enum { WORDS = 200, PATIENCE = 1 };     /* bytes; seconds for the work in hand to come to a place where it can stop */

static volatile sig_atomic_t seen, held, resumes;
/* one is said while the other is written */
static char words[2][WORDS] = {"stopped before anything was done; the same command goes on\n"};
static volatile sig_atomic_t said;

static int code_of(int number)
{
    return resumes && (number == SIGTERM || number == SIGUSR1) ? cli_exit_code(NS_E_MEMORY) : 128 + number;
}

/* From a handler. */
static _Noreturn void leave(int number)
{
    static const char who[] = "needlescope: ";
    const char *const line = words[said];
    if (resumes && (write(STDERR_FILENO, who, sizeof who - 1) < 0 || write(STDERR_FILENO, line, strlen(line)) < 0))
        _exit(code_of(number));          /* nobody is there to read it */
    _exit(code_of(number));
}

static void on_signal(int number)
{
    if (seen || !held)
        leave(number);
    seen = number;
    if (resumes)
        alarm(PATIENCE);
}

/* What the work in hand had written is a temporary, and swept by the next call. */
static void on_alarm(int number)
{
    (void)number;
    if (seen)
        leave(seen);
}

static void catch(int number, void (*handler)(int))
{
    struct sigaction now, action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    if (sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
        return;                          /* nohup and background jobs stay as their shell wants them */
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void cli_signals_catch(bool goes_on)
{
    resumes = goes_on;
    catch(SIGINT, on_signal);
    catch(SIGTERM, on_signal);
    catch(SIGHUP, on_signal);
    if (goes_on) {
        catch(SIGUSR1, on_signal);
        catch(SIGALRM, on_alarm);
    }
    signal(SIGXFSZ, SIG_IGN);            /* a file size limit is then an error of write(), which removes the temporary */
}

void cli_signals_hold(bool on)
{
    held = on;
}

void cli_signals_say(const char *line)
{
    char *const other = words[!said];
    snprintf(other, WORDS, "%.*s\n", WORDS - 2, line);
    said = !said;
}

const char *cli_signals_words(void)
{
    return words[said];
}

int cli_signals_code(void)
{
    return code_of(seen);
}

bool cli_cancelled(void *unused)
{
    (void)unused;
    return seen != 0;
}

int cli_signal_seen(void)
{
    return seen;
}
