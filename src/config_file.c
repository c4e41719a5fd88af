/* The configuration's file: a YAML document, pair by pair into the nodes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "check.h"
#include "config_read.h"
#include "config_value.h"

enum { FILE_MAX = 1 << 20 };

/* The lists of the file, and what stands in them. */
static const struct {
    enum config_section in;
    struct str name;
    enum config_section section;
} lists[] = {
    {CONFIG_ROOT, STR_INIT("backends"), CONFIG_BACKEND},
    {CONFIG_BACKEND, STR_INIT("models"), CONFIG_MODEL},
    {CONFIG_ROOT, STR_INIT("rules"), CONFIG_RULE},
    {CONFIG_ROOT, STR_INIT("keys"), CONFIG_KEY},
};

/* --- references --------------------------------------------------------- */

/* Replaces ${VAR} and ${VAR:-otherwise}.  False, with a problem, when a
 * variable is not set and there is no other word for it. */
static bool expand(struct config *config, unsigned line, struct str path,
                   struct str text, struct str *out)
{
    struct buf made;
    struct str rest = text;
    size_t at;

    if (!str_contains(text, STR("${"))) {
        *out = text;
        return true;
    }
    buf_init(&made, FILE_MAX);
    while (str_find(rest, STR("${"), &at)) {
        struct str inside = str_slice(rest, at + 2, rest.len);
        struct str name;
        struct str otherwise = {NULL, 0};
        const char *value;
        size_t end;
        size_t colon;

        if (!str_find(inside, STR("}"), &end)) {
            /* without the text, which may be a secret */
            config_complain_line(config, line, "%.*s: expected a } behind ${",
                                 STR_ARG(path));
            buf_fini(&made);
            return false;
        }
        buf_put(&made, str_slice(rest, 0, at));
        rest = str_slice(inside, end + 1, inside.len);
        name = str_slice(inside, 0, end);
        if (str_find(name, STR(":-"), &colon)) {
            otherwise = str_slice(name, colon + 2, name.len);
            name = str_slice(name, 0, colon);
        }
        value = getenv(arena_copy(&config->arena, name).ptr);
        if (value != NULL && *value != '\0') {
            buf_put(&made, str_of(value));
        } else if (otherwise.ptr != NULL) {
            buf_put(&made, otherwise);
        } else {
            config_complain_line(
                config, line, "%.*s: the environment variable %.*s is not set",
                STR_ARG(path), STR_ARG(name));
            buf_fini(&made);
            return false;
        }
    }
    buf_put(&made, rest);
    *out = arena_copy(&config->arena, buf_str(&made));
    buf_fini(&made);
    return true;
}

/* --- the file ----------------------------------------------------------- */

struct file {
    struct config *config;
    yaml_document_t document;
};

static unsigned line_of(const yaml_node_t *node)
{
    return (unsigned)node->start_mark.line + 1;
}

static struct str scalar(const yaml_node_t *node)
{
    return (struct str){(const char *)node->data.scalar.value,
                        node->data.scalar.length};
}

static const char *kind_of(const yaml_node_t *node)
{
    switch (node->type) {
    case YAML_SCALAR_NODE:
        return "a value";
    case YAML_SEQUENCE_NODE:
        return "a list";
    case YAML_MAPPING_NODE:
        return "a mapping";
    default:
        return "nothing";
    }
}

