#include "exposition.h"

struct str exposition_type(enum exposition_format format)
{
    return format == EXPOSITION_OPENMETRICS
               ? STR("application/openmetrics-text; version=1.0.0; "
                     "charset=utf-8")
               : STR("text/plain; version=0.0.4; charset=utf-8");
}

/* --- words and numbers --------------------------------------------------- */

/* As help texts and label values are written in both formats. */
static void put_escaped(struct buf *out, struct str s)
{
    size_t from = 0;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (c != '\\' && c != '"' && c != '\n')
            continue;
        buf_put(out, str_slice(s, from, i));
        buf_put_char(out, '\\');
        buf_put_char(out, c == '\n' ? 'n' : c);
        from = i + 1;
    }
    buf_put(out, str_slice(s, from, s.len));
}

/* Exactly, and without zeros at the end. */
static void put_decimal(struct buf *out, uint64_t n, unsigned decimals)
{
    uint64_t one = 1;
    char digits[20] = {0};
    unsigned len = decimals;

    for (unsigned i = 0; i < decimals; i++)
        one *= 10;
    buf_put_u64(out, n / one);
    n %= one;
    if (n == 0)
        return;
    for (unsigned i = decimals; i > 0; i--, n /= 10)
        digits[i - 1] = (char)('0' + n % 10);
    while (len > 0 && digits[len - 1] == '0')
        len--;
    buf_put_char(out, '.');
    buf_put(out, (struct str){digits, len});
}

/* name_suffix{label="value",…,le="…"} and a space. */
static void put_series(struct buf *out, const struct metrics_family *family,
                       struct str suffix, const struct str values[],
                       const char *le)
{
    char before = '{';

    buf_put(out, family->name);
    buf_put(out, suffix);
    for (unsigned i = 0; family->labels[i] != LABEL_END; i++) {
        if (values[i].len == 0)
            continue;
        buf_put_char(out, before);
        buf_put(out, metrics_label_name(family->labels[i]));
        buf_put(out, STR("=\""));
        put_escaped(out, values[i]);
        buf_put_char(out, '"');
        before = ',';
    }
    if (le != NULL) {
        buf_put_char(out, before);
        buf_put(out, STR("le=\""));
        buf_put(out, str_of(le));
        buf_put_char(out, '"');
        before = ',';
    }
    buf_put(out, before == ',' ? STR("} ") : STR(" "));
}

static struct str suffix_of(const struct metrics_family *family)
{
    if (family->kind == METRICS_COUNTER)
        return STR("_total");
    return family->kind == METRICS_INFO ? STR("_info") : STR("");
}

/* --- families ------------------------------------------------------------ */

static void put_line(struct buf *out, struct str word, struct str name,
                     struct str suffix, struct str rest)
{
    buf_put(out, STR("# "));
    buf_put(out, word);
    buf_put_char(out, ' ');
    buf_put(out, name);
    buf_put(out, suffix);
    buf_put_char(out, ' ');
    buf_put(out, rest);
    buf_put_char(out, '\n');
}

static void on_family(void *ctx, const struct metrics_family *family)
{
    static const struct str kinds[] = {
        [METRICS_COUNTER] = STR_INIT("counter"),
        [METRICS_GAUGE] = STR_INIT("gauge"),
        [METRICS_HISTOGRAM] = STR_INIT("histogram"),
        [METRICS_INFO] = STR_INIT("info"),
    };
    static const struct str units[] = {
        [METRICS_NONE] = STR_INIT(""),
        [METRICS_SECONDS] = STR_INIT("seconds"),
        [METRICS_BYTES] = STR_INIT("bytes"),
        [METRICS_DOLLARS] = STR_INIT("dollars"),
    };
    const struct exposition *exposition = ctx;
    struct buf *out = exposition->out;

    if (exposition->format == EXPOSITION_TEXT) {
        /* which knows no info, and calls a counter by its full name */
        put_line(out, STR("HELP"), family->name, suffix_of(family),
                 family->help);
        put_line(out, STR("TYPE"), family->name, suffix_of(family),
                 family->kind == METRICS_INFO ? STR("gauge")
                                              : kinds[family->kind]);
        return;
    }
    put_line(out, STR("TYPE"), family->name, STR(""), kinds[family->kind]);
    if (family->unit != METRICS_NONE)
        put_line(out, STR("UNIT"), family->name, STR(""), units[family->unit]);
    put_line(out, STR("HELP"), family->name, STR(""), family->help);
}

static void on_sample(void *ctx, const struct metrics_family *family,
                      const struct str values[], uint64_t n)
{
    struct buf *out = ((const struct exposition *)ctx)->out;

    put_series(out, family, suffix_of(family), values, NULL);
    put_decimal(out, n, family->decimals);
    buf_put_char(out, '\n');
}

/* --- histograms ---------------------------------------------------------- */

static void put_exemplar(struct buf *out, const struct metrics_family *family,
                         const struct metrics_exemplar_view *exemplar)
{
    buf_put(out, STR(" # {trace_id=\""));
    buf_put(out, (struct str){exemplar->trace_id, TRACE_ID_LEN});
    buf_put(out, STR("\",span_id=\""));
    buf_put(out, (struct str){exemplar->span_id, TRACE_SPAN_LEN});
    buf_put(out, STR("\"} "));
    put_decimal(out, exemplar->value, family->decimals);
}

static void on_histogram(void *ctx, const struct metrics_family *family,
                         const struct str values[],
                         const struct metrics_histogram_view *histogram)
{
    const struct exposition *exposition = ctx;
    struct buf *out = exposition->out;
    uint64_t below = 0;

    for (unsigned i = 0; i <= family->edges->count; i++) {
        below += histogram->buckets[i];
        put_series(out, family, STR("_bucket"), values,
                   i < family->edges->count ? family->edges->spelled[i]
                                            : "+Inf");
        buf_put_u64(out, below);
        if (exposition->format == EXPOSITION_OPENMETRICS &&
            histogram->exemplars[i].is_set)
            put_exemplar(out, family, &histogram->exemplars[i]);
        buf_put_char(out, '\n');
    }
    put_series(out, family, STR("_sum"), values, NULL);
    put_decimal(out, histogram->sum, family->decimals);
    buf_put_char(out, '\n');
    put_series(out, family, STR("_count"), values, NULL);
    buf_put_u64(out, histogram->count);
    buf_put_char(out, '\n');
}

struct metrics_visitor exposition_begin(struct exposition *exposition,
                                        enum exposition_format format,
                                        struct buf *out)
{
    *exposition = (struct exposition){format, out};
    return (struct metrics_visitor){on_family, on_sample, on_histogram,
                                    exposition};
}

void exposition_end(struct exposition *exposition)
{
    if (exposition->format == EXPOSITION_OPENMETRICS)
        buf_put(exposition->out, STR("# EOF\n"));
}
