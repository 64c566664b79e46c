/* fuzz_qa.c - the input as a file of questions on documents, SQuAD's or HotpotQA's; of what is read a prompt is made. */
#include "fuzz.h"
#include "../../datasets/ruler.h"
#include "core/core.h"

/* With the question's own documents alone, and with more than there are. */
static void write_prompt(const ns_qa *qa, int index, int64_t n)
{
    static const ns_ruler_task task = {.name = "qa_1"};
    const ns_ruler_cell cell = {.task = &task, .qa = qa, .index = index, .seed = 1};
    ns_text_span marks[NS_RULER_MARKS];
    ns_ruler_prompt *const p = calloc(1, sizeof *p);
    ns_error err = {""};
    fuzz_check(p != NULL, "memory");
    p->draft.spans = marks;
    const int rc = ns_ruler_qa(p, &cell, n, &err);
    fuzz_check_outcome(rc, rc == NS_OK ? p : NULL, &err);
    fuzz_check(rc != NS_OK || (p->n_outputs > 0 && p->prefix > 0 && p->prefix < p->draft.n), "a prompt asks for something that is told");
    fuzz_check(rc != NS_OK || ns_utf8_valid(p->query, strlen(p->query), NULL), "what is asked for is text");
    free(p->draft.text);
    free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    ns_qa *qa;
    ns_error err = {""};
    fuzz_put(FUZZ_FILE, data, n);
    const int rc = ns_qa_read(&qa, FUZZ_FILE, &err);
    fuzz_check_outcome(rc, qa, &err);
    for (int i = 0; i < 3 && rc == NS_OK; i++) {
        write_prompt(qa, i, 0);
        write_prompt(qa, i, ns_qa_documents(qa) + 1);
    }
    ns_qa_free(qa);
    return 0;
}
