#include "key.h"

#include <openssl/evp.h>

#include "check.h"

struct str key_bearer(const struct head *head)
{
    struct str value = head_find(head, STR("authorization"));

    if (value.len > 7 && str_eq_nocase(str_slice(value, 0, 7), STR("Bearer ")))
        return str_trim(str_slice(value, 7, value.len));
    return STR("");
}

static struct str sent_key(const struct head *head)
{
    struct str value = head_find(head, STR("x-api-key"));

    return value.ptr != NULL ? value : key_bearer(head);
}

bool key_check(const struct catalog *catalog, const struct head *head,
               const struct api_key **key)
{
    unsigned char digest[32];
    struct str sent;
    unsigned len = 0;

    *key = NULL;
    if (catalog->key_count == 0)
        return true;
    sent = sent_key(head);
    if (sent.len == 0)
        return false;
    check(EVP_Digest(sent.ptr, sent.len, digest, &len, EVP_sha256(), NULL) ==
              1 &&
          len == sizeof(digest));
    /* all are compared, each in constant time: how long it takes tells
     * nothing about which one was close */
    for (unsigned i = 0; i < catalog->key_count; i++)
        if (str_eq_secret((struct str){(const char *)digest, sizeof(digest)},
                          (struct str){(const char *)catalog->keys[i].digest,
                                       sizeof(digest)}))
            *key = &catalog->keys[i];
    return *key != NULL;
}
