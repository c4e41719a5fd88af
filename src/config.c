#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "config_read.h"
#include "config_value.h"

enum { PROBLEMS_MAX = 20, SECRET_FILE_MAX = 64 * 1024 };

/* --- problems ----------------------------------------------------------- */

static void problem(struct config *config, unsigned line, const char *format,
                    va_list args) PRINTF_LIKE(3, 0);

static void problem(struct config *config, unsigned line, const char *format,
                    va_list args)
{
    char text[768];

    if (config->problem_count++ >= PROBLEMS_MAX)
        return;
    (void)vsnprintf(text, sizeof(text), format, args);
    if (line > 0)
        buf_printf(&config->problems, "%.*s:%u: ", STR_ARG(config->file), line);
    buf_put(&config->problems, str_of(text));
    buf_put_char(&config->problems, '\n');
}

void config_complain_line(struct config *config, unsigned line,
                          const char *format, ...)
{
    va_list args;

    va_start(args, format);
    problem(config, line, format, args);
    va_end(args);
}

struct str config_full_path(struct arena *arena, const struct config_node *node,
                            struct str path)
{
    if (node->path.len == 0)
        return path;
    return arena_printf(arena, "%.*s.%.*s", STR_ARG(node->path), STR_ARG(path));
}

void config_complain(struct config *config, const struct config_node *node,
                     enum config_option option, const char *format, ...)
{
    const struct config_row *row = &config_rows[option];
    const struct config_value *value = config_get(node, option);
    struct str path = config_full_path(&config->arena, node, row->path);
    struct str read = str_clip(value->text, 80);
    char expected[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(expected, sizeof(expected), format, args);
    va_end(args);
    if (row->type == CONFIG_TYPE_SECRET)
        read = STR("(a secret)");
    if (value->source == CONFIG_ENV)
        config_complain_line(config, 0, "environment: %.*s: read \"%.*s\", %s",
                             STR_ARG(row->env), STR_ARG(read), expected);
    else if (value->source == CONFIG_ARGUMENT)
        config_complain_line(config, 0, "command line: %.*s: read \"%.*s\", %s",
                             STR_ARG(path), STR_ARG(read), expected);
    else if (value->source == CONFIG_FILE)
        config_complain_line(config, value->line, "%.*s: read \"%.*s\", %s",
                             STR_ARG(path), STR_ARG(read), expected);
    else if (row->env.len > 0)
        config_complain_line(config, node->line, "%.*s (%.*s) is not set: %s",
                             STR_ARG(path), STR_ARG(row->env), expected);
    else
        config_complain_line(config, node->line, "%.*s is not set: %s",
                             STR_ARG(path), expected);
}

void config_complain_node(struct config *config, const struct config_node *node,
                          const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    config_complain_line(config, node->line, "%.*s%s%s", STR_ARG(node->path),
                         node->path.len > 0 ? ": " : "", text);
}

/* --- values ------------------------------------------------------------- */

static enum config_option first_of(enum config_section section)
{
    unsigned i = 0;

    while (config_rows[i].section != section)
        i++;
    return (enum config_option)i;
}

static unsigned count_of(enum config_section section)
{
    unsigned n = 0;

    for (unsigned i = 0; i < CONFIG_OPTIONS; i++)
        n += config_rows[i].section == section;
    return n;
}

struct config_value *config_value_of(const struct config_node *node,
                                     enum config_option option)
{
    check(config_rows[option].section == node->section);
    return &node->values[option - first_of(node->section)];
}

const struct config_value *config_get(const struct config_node *node,
                                      enum config_option option)
{
    return config_value_of(node, option);
}

bool config_is_set(const struct config_node *node, enum config_option option)
{
    return config_value_of(node, option)->source != CONFIG_UNSET;
}

struct str config_text(const struct config_node *node,
                       enum config_option option)
{
    return config_value_of(node, option)->text;
}

int64_t config_number(const struct config_node *node, enum config_option option)
{
    return config_value_of(node, option)->number;
}

struct str config_path(enum config_option option)
{
    return config_rows[option].path;
}

/* "a, b" as a list of two. */
static void split_items(struct arena *arena, struct config_value *value)
{
    struct str rest = value->text;
    struct str item;

    value->items = ARENA_ARRAY(arena, struct str, value->text.len / 2 + 1);
    while (str_split(&rest, ',', &item)) {
        item = str_trim(item);
        if (item.len > 0)
            value->items[value->item_count++] = item;
    }
}

/* The contents of "file:/path", without the line end that editors add. */
static bool read_secret_file(struct config *config, struct str path,
                             struct str *out)
{
    char *bytes;
    size_t len;
    FILE *file = fopen(path.ptr, "rb");

