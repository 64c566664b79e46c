/* coords.c - the coordinates of a run, {"window": 4, "seed": 0}: each becomes an attribute of its shards and a dataset of the study. */
#include "core/coords.h"

#include <string.h>

static int check_name(const char *name, const char *path, ns_error *err)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-+";
    const size_t n = strlen(name);
    if (n == 0 || n > NS_COORD_NAME)
        return ns_fail(err, NS_E_FORMAT, "%s: coords: the name '%.80s'%s has %zu bytes: a coordinate's name has 1 to %d", path, name,
                       n > 80 ? "..." : "", n, NS_COORD_NAME);
    if (name[strspn(name, allowed)] || strchr(".-+", name[0]))
        return ns_fail(err, NS_E_FORMAT, "%s: coords: the name '%s': a coordinate becomes an array of the study, whose name is made of "
                       "letters (a-z, A-Z), digits and _.-+, and begins with none of the last three", path, name);
    return NS_OK;
}

int ns_coords_check(const cJSON *coords, const char *path, ns_error *err)
{
    if (coords && !cJSON_IsObject(coords))
        return ns_fail(err, NS_E_FORMAT, "%s: 'coords' must be an object {\"seed\": 0, ...}", path);
    if (cJSON_GetArraySize(coords) > NS_MOST_COORDS)
        return ns_fail(err, NS_E_FORMAT, "%s: %d coords: a run has at most %d", path, cJSON_GetArraySize(coords), NS_MOST_COORDS);
    int rc = NS_OK;
    for (const cJSON *one = coords ? coords->child : NULL; rc == NS_OK && one; one = one->next) {
        rc = check_name(one->string, path, err);
        if (rc == NS_OK && (cJSON_IsArray(one) || cJSON_IsObject(one)))
            rc = ns_fail(err, NS_E_FORMAT, "%s: coords: '%s' is %s: a coordinate is a number, a text, true or false", path, one->string,
                         cJSON_IsArray(one) ? "a list" : "an object");
    }
    return rc;
}
