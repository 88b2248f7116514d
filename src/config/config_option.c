/* The scalar directives: one table, made of options.def, that parses, compares, writes and
 * documents. */
#include "config/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/config_room.h"

const char *const conf_loglevel_names[] = {"debug",   "verbose", "notice",
                                           "warning", "nothing", NULL};
const char *const conf_supervised_names[] = {"no", "upstart", "systemd", "auto", NULL};
const char *const conf_facility_names[] = {"user",   "local0", "local1", "local2", "local3",
                                           "local4", "local5", "local6", "local7", NULL};
const char *const conf_acl_pubsub_names[] = {"resetchannels", "allchannels", NULL};
const char *const conf_auth_clients_names[] = {"no", "yes", "optional", NULL};

struct config_row {
    const char *name;
    enum config_type type;
    size_t offset;
    int64_t min;
    int64_t max;
    int64_t number;   /* the default of what is not a text */
    const char *text; /* the default of a text */
    const char *const *names;
    const char *doc;
};

#define AT(field)                     offsetof(struct conf_options, field)
#define BOOL(field, name, value, doc) {name, CONFIG_BOOL, AT(field), 0, 1, value, "", NULL, doc},
#define NUMBER(field, name, min, max, value, doc)                                                  \
    {name, CONFIG_NUMBER, AT(field), min, max, value, "", NULL, doc},
#define OCTAL(field, name, min, max, value, doc)                                                   \
    {name, CONFIG_OCTAL, AT(field), min, max, value, "", NULL, doc},
#define BYTES(field, name, min, max, value, doc)                                                   \
    {name, CONFIG_BYTES, AT(field), min, max, value, "", NULL, doc},
#define CHOICE(field, name, names, value, doc)                                                     \
    {name, CONFIG_CHOICE, AT(field), 0, 0, value, "", names, doc},
#define TEXT(field, name, value, doc)  {name, CONFIG_TEXT, AT(field), 0, 0, 0, value, NULL, doc},
#define WORDS(field, name, value, doc) {name, CONFIG_WORDS, AT(field), 0, 0, 0, value, NULL, doc},
#define SECRET(field, name, doc)       {name, CONFIG_SECRET, AT(field), 0, 0, 0, "", NULL, doc},

static const struct config_row rows[] = {
#include "config/options.def"
};

#undef BOOL
#undef NUMBER
#undef OCTAL
#undef BYTES
#undef CHOICE
#undef TEXT
#undef WORDS
#undef SECRET
#undef AT

size_t config_options_count(void)
{
    return COUNT_OF(rows);
}

int config_option_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (text_same(rows[i].name, name)) {
            return (int)i;
        }
    }
    return -1;
}

static void *config_option_field(struct conf_options *options, const struct config_row *row)
{
    return (char *)options + row->offset;
}

static const void *config_option_value(const struct conf_options *options,
                                       const struct config_row *row)
{
    return (const char *)options + row->offset;
}

/* The number behind a field that is not a text. */
static int64_t config_option_number(const struct conf_options *options,
                                    const struct config_row *row)
{
    const void *field = config_option_value(options, row);

    if (row->type == CONFIG_BOOL) {
        return *(const bool *)field ? 1 : 0;
    }
    if (row->type == CONFIG_CHOICE) {
        return *(const int *)field;
    }
    return *(const int64_t *)field;
}

static void config_option_set_number(struct conf_options *options, const struct config_row *row,
                                     int64_t number)
{
    void *field = config_option_field(options, row);

    if (row->type == CONFIG_BOOL) {
        *(bool *)field = number != 0;
    } else if (row->type == CONFIG_CHOICE) {
        *(int *)field = (int)number;
    } else {
        *(int64_t *)field = number;
    }
}

/* A text field is never NULL, unlike those of conf_set_text(). */
static void config_option_set_text(struct conf_options *options, const struct config_row *row,
                                   const char *text)
{
    char **field = config_option_field(options, row);
    char *made = conf_set_copy(text);

    free(*field);
    *field = made;
}

static bool config_option_has_text(const struct config_row *row)
{
    return row->type == CONFIG_TEXT || row->type == CONFIG_WORDS;
}

static const char *config_option_text(const struct conf_options *options,
                                      const struct config_row *row)
{
    if (row->type == CONFIG_SECRET) {
        const struct conf_secret *secret = config_option_value(options, row);
        return secret->text == NULL ? "" : secret->text;
    }
    return *(char *const *)config_option_value(options, row);
}

