/* json_ok.c - for shell tests: exit 0 when stdin is one JSON object whose `schema` is argv[1]; prints its member argv[2]. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"

int main(int argc, char **argv)
{
    enum { LARGEST = 64 << 20, DEEPEST = 64 };
    cJSON *tree;
    ns_error err;
    if (argc < 2 || ns_json_read(&tree, "/dev/stdin", LARGEST, DEEPEST, &err) < 0) {
        fprintf(stderr, "%s\n", argc < 2 ? "json_ok SCHEMA [KEY]" : err.message);
        return 1;
    }
    const char *const schema = cJSON_GetStringValue(cJSON_GetObjectItem(tree, "schema"));
    const cJSON *const item = argc > 2 ? cJSON_GetObjectItem(tree, argv[2]) : NULL;
    const bool good = schema && strcmp(schema, argv[1]) == 0 && (argc < 3 || item);
    if (!good)
        fprintf(stderr, "schema is '%s'\n", schema ? schema : "missing");
    if (good && cJSON_IsString(item))
        printf("%s\n", item->valuestring);
    else if (good && cJSON_IsNumber(item))
        printf("%.17g\n", item->valuedouble);
    else if (good && cJSON_IsArray(item))
        printf("%d\n", cJSON_GetArraySize(item));
    cJSON_Delete(tree);
    return good ? 0 : 1;
}