/* `key:` with nothing behind it. */
static bool is_null(const yaml_node_t *node)
{
    struct str text;

    if (node->type != YAML_SCALAR_NODE ||
        node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    text = scalar(node);
    return text.len == 0 || str_eq(text, STR("~")) || str_eq(text, STR("null"));
}

/* One change of a letter, one more or one less. */
static bool is_close(struct str a, struct str b)
{
    size_t front = 0;
    size_t back = 0;
    size_t longer = a.len > b.len ? a.len : b.len;
    size_t shorter = a.len < b.len ? a.len : b.len;

    while (front < shorter && a.ptr[front] == b.ptr[front])
        front++;
    while (back < shorter - front &&
           a.ptr[a.len - 1 - back] == b.ptr[b.len - 1 - back])
        back++;
    return longer - front - back <= 2;
}

static void complain_unknown(struct file *f, const struct config_node *node,
                             const yaml_node_t *key, struct str path)
{
    struct str whole = config_full_path(&f->config->arena, node, path);

    for (unsigned i = 0; i < CONFIG_OPTIONS; i++) {
        if (config_rows[i].section == node->section &&
            is_close(config_rows[i].path, path)) {
            config_complain_line(
                f->config, line_of(key),
                "%.*s: there is no such option; did you mean %.*s?",
                STR_ARG(whole), STR_ARG(config_rows[i].path));
            return;
        }
    }
    config_complain_line(
        f->config, line_of(key),
        "%.*s: there is no such option; `weir options` lists them",
        STR_ARG(whole));
}

static void read_items(struct file *f, const struct config_node *node,
                       enum config_option option, const yaml_node_t *list)
{
    struct config_value *value = config_value_of(node, option);
    struct str path =
        config_full_path(&f->config->arena, node, config_rows[option].path);
    struct buf joined;

    buf_init(&joined, FILE_MAX);
    for (yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++) {
        const yaml_node_t *entry = yaml_document_get_node(&f->document, *item);
        struct str text;

        if (entry->type != YAML_SCALAR_NODE) {
            config_complain_line(f->config, line_of(entry),
                                 "%.*s: read %s, expected a value",
                                 STR_ARG(path), kind_of(entry));
            continue;
        }
        if (!expand(f->config, line_of(entry), path, scalar(entry), &text))
            continue;
        if (joined.len > 0)
            buf_put(&joined, STR(", "));
        buf_put(&joined, text);
    }
    value->text = arena_copy(&f->config->arena, buf_str(&joined));
    buf_fini(&joined);
}

static void read_value(struct file *f, const struct config_node *node,
                       enum config_option option, const yaml_node_t *source)
{
    const struct config_row *row = &config_rows[option];
    struct config_value *value = config_value_of(node, option);
    struct str path = config_full_path(&f->config->arena, node, row->path);
    struct str text;

    if (value->source == CONFIG_FILE) {
        config_complain_line(f->config, line_of(source),
                             "%.*s: it is there already, at line %u",
                             STR_ARG(path), value->line);
        return;
    }
    if (is_null(source))
        return;
    *value =
        (struct config_value){.source = CONFIG_FILE, .line = line_of(source)};
    if (source->type == YAML_SEQUENCE_NODE && config_type_is_list(row->type)) {
        read_items(f, node, option, source);
    } else if (source->type != YAML_SCALAR_NODE) {
        config_complain_line(f->config, line_of(source),
                             "%.*s: read %s, expected %s", STR_ARG(path),
                             kind_of(source), config_type_expects(row->type));
        return;
    } else if (expand(f->config, line_of(source), path, scalar(source),
                      &text)) {
        value->text = arena_copy(&f->config->arena, text);
    } else {
        return;
    }
    config_settle(f->config, node, option);
}

static void read_mapping(struct file *f, struct config_node *node,
                         struct str prefix, const yaml_node_t *mapping,
                         unsigned depth);

static struct config_node *
read_list(struct file *f, const struct config_node *parent, struct str name,
          enum config_section section, const yaml_node_t *list, unsigned *count)
{
    struct config *config = f->config;
    struct str path = config_full_path(&config->arena, parent, name);
    struct config_node *nodes;
    size_t n;

    if (list->type != YAML_SEQUENCE_NODE) {
        config_complain_line(config, line_of(list),
                             "%.*s: read %s, expected a list", STR_ARG(path),
                             kind_of(list));
        return NULL;
    }
    n = (size_t)(list->data.sequence.items.top -
                 list->data.sequence.items.start);
    nodes = ARENA_ARRAY(&config->arena, struct config_node, n + 1);
    for (size_t i = 0; i < n; i++) {
        const yaml_node_t *entry = yaml_document_get_node(
            &f->document, list->data.sequence.items.start[i]);
        struct str here =
            arena_printf(&config->arena, "%.*s[%zu]", STR_ARG(path), i);

        config_node_init(config, &nodes[i], section, here, line_of(entry));
        ++*count;
        if (entry->type != YAML_MAPPING_NODE)
            config_complain_line(config, line_of(entry),
                                 "%.*s: read %s, expected a mapping",
                                 STR_ARG(here), kind_of(entry));
        else
            read_mapping(f, &nodes[i], STR(""), entry, 0);
    }
    return nodes;
}

/* True when `name` is one of the lists that `node` may have. */
static bool read_as_list(struct file *f, struct config_node *node,
                         struct str name, const yaml_node_t *source)
{
    struct config *config = f->config;

    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        struct config_node **to = NULL;
        unsigned *count = NULL;

        if (lists[i].in != node->section || !str_eq(lists[i].name, name))
            continue;
        switch (lists[i].section) {
        case CONFIG_BACKEND:
            to = &config->backends;
            count = &config->backend_count;
            break;
        case CONFIG_MODEL:
            to = &node->models;
            count = &node->model_count;
            break;
        case CONFIG_RULE:
            to = &config->rules;
            count = &config->rule_count;
            break;
        default:
            to = &config->keys;
            count = &config->key_count;
            break;
        }
        if (*to != NULL)
            config_complain_line(config, line_of(source),
                                 "%.*s: this list is there twice",
                                 STR_ARG(name));
        else if (!is_null(source))
            *to = read_list(f, node, name, lists[i].section, source, count);
        return true;
    }
    return false;
}

