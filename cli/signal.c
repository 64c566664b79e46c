/* signal.c - an interrupted run removes its temporaries and then says 130 or 143. Handlers live in the program, never in the library. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static volatile sig_atomic_t seen, held;

static void on_signal(int number)
{
    if (seen || !held)
        _exit(128 + number);
    seen = number;
}

void cli_signals_catch(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction now;
        if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler == SIG_IGN)
            continue;   /* nohup and background jobs stay as their shell wants them */
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        sigemptyset(&action.sa_mask);
        sigaction(numbers[i], &action, NULL);
    }
    signal(SIGXFSZ, SIG_IGN);   /* a file size limit is then an error of write(), which removes the temporary */
}

void cli_signals_hold(bool on)
{
    held = on;
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
