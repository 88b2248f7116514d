/* The bytes of a site file before libyaml sees them. It stops at the first fault and names some of
 * them badly, or not by their line. */
#include "config/site_room.h"

enum {
    SITE_TEXT_ANCHORS_MAX = 256,   /* libyaml compares each with all others */
    SITE_TEXT_BRACKETS_MAX = 8192, /* its time grows with the square of those that are nested */
};

struct site_text {
    const unsigned char *at;
    const unsigned char *end;
    struct site_mark mark;
    struct site_findings *findings;
    size_t faults;
    size_t ampersands;
    size_t brackets;
    bool is_indent; /* only blanks before it on this line */
};

/* The length of the character at t->at, 0 when it is none of UTF-8. */
static size_t site_text_character(const struct site_text *t, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = t->at[0];
    size_t len = first < 0x80             ? 1
                 : (first & 0xe0) == 0xc0 ? 2
                 : (first & 0xf0) == 0xe0 ? 3
                 : (first & 0xf8) == 0xf0 ? 4
                                          : 0;

    if (len == 0 || len > (size_t)(t->end - t->at)) {
        return 0;
    }
    *code = len == 1 ? first : first & (0xffU >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((t->at[i] & 0xc0) != 0x80) {
            return 0;
        }
        *code = *code << 6 | (t->at[i] & 0x3fU);
    }
    bool is_surrogate = *code >= 0xd800 && *code <= 0xdfff;
    return len > 1 && (*code < least[len] || *code > 0x10ffff || is_surrogate) ? 0 : len;
}

static void site_text_fault(struct site_text *t, const char *what, const char *remedy)
{
    site_findings_error(t->findings, t->mark, "%s", what);
    site_findings_remedy(t->findings, "%s", remedy);
    t->faults++;
}

/* NEL, LS and PS end a line for libyaml and for no editor: lines would be counted differently. */
static bool site_text_is_odd_break(uint32_t code)
{
    return code == 0x85 || code == 0x2028 || code == 0x2029;
}

static void site_text_one(struct site_text *t, uint32_t code)
{
    if (code == '\t' && t->is_indent) {
        site_text_fault(t, "a tab in the indentation", "indent with spaces, two for each level");
        t->is_indent = false; /* once a line */
    } else if (code == '\r' && (t->end - t->at < 2 || t->at[1] != '\n')) {
        site_text_fault(t, "a line that ends in a carriage return alone", "end lines with LF");
    } else if ((code < 0x20 && code != '\t' && code != '\n' && code != '\r') ||
               (code >= 0x7f && code < 0xa0 && code != 0x85) || (code & 0xfffe) == 0xfffe ||
               code == 0xfeff) {
        site_text_fault(t, "a control character", "remove it");
    } else if (site_text_is_odd_break(code)) {
        site_text_fault(t, "a line break that editors do not show", "end lines with LF");
    }
    t->is_indent = t->is_indent && code == ' ';
    t->brackets += code == '[' || code == '{' ? 1 : 0;
    t->ampersands += code == '&' ? 1 : 0;
    t->mark.column++;
    if (code == '\n') {
        t->mark = (struct site_mark){.line = t->mark.line + 1, .column = 1};
        t->is_indent = true;
    }
}

bool site_text_check(const char *text, size_t len, struct site_findings *findings)
{
    struct site_text t = {
        .at = (const unsigned char *)text,
        .end = (const unsigned char *)text + len,
        .mark = {.line = 1, .column = 1},
        .findings = findings,
        .is_indent = true,
    };

    if (len > SITE_TEXT_MAX_BYTES) {
        site_text_fault(&t, "the file is too large", "at most 256 kb");
        return false;
    }
    while (t.at < t.end && t.faults < SITE_FINDINGS_MAX) {
        uint32_t code = 0;
        size_t character = site_text_character(&t, &code);
        if (character == 0) {
            site_text_fault(&t, "a byte that is not UTF-8", "save the file as UTF-8");
            break; /* of another encoding there would be hundreds */
        }
        site_text_one(&t, code);
        t.at += character;
    }
    if (t.ampersands > SITE_TEXT_ANCHORS_MAX) {
        t.mark = (struct site_mark){.line = 1, .column = 1};
        site_text_fault(&t, "more than 256 times the character &", "use fewer anchors");
    }
    if (t.brackets > SITE_TEXT_BRACKETS_MAX) {
        t.mark = (struct site_mark){.line = 1, .column = 1};
        site_text_fault(&t, "more than 8192 times [ or {", "use lines and indentation instead");
    }
    return t.faults == 0;
}
