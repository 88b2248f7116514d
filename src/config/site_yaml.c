/* Text to libyaml's document tree, and its complaints to ours. */
#include <string.h>

#include "config/site_room.h"

struct site_yaml_remedy {
    const char *problem; /* as libyaml says it */
    const char *what;
    const char *remedy;
};

static const struct site_yaml_remedy remedies[] = {
    {"mapping values are not allowed in this context", "a \": \" where no key may stand",
     "put the value in quotes, or the key on a line of its own, indented like its neighbours"},
    {"did not find expected key", "neither a key nor the end of what stands above",
     "indent it like its neighbours, and look for a quote or bracket not closed above"},
    {"did not find expected '-' indicator", "an item of a list should stand here",
     "begin it with \"- \", indented like the items above"},
    {"found character that cannot start any token", "no value begins with this character",
     "put the value in quotes"},
    {"could not find expected ':'", "a key without a value",
     "write it as \"key: value\", with a space after the colon"},
    {"did not find expected ',' or ']'", "a list in [ ] that is not closed",
     "write commas between its items and ] at the end"},
    {"did not find expected ',' or '}'", "a map in { } that is not closed",
     "write commas between its keys and } at the end"},
    {"found unexpected end of stream", "quotes that are not closed", "close them"},
    {"found undefined alias", "an alias of an anchor that is not there",
     "write &name before it is used as *name, or put the value in quotes"},
    {"found duplicate anchor", "an anchor that there is already", "give it another name"},
};

static struct site_mark site_yaml_mark(yaml_mark_t mark)
{
    return (struct site_mark){.line = (int)mark.line + 1, .column = (int)mark.column + 1};
}

static void site_yaml_fault(const yaml_parser_t *parser, struct site_findings *findings)
{
    const char *problem = parser->problem == NULL ? "it cannot be read" : parser->problem;
    struct site_mark at = site_yaml_mark(parser->problem_mark);

    if (parser->error == YAML_MEMORY_ERROR) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
    for (size_t i = 0; i < COUNT_OF(remedies); i++) {
        if (strcmp(remedies[i].problem, problem) == 0) {
            site_findings_error(findings, at, "%s", remedies[i].what);
            site_findings_remedy(findings, "%s", remedies[i].remedy);
            return;
        }
    }
    site_findings_error(findings, at, "this is not YAML: %s", problem);
    if (parser->context != NULL && parser->context_mark.line != parser->problem_mark.line) {
        site_findings_remedy(findings, "look also at line %zu, %s", parser->context_mark.line + 1,
                             parser->context);
    }
}

bool site_yaml_load(const char *text, size_t len, yaml_document_t *document,
                    struct site_findings *findings)
{
    yaml_parser_t parser;
    yaml_document_t second;

    if (yaml_parser_initialize(&parser) == 0) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    if (yaml_parser_load(&parser, document) == 0) {
        site_yaml_fault(&parser, findings);
        yaml_parser_delete(&parser);
        return false;
    }
    bool is_good = yaml_document_get_root_node(document) != NULL;
    if (!is_good) {
        site_findings_error(findings, (struct site_mark){.line = 1, .column = 1},
                            "there is nothing in the file");
        site_findings_remedy(findings, "begin with site:, nodes: and services:");
    } else if (yaml_parser_load(&parser, &second) == 0) {
        site_yaml_fault(&parser, findings); /* what came before may still be judged */
    } else {
        if (yaml_document_get_root_node(&second) != NULL) {
            site_findings_error(findings, site_yaml_mark(second.start_mark),
                                "a second document: a site is one");
            site_findings_remedy(findings, "remove this line, or what follows it");
        }
        yaml_document_delete(&second);
    }
    yaml_parser_delete(&parser);
    if (!is_good) {
        yaml_document_delete(document);
    }
    return is_good;
}
