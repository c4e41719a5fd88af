/* The configuration for people: `weir check`, `weir options` and
 * docs/config.md, all from the rows of config.def. */
#include "config.h"
#include "config_value.h"

static const struct {
    struct str title;
    struct str words;
} sections[CONFIG_SECTIONS] = {
    [CONFIG_ROOT] = {STR_INIT("Settings"),
                     STR_INIT("In the file they nest at the dots: "
                              "`listen.port` is `port` under `listen`.")},
    [CONFIG_BACKEND] =
        {STR_INIT("Backends"),
         STR_INIT("A list, `backends`. With it the short form (`local`, "
                  "`cloud`) is not used.")},
    [CONFIG_MODEL] =
        {STR_INIT("Models"),
         STR_INIT(
             "A list, `models`, in each backend. What a local model cannot "
             "take goes on: to the next local model that can, if no certain "
             "one was named, else to the cloud, with `fit:CAUSE` as the "
             "reason (context, output, images, tools, structured, thinking, "
             "server_tools). If it may not leave the local tier it is refused "
             "with 400; but the prompt's length is an estimate of a token "
             "for four characters, so a request is refused for it only when "
             "the prompt alone exceeds the window: whether the answer has "
             "room behind it, the server says. The cloud judges by itself.")},
    [CONFIG_RULE] =
        {STR_INIT("Rules"),
         STR_INIT("A list, `rules`. They decide about requests for the model "
                  "`auto`, or for none; the first whose conditions all hold "
                  "wins. A rule with `when.model` decides about whatever "
                  "request its pattern matches, as if the caller had asked "
                  "for what it uses. Behind them stand `long-prompt`, "
                  "`long-answer` and `short`, made of the two thresholds.")},
    [CONFIG_KEY] =
        {STR_INIT("Keys"),
         STR_INIT("A list, `keys`. With it a caller must send one of them, as "
                  "`Authorization: Bearer` or `x-api-key`.")},
};

/* --- weir check --------------------------------------------------------- */

static void show_padded(struct buf *out, struct str text, size_t width)
{
    buf_put(out, text);
    for (size_t i = text.len; i < width; i++)
        buf_put_char(out, ' ');
}

static void show_value(const struct config *config,
                       const struct config_node *node,
                       enum config_option option, struct buf *out)
{
    const struct config_row *row = &config_rows[option];
    const struct config_value *value = config_get(node, option);
    size_t start = out->len;

    if (value->source == CONFIG_UNSET)
        return;
    if (node->path.len > 0) {
        buf_put(out, node->path);
        buf_put_char(out, '.');
    }
    buf_put(out, row->path);
    show_padded(out, STR(""),
                out->len - start < 34 ? 34 - (out->len - start) : 1);
    if (row->type == CONFIG_TYPE_SECRET)
        show_padded(out,
                    secret_is_set(value->secret) ? STR("(set, hidden)")
                                                 : STR("(empty)"),
                    32);
    else
        show_padded(out, value->text, 32);
    buf_put_char(out, ' ');
    switch (value->source) {
    case CONFIG_ENV:
        buf_printf(out, "environment %.*s\n", STR_ARG(row->env));
        break;
    case CONFIG_ARGUMENT:
        buf_put(out, STR("command line\n"));
        break;
    case CONFIG_FILE:
        buf_printf(out, "%.*s:%u\n", STR_ARG(config->file), value->line);
        break;
    default:
        buf_put(out, STR("default\n"));
        break;
    }
}

static void show_node(const struct config *config,
                      const struct config_node *node, struct buf *out)
{
    for (unsigned i = 0; i < CONFIG_OPTIONS; i++)
        if (config_rows[i].section == node->section)
            show_value(config, node, (enum config_option)i, out);
}

void config_show(const struct config *config, struct buf *out)
{
    show_node(config, &config->root, out);
    for (unsigned i = 0; i < config->backend_count; i++) {
        const struct config_node *backend = &config->backends[i];

        show_node(config, backend, out);
        for (unsigned k = 0; k < backend->model_count; k++)
            show_node(config, &backend->models[k], out);
    }
    for (unsigned i = 0; i < config->rule_count; i++)
        show_node(config, &config->rules[i], out);
    for (unsigned i = 0; i < config->key_count; i++)
        show_node(config, &config->keys[i], out);
}

/* --- docs/config.md ----------------------------------------------------- */

static void document_row(const struct config_row *row, struct buf *out)
{
    buf_printf(out, "| `%.*s` |", STR_ARG(row->path));
    if (row->section == CONFIG_ROOT && row->env.len > 0)
        buf_printf(out, " `%.*s` |", STR_ARG(row->env));
    else if (row->section == CONFIG_ROOT)
        buf_put(out, STR("  |"));
    if (row->otherwise.len > 0)
        buf_printf(out, " `%.*s` |", STR_ARG(row->otherwise));
    else
        buf_put(out, STR("  |"));
    buf_printf(out, " %.*s Takes %s. |\n", STR_ARG(row->help),
               config_type_expects(row->type));
}

