/* fork.c - who is told in a child of fork(). The list is held for the length of the fork, so that the child finds it whole. The handlers run on the
 * child's only thread, so what they make anew needs no lock. */
#include <pthread.h>

#include "core/core.h"

static pthread_once_t  once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ns_at_fork     *first;

static void before(void)
{
    pthread_mutex_lock(&lock);
}

static void in_parent(void)
{
    pthread_mutex_unlock(&lock);
}

static void in_child(void)
{
    for (ns_at_fork *f = first; f; f = f->next)
        f->in_child(f->user);
    pthread_mutex_unlock(&lock);
}

static void register_handlers(void)
{
    pthread_atfork(before, in_parent, in_child);
}

void ns_at_fork_add(ns_at_fork *f)
{
    pthread_once(&once, register_handlers);
    pthread_mutex_lock(&lock);
    f->next = first;
    first = f;
    pthread_mutex_unlock(&lock);
}

void ns_at_fork_remove(ns_at_fork *f)
{
    pthread_mutex_lock(&lock);
    for (ns_at_fork **at = &first; *at; at = &(*at)->next)
        if (*at == f) {
            *at = f->next;
            break;
        }
    pthread_mutex_unlock(&lock);
}
