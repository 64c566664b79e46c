/* fail_alloc.h - between the preload that refuses memory, the place where a refused process goes on, and the judge of what it did. */
#ifndef NS_TESTS_FAIL_ALLOC_H
#define NS_TESTS_FAIL_ALLOC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

long  fail_alloc_arm(long n);                                 /* for a program that is the host of the library */
void  judge_begin(const char *folder);
char *judge_path(char path[], long n, const char *name);      /* FOLDER/N/NAME */
void  judge_expect(long n, pid_t pid, const char *asker, bool ours);
void  judge_next(void);                                       /* waits for one of the children and judges it */
void  judge_end(long asked);
void  place_move(long n);                                     /* this process into FOLDER/N (fail_place.c) */
long  judge_usual_live(void);                                 /* blocks that an undisturbed run never gives back */
#endif