void config_document(struct buf *out)
{
    buf_put(
        out,
        STR("# Configuration\n\n"
            "<!-- Made from src/config.def by `weir options --markdown`: "
            "do not edit. -->\n\n"
            "`weir serve --config weir.yaml` reads a YAML file; every "
            "setting can also be given in the\nenvironment, and the "
            "environment alone is enough. The environment wins over the "
            "file, the file over\nthe default. `${VARIABLE}` and "
            "`${VARIABLE:-otherwise}` are replaced in every value of the "
            "file, and a\nsecret may be given as `file:/path`. `weir "
            "check` prints what is in force, each value with its "
            "origin.\n\n"
            "`WEIR_CONFIG` names the file when `--config` is not given.\n"));
    for (unsigned s = 0; s < CONFIG_SECTIONS; s++) {
        bool is_root = s == CONFIG_ROOT;

        buf_printf(out, "\n## %.*s\n\n%.*s\n\n", STR_ARG(sections[s].title),
                   STR_ARG(sections[s].words));
        buf_put(out, is_root ? STR("| option | environment | default | what "
                                   "it is for |\n|---|---|---|---|\n")
                             : STR("| option | default | what it is for "
                                   "|\n|---|---|---|\n"));
        for (unsigned i = 0; i < CONFIG_OPTIONS; i++)
            if (config_rows[i].section == (enum config_section)s)
                document_row(&config_rows[i], out);
    }
}

/* --- weir.yaml(5) --------------------------------------------------------- */

/* man(7): a backslash, a hyphen and a dot that begins a line mean something.
 * What stands between backticks is bold. */
static void put_roff(struct buf *out, struct str text)
{
    bool is_bold = false;

    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '\\':
            buf_put(out, STR("\\e"));
            break;
        case '-':
            buf_put(out, STR("\\-"));
            break;
        case '`':
            is_bold = !is_bold;
            buf_put(out, is_bold ? STR("\\fB") : STR("\\fR"));
            break;
        case '.':
        case '\'':
            if (out->len > 0 && out->ptr[out->len - 1] == '\n')
                buf_put(out, STR("\\&"));
            buf_put_char(out, text.ptr[i]);
            break;
        default:
            buf_put_char(out, text.ptr[i]);
            break;
        }
    }
}

static void put_bold(struct buf *out, struct str text)
{
    buf_put(out, STR("\\fB"));
    put_roff(out, text);
    buf_put(out, STR("\\fR"));
}

static void manual_row(const struct config_row *row, struct buf *out)
{
    buf_put(out, STR(".TP\n"));
    put_bold(out, row->path);
    buf_put_char(out, '\n');
    put_roff(out, row->help);
    buf_put(out, STR("\nTakes "));
    put_roff(out, str_of(config_type_expects(row->type)));
    buf_put(out, STR(".\n"));
    if (row->section == CONFIG_ROOT && row->env.len > 0) {
        buf_put(out, STR("Environment: "));
        put_bold(out, row->env);
        buf_put(out, STR(".\n"));
    }
    if (row->otherwise.len > 0) {
        buf_put(out, STR("Default: "));
        put_bold(out, row->otherwise);
        buf_put(out, STR(".\n"));
    }
}

void config_manual(struct buf *out)
{
    buf_put(out,
            STR(".\\\" Made from src/config.def by weir options --man.\n"
                ".TH WEIR.YAML 5 \"\" \"weir " WEIR_VERSION
                "\" \"File Formats\"\n"
                ".SH NAME\nweir.yaml \\- configuration of weir(1)\n"
                ".SH DESCRIPTION\n"
                "A YAML file, read by\n.BR \"weir serve \\-\\-config\" .\n"
                "Every setting can also be given in the environment, which "
                "wins over the file, and alone is enough.\n"
                "${VARIABLE} and ${VARIABLE:\\-otherwise} are replaced in "
                "every value, and a secret may be given as file:/path.\n"
                ".B weir check\nprints what is in force, each value with "
                "its origin.\n"));
    for (unsigned s = 0; s < CONFIG_SECTIONS; s++) {
        buf_put(out, STR(".SH "));
        for (size_t i = 0; i < sections[s].title.len; i++) {
            char c = sections[s].title.ptr[i];

            buf_put_char(out, c >= 'a' && c <= 'z' ? (char)(c - 32) : c);
        }
        buf_put_char(out, '\n');
        put_roff(out, sections[s].words);
        buf_put_char(out, '\n');
        for (unsigned i = 0; i < CONFIG_OPTIONS; i++)
            if (config_rows[i].section == (enum config_section)s)
                manual_row(&config_rows[i], out);
    }
    buf_put(out, STR(".SH SEE ALSO\n.BR weir (1)\n"));
}
