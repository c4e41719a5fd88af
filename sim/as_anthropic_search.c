/* Anthropic: a search of the web that the server makes by itself.  It finds
 * one page, always the same for the same words. */
#include "as_anthropic.h"
#include "spell.h"

static const struct str url = STR_INIT("https://example.com/simulated");
static const struct str title = STR_INIT("A simulated page");

static void put_member_hash(struct json_out *out, struct str key,
                            struct str text)
{
    char bytes[8];
    uint64_t hash = spell_mix(str_fnv1a64(text));

    memcpy(bytes, &hash, sizeof(bytes));
    json_key(out, key);
    json_put_raw(out, STR("\""));
    spell_base64(out->buf, (struct str){bytes, sizeof(bytes)});
    buf_put_char(out->buf, '"');
}

static void put_caller(struct json_out *out)
{
    json_key(out, STR("caller"));
    json_put_raw(out, STR("{\"type\":\"direct\"}"));
}

void as_anthropic_put_search(struct json_out *out, struct str id,
                             const struct script_block *block, bool empty)
{
    json_member_str(out, STR("type"), STR("server_tool_use"));
    json_member_str(out, STR("id"), id);
    json_member_str(out, STR("name"), block->name);
    json_key(out, STR("input"));
    json_put_raw(out, empty || block->is_cut ? STR("{}") : block->text);
    put_caller(out);
}

void as_anthropic_put_found(struct json_out *out, struct str id,
                            const struct script_block *block)
{
    json_member_str(out, STR("type"), STR("web_search_tool_result"));
    json_member_str(out, STR("tool_use_id"), id);
    json_key(out, STR("content"));
    json_open(out, '[');
    json_open(out, '{');
    json_member_str(out, STR("type"), STR("web_search_result"));
    json_member_str(out, STR("url"), url);
    json_member_str(out, STR("title"), title);
    put_member_hash(out, STR("encrypted_content"), block->name);
    json_key(out, STR("page_age"));
    json_put_null(out);
    json_close(out, '}');
    json_close(out, ']');
    put_caller(out);
}

void as_anthropic_put_citation(struct json_out *out,
                               const struct script_block *block)
{
    json_open(out, '{');
    json_member_str(out, STR("type"), STR("web_search_result_location"));
    json_member_str(out, STR("cited_text"), block->text);
    put_member_hash(out, STR("encrypted_index"), block->text);
    json_member_str(out, STR("title"), title);
    json_member_str(out, STR("url"), url);
    json_close(out, '}');
}

void as_anthropic_put_searches(struct json_out *out,
                               const struct script *script)
{
    unsigned searches = 0;

    for (unsigned i = 0; i < script->block_count; i++)
        searches += script->blocks[i].kind == SCRIPT_SEARCH;
    json_key(out, STR("server_tool_use"));
    if (searches == 0) {
        json_put_null(out);
        return;
    }
    json_open(out, '{');
    json_member_i64(out, STR("web_search_requests"), searches);
    json_member_i64(out, STR("web_fetch_requests"), 0);
    json_close(out, '}');
}
