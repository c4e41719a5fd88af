#include "certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

static void add_extension(X509 *x509, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, NULL, x509, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    check(extension != NULL);
    check(X509_add_ext(x509, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static X509 *begin(const char *name, EVP_PKEY *key, int from_days, int to_days)
{
    static long serial;
    X509 *x509 = X509_new();

    check(x509 != NULL);
    check(X509_set_version(x509, X509_VERSION_3) == 1);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
    X509_time_adj_ex(X509_getm_notBefore(x509), from_days, 0, NULL);
    X509_time_adj_ex(X509_getm_notAfter(x509), to_days, 0, NULL);
    check(X509_set_pubkey(x509, key) == 1);
    check(X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN",
                                     MBSTRING_ASC, (const unsigned char *)name,
                                     -1, -1, 0) == 1);
    return x509;
}

struct certificate certificate_authority(const char *name)
{
    struct certificate made = {.key = EVP_EC_gen("P-256")};

    check(made.key != NULL);
    made.x509 = begin(name, made.key, -1, 2);
    check(X509_set_issuer_name(made.x509, X509_get_subject_name(made.x509)) ==
          1);
    add_extension(made.x509, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(made.x509, NID_key_usage, "critical,keyCertSign,cRLSign");
    check(X509_sign(made.x509, made.key, EVP_sha256()) > 0);
    return made;
}

struct certificate certificate_for(const struct certificate *authority,
                                   const char *names, int from_days,
                                   int to_days)
{
    struct certificate made = {.key = EVP_EC_gen("P-256")};

    check(made.key != NULL);
    made.x509 = begin("server", made.key, from_days, to_days);
    check(X509_set_issuer_name(made.x509,
                               X509_get_subject_name(authority->x509)) == 1);
    add_extension(made.x509, NID_subject_alt_name, names);
    check(X509_sign(made.x509, authority->key, EVP_sha256()) > 0);
    return made;
}

void certificate_free(struct certificate *certificate)
{
    X509_free(certificate->x509);
    EVP_PKEY_free(certificate->key);
}

static FILE *new_file(char path[64])
{
    int fd;
    FILE *file;

    (void)snprintf(path, 64, "/tmp/weir-test-XXXXXX");
    fd = mkstemp(path);
    check(fd >= 0);
    file = fdopen(fd, "w");
    check(file != NULL);
    return file;
}

void certificate_save(const struct certificate *certificate, char path[64])
{
    FILE *file = new_file(path);

    check(PEM_write_X509(file, certificate->x509) == 1);
    check(fclose(file) == 0);
}

void certificate_save_key(const struct certificate *certificate, char path[64])
{
    FILE *file = new_file(path);

    check(PEM_write_PrivateKey(file, certificate->key, NULL, NULL, 0, NULL,
                               NULL) == 1);
    check(fclose(file) == 0);
}

SSL_CTX *certificate_server(const struct certificate *certificate)
{
    SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());

    check(ssl != NULL);
    check(SSL_CTX_use_certificate(ssl, certificate->x509) == 1);
    check(SSL_CTX_use_PrivateKey(ssl, certificate->key) == 1);
    return ssl;
}