void config_option_defaults(struct conf_options *options)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (config_option_has_text(&rows[i])) {
            config_option_set_text(options, &rows[i], rows[i].text);
        } else if (rows[i].type != CONFIG_SECRET) {
            config_option_set_number(options, &rows[i], rows[i].number);
        }
    }
}

void config_option_finish(struct conf_options *options)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        void *field = config_option_field(options, &rows[i]);
        if (config_option_has_text(&rows[i])) {
            conf_set_text(field, NULL);
        } else if (rows[i].type == CONFIG_SECRET) {
            conf_set_secret(field, NULL);
        }
    }
}

static void config_option_write_number(const struct config_row *row, int64_t number,
                                       struct buf *out);

/* ---- from text ---- */

bool config_option_to_bool(const char *text, bool *value)
{
    if (!text_same(text, "yes") && !text_same(text, "no")) {
        return false;
    }
    *value = text_same(text, "yes");
    return true;
}

bool config_option_to_bytes(const char *text, int64_t *bytes)
{
    static const struct {
        const char *name;
        int64_t bytes;
    } units[] = {
        {"", 1},           {"b", 1},
        {"k", 1000},       {"kb", 1024},
        {"m", 1000000},    {"mb", INT64_C(1) << 20},
        {"g", 1000000000}, {"gb", INT64_C(1) << 30},
    };
    size_t digits = strspn(text, "0123456789");
    int64_t number;

    if (!text_to_i64(text, digits, &number)) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (text_same(text + digits, units[i].name)) {
            return !__builtin_mul_overflow(number, units[i].bytes, bytes);
        }
    }
    return false;
}

static bool config_option_to_octal(const char *text, int64_t *value)
{
    size_t len = strlen(text);

    if (len == 0 || len > 7 || strspn(text, "01234567") != len) {
        return false;
    }
    *value = (int64_t)strtoul(text, NULL, 8);
    return true;
}

static bool config_option_to_choice(const struct config_row *row, const char *text, int64_t *value,
                                    struct err *why)
{
    char all[128] = "";
    size_t used = 0;

    for (int i = 0; row->names[i] != NULL; i++) {
        if (text_same(row->names[i], text)) {
            *value = i;
            return true;
        }
        if (used < sizeof(all)) {
            int len = snprintf(all + used, sizeof(all) - used, "%s%s", i == 0 ? "" : ", ",
                               row->names[i]); /* cut when too long */
            used += (size_t)len;
        }
    }
    return err_set(why, "\"%s\" is none of %s", text, all);
}

static bool config_option_out_of_range(const struct config_row *row, const char *text,
                                       struct err *why)
{
    struct buf range = {0};

    config_option_write_number(row, row->min, &range);
    buf_append_text(&range, " to ");
    config_option_write_number(row, row->max, &range);
    (void)err_set(why, "%s is out of range, write %s", text, buf_data(&range)); /* false, always */
    buf_finish(&range);
    return false;
}

static bool config_option_to_number(const struct config_row *row, const char *text, int64_t *value,
                                    struct err *why)
{
    bool is_number;

    if (row->type == CONFIG_OCTAL) {
        is_number = config_option_to_octal(text, value);
    } else if (row->type == CONFIG_BYTES) {
        is_number = config_option_to_bytes(text, value);
    } else {
        is_number = text_to_i64(text, strlen(text), value);
    }
    if (!is_number) {
        return err_set(why, "\"%s\" is not %s", text,
                       row->type == CONFIG_OCTAL   ? "an octal mode like 700"
                       : row->type == CONFIG_BYTES ? "a size like 64mb"
                                                   : "a number");
    }
    if (*value < row->min || *value > row->max) {
        return config_option_out_of_range(row, text, why);
    }
    return true;
}

/* Joined as they must be written to be these words again. */
static bool config_option_set_words(struct conf_options *options, const struct config_row *row,
                                    const struct words *words, struct err *why)
{
    struct buf joined = {0};

    if (words->count < 2) {
        return err_set(why, "takes at least one argument");
    }
    for (size_t i = 1; i < words->count; i++) {
        buf_append_text(&joined, i == 1 ? "" : " ");
        words_quote(&joined, words_at(words, i), words_len(words, i));
    }
    config_option_set_text(options, row, buf_data(&joined));
    buf_finish(&joined);
    return true;
}

