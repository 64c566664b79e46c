/* normalize_clean.c - normalizers that tidy up. BertNormalizer: white space becomes spaces, control characters go, Chinese characters stand
 * alone, accents go, case goes. Nmt: the same for white space and control characters, by SentencePiece's own list. */
#include "io/tokenizer/tok.h"

/* strip_accents: null is what lowercase is. */
int ns_tok_read_bert(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    int rc = ns_json_bool(json, "clean_text", true, &step->clean, label, err);
    if (rc == NS_OK)
        rc = ns_json_bool(json, "handle_chinese_chars", true, &step->chinese, label, err);
    if (rc == NS_OK)
        rc = ns_json_bool(json, "lowercase", true, &step->lowercase, label, err);
    return rc != NS_OK ? rc : ns_json_bool(json, "strip_accents", step->lowercase, &step->accents, label, err);
}

static bool is_kept(uint32_t code)
{
    return code == '\t' || code == '\n' || code == '\r' || (code != 0xFFFD && !ns_tok_is_control(code));
}

static bool is_not_accent(uint32_t code)
{
    return !ns_tok_is_accent(code);
}

/* The ideographs of BERT's own list: not kana, not hangul. */
static bool is_chinese(uint32_t code)
{
    static const uint32_t ranges[][2] = {
        {0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF},
        {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F},
    };
    for (size_t i = 0; code >= 0x3400 && i < sizeof ranges / sizeof *ranges; i++)
        if (code >= ranges[i][0] && code <= ranges[i][1])
            return true;
    return false;
}

static int push_spaced(ns_tok_work *w, uint32_t code)
{
    int rc = ns_tok_char_push(w, ' ', 0);
    rc = rc != NS_OK ? rc : ns_tok_char_push(w, (int32_t)code, 1);
    return rc != NS_OK ? rc : ns_tok_char_push(w, ' ', 1);
}

/* Every character of w->part as push has it. */
static int rewrite(ns_tok_work *w, int (*push)(ns_tok_work *, uint32_t code))
{
    int rc = NS_OK;
    w->chars_n = 0;
    for (int64_t at = 0; at < w->part.n && rc == NS_OK; ) {
        uint32_t code;
        at += ns_tok_next(w->part.s + at, &code);
        rc = push(w, code);
    }
    return rc != NS_OK ? rc : ns_tok_chars_apply(w);
}

static int push_space(ns_tok_work *w, uint32_t code)
{
    return ns_tok_char_push(w, ns_tok_is_space(code) ? ' ' : (int32_t)code, 0);
}

static int push_chinese(ns_tok_work *w, uint32_t code)
{
    return is_chinese(code) ? push_spaced(w, code) : ns_tok_char_push(w, (int32_t)code, 0);
}

int ns_tok_run_bert(ns_tok_work *w, const ns_tok_step *step)
{
    int rc = step->clean ? ns_tok_keep_chars(w, is_kept) : NS_OK;
    if (rc == NS_OK && step->clean)
        rc = rewrite(w, push_space);
    if (rc == NS_OK && step->chinese)
        rc = rewrite(w, push_chinese);
    if (rc == NS_OK && step->accents)
        rc = ns_tok_run_nfd(w, step);
    if (rc == NS_OK && step->accents)
        rc = ns_tok_keep_chars(w, is_not_accent);
    return rc == NS_OK && step->lowercase ? ns_tok_run_lowercase(w, step) : rc;
}

static bool is_kept_by_nmt(uint32_t code)
{
    return !((code >= 1 && code <= 8) || code == 0x0B || (code >= 0x0E && code <= 0x1F) || code == 0x7F || code == 0x8F || code == 0x9F);
}

static int push_nmt(ns_tok_work *w, uint32_t code)
{
    static const uint32_t white[] = {0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD};
    bool is_white = code >= 0x200B && code <= 0x200F;
    for (size_t i = 0; i < sizeof white / sizeof *white; i++)
        is_white |= code == white[i];
    return ns_tok_char_push(w, is_white ? ' ' : (int32_t)code, 0);
}

int ns_tok_run_nmt(ns_tok_work *w, const ns_tok_step *step)
{
    (void)step;
    const int rc = ns_tok_keep_chars(w, is_kept_by_nmt);
    return rc != NS_OK ? rc : rewrite(w, push_nmt);
}
