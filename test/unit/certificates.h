/* Certificates for one test: an authority and what it signs, made on the
 * spot; and the server's side of a TLS connection, in memory. */
#ifndef WEIR_CERTIFICATES_H
#define WEIR_CERTIFICATES_H

#include <openssl/ssl.h>

struct certificate {
    EVP_PKEY *key;
    X509 *x509;
};

/* An authority that signs itself. */
struct certificate certificate_authority(const char *name);
/* Signed by `authority`, for `names` such as "DNS:a.test,IP:127.0.0.1";
 * valid from `from_days` to `to_days`, counted from now. */
struct certificate certificate_for(const struct certificate *authority,
                                   const char *names, int from_days,
                                   int to_days);
void certificate_free(struct certificate *certificate);
/* Writes it as PEM to a new file, whose name is put into `path`. */
void certificate_save(const struct certificate *certificate, char path[64]);

/* The same for its key. */
void certificate_save_key(const struct certificate *certificate, char path[64]);

/* What servers share that show this certificate. */
SSL_CTX *certificate_server(const struct certificate *certificate);

#endif