static bool option_at(enum config_section section, struct str path,
                      enum config_option *out)
{
    for (unsigned i = 0; i < CONFIG_OPTIONS; i++) {
        if (config_rows[i].section == section &&
            str_eq(config_rows[i].path, path)) {
            *out = (enum config_option)i;
            return true;
        }
    }
    return false;
}

static bool is_prefix(enum config_section section, struct str path)
{
    for (unsigned i = 0; i < CONFIG_OPTIONS; i++)
        if (config_rows[i].section == section &&
            str_starts(config_rows[i].path, path) &&
            config_rows[i].path.len > path.len &&
            config_rows[i].path.ptr[path.len] == '.')
            return true;
    return false;
}

static void read_pair(struct file *f, struct config_node *node,
                      struct str prefix, const yaml_node_t *key,
                      const yaml_node_t *value, unsigned depth)
{
    struct str path;
    enum config_option option;

    if (key->type != YAML_SCALAR_NODE) {
        config_complain_line(f->config, line_of(key),
                             "read %s, expected a name", kind_of(key));
        return;
    }
    path = scalar(key);
    if (prefix.len > 0)
        path = arena_printf(&f->config->arena, "%.*s.%.*s", STR_ARG(prefix),
                            STR_ARG(path));
    if (option_at(node->section, path, &option))
        read_value(f, node, option, value);
    else if (is_prefix(node->section, path) && depth < 4)
        read_mapping(f, node, path, value, depth + 1);
    else if (prefix.len > 0 || !read_as_list(f, node, path, value))
        complain_unknown(f, node, key, path);
}

static void read_mapping(struct file *f, struct config_node *node,
                         struct str prefix, const yaml_node_t *mapping,
                         unsigned depth)
{
    if (is_null(mapping))
        return;
    if (mapping->type != YAML_MAPPING_NODE) {
        config_complain_line(
            f->config, line_of(mapping), "%.*s: read %s, expected a mapping",
            STR_ARG(config_full_path(&f->config->arena, node, prefix)),
            kind_of(mapping));
        return;
    }
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++)
        read_pair(f, node, prefix,
                  yaml_document_get_node(&f->document, pair->key),
                  yaml_document_get_node(&f->document, pair->value), depth);
}

static void read_document(struct config *config, yaml_parser_t *parser)
{
    struct file file = {.config = config};
    yaml_node_t *root;

    if (!yaml_parser_load(parser, &file.document)) {
        config_complain_line(
            config, (unsigned)parser->problem_mark.line + 1,
            "column %zu: not valid YAML: %s", parser->problem_mark.column + 1,
            parser->problem == NULL ? "unreadable" : parser->problem);
        return;
    }
    root = yaml_document_get_root_node(&file.document);
    if (root != NULL)
        read_mapping(&file, &config->root, STR(""), root, 0);
    yaml_document_delete(&file.document);
}

void config_read_file(struct config *config, const char *name)
{
    FILE *stream = fopen(name, "rb");
    yaml_parser_t parser;

    config->file = arena_copy(&config->arena, str_of(name));
    if (stream == NULL) {
        config_complain_line(config, 0, "%s: cannot be read: %s", name,
                             strerror(errno));
        return;
    }
    if (yaml_parser_initialize(&parser) == 0)
        out_of_memory();
    yaml_parser_set_input_file(&parser, stream);
    read_document(config, &parser);
    yaml_parser_delete(&parser);
    fclose(stream);
}
