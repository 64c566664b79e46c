/* fork.c - who is told in a child of fork(). The list is held for the length of the fork, so that the child finds it whole. The handlers
 * run on the child's only thread, so what they make anew needs no lock. */
#include <pthread.h>

#include "core/core.h"

/* The one list for the process: fork() is the process's, not an engine's. */
static struct { pthread_once_t once; pthread_mutex_t lock; ns_at_fork *first; } at_fork = {PTHREAD_ONCE_INIT, PTHREAD_MUTEX_INITIALIZER,
                                                                                           NULL};

static void before(void)
{
    pthread_mutex_lock(&at_fork.lock);
}

static void in_parent(void)
{
    pthread_mutex_unlock(&at_fork.lock);
}

static void in_child(void)
{
    for (ns_at_fork *f = at_fork.first; f; f = f->next)
        f->in_child(f->user);
    pthread_mutex_unlock(&at_fork.lock);
}

static void register_handlers(void)
{
    pthread_atfork(before, in_parent, in_child);
}

void ns_at_fork_add(ns_at_fork *f)
{
    pthread_once(&at_fork.once, register_handlers);
    pthread_mutex_lock(&at_fork.lock);
    f->next = at_fork.first;
    at_fork.first = f;
    pthread_mutex_unlock(&at_fork.lock);
}

void ns_at_fork_remove(ns_at_fork *f)
{
    pthread_mutex_lock(&at_fork.lock);
    for (ns_at_fork **at = &at_fork.first; *at; at = &(*at)->next)
        if (*at == f) {
            *at = f->next;
            break;
        }
    pthread_mutex_unlock(&at_fork.lock);
}