bool config_option_set(struct conf_options *options, int row, const struct words *words,
                       struct err *why)
{
    const struct config_row *r = &rows[row];
    int64_t number = 0;
    bool flag = false;

    if (r->type == CONFIG_WORDS) {
        return config_option_set_words(options, r, words, why);
    }
    if (words->count != 2) {
        return err_set(why, "takes one argument, not %zu%s", words->count - 1,
                       words->count > 2 ? " (quote a text with blanks)" : "");
    }
    const char *text = words_at(words, 1);
    switch (r->type) {
    case CONFIG_BOOL:
        if (!config_option_to_bool(text, &flag)) {
            return err_set(why, "\"%s\" is neither yes nor no", text);
        }
        number = flag ? 1 : 0;
        break;
    case CONFIG_CHOICE:
        if (!config_option_to_choice(r, text, &number, why)) {
            return false;
        }
        break;
    case CONFIG_NUMBER:
    case CONFIG_OCTAL:
    case CONFIG_BYTES:
        if (!config_option_to_number(r, text, &number, why)) {
            return false;
        }
        break;
    case CONFIG_SECRET:
        conf_set_secret(config_option_field(options, r), text);
        return true;
    case CONFIG_TEXT:
    case CONFIG_WORDS:
        config_option_set_text(options, r, text);
        return true;
    }
    config_option_set_number(options, r, number);
    return true;
}

/* ---- to text ---- */

bool config_option_is_default(const struct conf_options *options, int row)
{
    const struct config_row *r = &rows[row];

    if (config_option_has_text(r) || r->type == CONFIG_SECRET) {
        return strcmp(config_option_text(options, r), r->text) == 0;
    }
    return config_option_number(options, r) == r->number;
}

void config_option_write_bytes(struct buf *out, int64_t bytes)
{
    static const char *const names[] = {"", "kb", "mb", "gb"};
    size_t unit = 0;

    while (unit + 1 < COUNT_OF(names) && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    buf_printf(out, "%" PRId64 "%s", bytes, names[unit]);
}

static void config_option_write_number(const struct config_row *row, int64_t number,
                                       struct buf *out)
{
    switch (row->type) {
    case CONFIG_BOOL:
        buf_append_text(out, number != 0 ? "yes" : "no");
        break;
    case CONFIG_CHOICE:
        buf_append_text(out, row->names[number]);
        break;
    case CONFIG_OCTAL:
        buf_printf(out, "%" PRIo64, (uint64_t)number);
        break;
    case CONFIG_BYTES:
        config_option_write_bytes(out, number);
        break;
    case CONFIG_NUMBER:
        buf_printf(out, "%" PRId64, number);
        break;
    case CONFIG_TEXT:
    case CONFIG_WORDS:
    case CONFIG_SECRET:
        UNREACHABLE("a text has no number");
    }
}

void config_option_write(const struct conf_options *options, int row, struct buf *out)
{
    const struct config_row *r = &rows[row];

    buf_printf(out, "%s ", r->name);
    if (r->type == CONFIG_WORDS) {
        buf_append_text(out, config_option_text(options, r)); /* quoted when it was set */
    } else if (r->type == CONFIG_TEXT || r->type == CONFIG_SECRET) {
        const char *text = config_option_text(options, r);
        words_quote(out, text, strlen(text));
    } else {
        config_option_write_number(r, config_option_number(options, r), out);
    }
}

/* ---- the manual ---- */

struct config_option config_option_at(size_t i, char scratch[32])
{
    static const char *const types[] = {
        [CONFIG_BOOL] = "yes or no", [CONFIG_NUMBER] = "number", [CONFIG_OCTAL] = "octal",
        [CONFIG_BYTES] = "bytes",    [CONFIG_CHOICE] = "choice", [CONFIG_TEXT] = "text",
        [CONFIG_WORDS] = "text",     [CONFIG_SECRET] = "secret",
    };
    ASSERT(i < COUNT_OF(rows));
    const struct config_row *r = &rows[i];
    struct config_option option = {
        .name = r->name,
        .type = types[r->type],
        .default_ = r->text,
        .doc = r->doc,
        .choices = r->names,
        .min = r->min,
        .max = r->max,
    };

    if (!config_option_has_text(r) && r->type != CONFIG_SECRET) {
        struct buf text = {0};
        config_option_write_number(r, r->number, &text);
        text_cut(scratch, 32, buf_data(&text));
        buf_finish(&text);
        option.default_ = scratch;
    }
    return option;
}
