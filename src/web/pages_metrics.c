/* GET /metrics: in which format, and how it is packed. */
#include "check.h"
#include "gzip.h"
#include "pages.h"
#include "telemetry/exposition.h"

enum {
    TEXT_MAX = 64 << 20,
    PACKED_FROM = 1024, /* bytes: below them packing gains nothing */
    QUALITY_MAX = 1000,
};

/* --- what is asked for --------------------------------------------------- */

/* "0.75" as thousandths (RFC 9110, 12.4.2); anything odd is 1. */
static unsigned read_quality(struct str value)
{
    unsigned n = 0, scale = QUALITY_MAX;

    for (size_t i = 0; i < value.len && scale > 0; i++) {
        char c = value.ptr[i];

        if (i == 1 && c == '.')
            continue;
        if (c < '0' || c > '9')
            return QUALITY_MAX;
        n += (unsigned)(c - '0') * scale;
        scale /= 10;
    }
    return value.len == 0 || n > QUALITY_MAX ? QUALITY_MAX : n;
}

struct range {
    struct str name;    /* a media type, a coding, or one with a "*" */
    struct str version; /* its parameter; empty: none */
    unsigned quality;
};

static struct range read_range(struct str item)
{
    struct range range = {.quality = QUALITY_MAX};
    struct str param, name;

    if (!str_split(&item, ';', &range.name))
        return range;
    range.name = str_trim(range.name);
    while (str_split(&item, ';', &param)) {
        struct str value = param;

        if (!str_split(&value, '=', &name))
            continue;
        name = str_trim(name);
        value = str_trim(value);
        if (value.len > 1 && value.ptr[0] == '"')
            value = str_slice(value, 1, value.len - 1);
        if (str_eq_nocase(name, STR("q")))
            range.quality = read_quality(value);
        else if (str_eq_nocase(name, STR("version")))
            range.version = value;
    }
    return range;
}

/* What we can offer, and how much it is wanted. */
struct offer {
    struct str names[4]; /* from the most special to the most general */
    struct str version;
    unsigned rank;    /* of the name that matched best so far */
    unsigned quality; /* 0: not wanted */
};

static void weigh(struct offer *offer, const struct range *range)
{
    for (unsigned i = 0; i < COUNT_OF(offer->names); i++) {
        if (offer->names[i].len == 0 || i > offer->rank ||
            !str_eq_nocase(offer->names[i], range->name))
            continue;
        if (range->version.len > 0 && !str_eq(range->version, offer->version))
            continue;
        offer->rank = i;
        offer->quality = range->quality;
        return;
    }
}

static void weigh_all(const struct head *head, struct str field,
                      struct offer offers[], unsigned count)
{
    for (unsigned i = 0; i < head->count; i++) {
        struct str rest = head->fields[i].value;
        struct str item;

        if (!str_eq_nocase(head->fields[i].name, field))
            continue;
        while (str_split(&rest, ',', &item)) {
            struct range range = read_range(item);

            for (unsigned k = 0; k < count; k++)
                weigh(&offers[k], &range);
        }
    }
}

/* OpenMetrics only to those who ask for it by its name, or want nothing else;
 * whoever can take neither gets the text, as every scraper can read it. */
static enum exposition_format format_for(const struct head *head)
{
    enum { NOT_NAMED = 4 };
    struct offer offers[] = {
        {.names = {STR_INIT("application/openmetrics-text"),
                   STR_INIT("application/*"), STR_INIT("*/*")},
         .version = STR_INIT("1.0.0"),
         .rank = NOT_NAMED},
        {.names = {STR_INIT("text/plain"), STR_INIT("text/*"), STR_INIT("*/*")},
         .version = STR_INIT("0.0.4"),
         .rank = NOT_NAMED},
    };

    weigh_all(head, STR("accept"), offers, COUNT_OF(offers));
    if (offers[0].quality > offers[1].quality ||
        (offers[0].quality == offers[1].quality && offers[0].quality > 0 &&
         offers[0].rank == 0))
        return EXPOSITION_OPENMETRICS;
    return EXPOSITION_TEXT;
}

static bool takes_gzip(const struct head *head)
{
    struct offer offer = {
        .names = {STR_INIT("gzip"), STR_INIT("x-gzip"), STR_INIT("*")},
        .rank = 4};

    weigh_all(head, STR("accept-encoding"), &offer, 1);
    return offer.quality > 0;
}

/* --- the answer ---------------------------------------------------------- */

static bool pack(struct str text, struct buf *out)
{
    struct gzip *gzip = gzip_new();
    bool is_packed = gzip_pack(gzip, text, out);

    gzip_free(gzip);
    return is_packed;
}

void page_metrics(struct reply *reply, const struct head *head,
                  void (*tell)(void *ctx,
                               const struct metrics_visitor *visitor),
                  void *ctx)
{
    enum exposition_format format = format_for(head);
    struct exposition exposition;
    struct metrics_visitor visitor;
    struct buf text, packed;
    struct str body;

    buf_init(&text, TEXT_MAX);
    buf_init(&packed, TEXT_MAX);
    visitor = exposition_begin(&exposition, format, &text);
    tell(ctx, &visitor);
    exposition_end(&exposition);
    check(!buf_failed(&text));
    body = buf_str(&text);
    reply_header(reply, STR("Vary"), STR("Accept, Accept-Encoding"));
    if (body.len > PACKED_FROM && takes_gzip(head) && pack(body, &packed)) {
        reply_header(reply, STR("Content-Encoding"), STR("gzip"));
        body = buf_str(&packed);
    }
    reply_whole(reply, 200, exposition_type(format), &body, 1);
    buf_fini(&packed);
    buf_fini(&text);
}
