/* llama2c.h - inside the reader of llama2.c's files: llama2c.c the weights, llama2c_tokenizer.c the tokenizer.bin beside them. */
#ifndef NS_LLAMA2C_H
#define NS_LLAMA2C_H

#include "io/blocks.h"
#include "io/reader.h"

bool ns_llama2c_is_tokenizer(const ns_lead *);
int  ns_llama2c_tokenize(const char *path, cJSON **json, char sha256[65], ns_error *);

#endif
