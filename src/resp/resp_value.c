#include "resp/resp.h"

#include <string.h>

#include "base/text.h"

bool resp_is(const struct resp_value *v, enum resp_type type)
{
    return v != NULL && v->type == type;
}

const char *resp_text(const struct resp_value *v)
{
    return v == NULL ? "" : v->text.bytes;
}

bool resp_text_is(const struct resp_value *v, const char *text)
{
    if (!resp_is(v, RESP_SIMPLE) && !resp_is(v, RESP_BULK) && !resp_is(v, RESP_VERBATIM) &&
        !resp_is(v, RESP_ERROR)) {
        return false;
    }
    return v->text.len == strlen(text) && memcmp(v->text.bytes, text, v->text.len) == 0;
}

bool resp_error_is(const struct resp_value *v, const char *code)
{
    size_t len = strlen(code);

    if (!resp_is(v, RESP_ERROR) || v->text.len < len || memcmp(v->text.bytes, code, len) != 0) {
        return false;
    }
    return v->text.len == len || v->text.bytes[len] == ' ';
}

bool resp_integer(const struct resp_value *v, int64_t *value)
{
    if (v == NULL) {
        return false;
    }
    if (v->type == RESP_INTEGER || v->type == RESP_BOOL) {
        *value = v->integer;
        return true;
    }
    if (v->type == RESP_ERROR) {
        return false;
    }
    return text_to_i64(v->text.bytes, v->text.len, value);
}

const struct resp_value *resp_item(const struct resp_value *v, size_t i)
{
    return v != NULL && i < v->count ? &v->items[i] : NULL;
}

const struct resp_value *resp_map_get(const struct resp_value *v, const char *key)
{
    if (!resp_is(v, RESP_MAP) && !resp_is(v, RESP_ARRAY)) {
        return NULL;
    }
    for (size_t i = 0; i + 1 < v->count; i += 2) {
        if (resp_text_is(&v->items[i], key)) {
            return &v->items[i + 1];
        }
    }
    return NULL;
}