    if (file == NULL)
        return false;
    bytes = arena_alloc(&config->arena, SECRET_FILE_MAX + 1);
    len = fread(bytes, 1, SECRET_FILE_MAX, file);
    fclose(file);
    bytes[len] = '\0';
    *out = str_trim((struct str){bytes, len});
    return true;
}

/* Turns a value's text into its meaning; complains when it has none. */
void config_settle(struct config *config, const struct config_node *node,
                   enum config_option option)
{
    const struct config_row *row = &config_rows[option];
    struct config_value *value = config_value_of(node, option);

    if (row->type == CONFIG_TYPE_URLS && value->items == NULL)
        split_items(&config->arena, value);
    if (row->type == CONFIG_TYPE_SECRET) {
        struct str text = value->text;

        value->text = STR("");
        if (str_starts(text, STR("file:"))) {
            struct str path = str_slice(text, 5, text.len);

            if (!read_secret_file(config, path, &text)) {
                value->text = path;
                config_complain_line(
                    config, value->line,
                    "%.*s: expected a file that can be read at %.*s: %s",
                    STR_ARG(config_full_path(&config->arena, node, row->path)),
                    STR_ARG(path), strerror(errno));
                return;
            }
        }
        value->secret = secret_keep(&config->arena, text);
        if (value->source != CONFIG_DEFAULT) /* that is a literal */
            secret_wipe(text);
        return;
    }
    if (!config_value_parse(row->type, value))
        config_complain(config, node, option, "expected %s",
                        config_type_expects(row->type));
}

static void set_default(struct config *config, const struct config_node *node,
                        enum config_option option)
{
    struct config_value *value = config_value_of(node, option);

    if (config_rows[option].otherwise.len == 0)
        return;
    value->source = CONFIG_DEFAULT;
    value->text = config_rows[option].otherwise;
    config_settle(config, node, option);
}

void config_node_init(struct config *config, struct config_node *node,
                      enum config_section section, struct str path,
                      unsigned line)
{
    enum config_option first = first_of(section);
    unsigned count = count_of(section);

    *node =
        (struct config_node){.section = section, .path = path, .line = line};
    node->values = ARENA_ARRAY(&config->arena, struct config_value, count);
    for (unsigned i = 0; i < count; i++)
        set_default(config, node, (enum config_option)(first + i));
}

/* --- the environment ---------------------------------------------------- */

/* Other names for variables: the second is asked when the first is unset. */
static const struct {
    enum config_option option;
    const char *name;
} aliases[] = {
    {CONFIG_ROOT_LANGFUSE_URL, "LANGFUSE_HOST"},
};

static const char *read_variable(enum config_option option)
{
    const char *text = getenv(config_rows[option].env.ptr);

    for (size_t i = 0; i < COUNT_OF(aliases); i++)
        if (aliases[i].option == option && (text == NULL || *text == '\0'))
            text = getenv(aliases[i].name);
    return text == NULL || *text == '\0' ? NULL : text;
}

static void read_environment(struct config *config)
{
    for (unsigned i = 0; i < CONFIG_OPTIONS; i++) {
        const struct config_row *row = &config_rows[i];
        struct config_value *value;
        const char *text;

        if (row->env.len == 0)
            continue;
        text = read_variable((enum config_option)i);
        if (text == NULL) /* empty is the same as unset */
            continue;
        value = config_value_of(&config->root, (enum config_option)i);
        *value = (struct config_value){
            .source = CONFIG_ENV,
            .text = arena_copy(&config->arena, str_trim(str_of(text)))};
        config_settle(config, &config->root, (enum config_option)i);
    }
}

void config_override(struct config *config, enum config_option option,
                     struct str text)
{
    struct config_value *value = config_value_of(&config->root, option);

    *value = (struct config_value){.source = CONFIG_ARGUMENT,
                                   .text = arena_copy(&config->arena, text)};
    config_settle(config, &config->root, option);
}

bool config_load(struct config *config, const char *file)
{
    *config = (struct config){0};
    arena_init(&config->arena);
    buf_init(&config->problems, 64 * 1024);
    config_node_init(config, &config->root, CONFIG_ROOT, (struct str){NULL, 0},
                     0);
    if (file != NULL)
        config_read_file(config, file);
    read_environment(config);
    return config->problem_count == 0;
}

void config_fini(struct config *config)
{
    buf_fini(&config->problems);
    arena_clear(&config->arena);
}
