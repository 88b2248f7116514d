#include "loop/tls.h"

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "loop/tls_inside.h"

enum {
    TLS_SESSION_TIMEOUT_S = 300, /* Redis' tls-session-cache-timeout */
    TLS_PROTOCOLS_MAX = 128,     /* the four names there are, twice */
};

static const char default_protocols[] = "TLSv1.2 TLSv1.3";

struct tls_protocol {
    const char *name;
    uint64_t no_flag;
};

static const struct tls_protocol protocols[] = {
    {"TLSv1", SSL_OP_NO_TLSv1},
    {"TLSv1.1", SSL_OP_NO_TLSv1_1},
    {"TLSv1.2", SSL_OP_NO_TLSv1_2},
    {"TLSv1.3", SSL_OP_NO_TLSv1_3},
};

static bool tls_is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* "what: subject: OpenSSL's reason" */
static bool tls_fail(struct err *err, const char *what, const char *subject)
{
    char reason[256] = "refused";
    unsigned long code = ERR_peek_last_error();

    if (code != 0) {
        ERR_error_string_n(code, reason, sizeof(reason));
    }
    ERR_clear_error();
    return err_set(err, "%s: %s: %s", what, subject, reason);
}

static bool tls_set_protocols(SSL_CTX *ctx, const char *wanted, struct err *err)
{
    char words[TLS_PROTOCOLS_MAX];
    uint64_t refused = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3;
    char *rest = NULL;

    if (!text_copy(words, sizeof(words), wanted)) {
        return err_set(err, "tls-protocols: too long");
    }
    for (char *word = strtok_r(words, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        bool is_known = false;
        for (size_t i = 0; i < COUNT_OF(protocols); i++) {
            if (strcasecmp(word, protocols[i].name) == 0) {
                refused &= ~protocols[i].no_flag;
                is_known = true;
            }
        }
        if (!is_known) {
            return err_set(err, "tls-protocols: '%s' is none of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3",
                           word);
        }
    }
    (void)SSL_CTX_set_options(ctx, refused); /* returns the flags */
    return true;
}

/* Without a password OpenSSL would ask on the terminal: a daemon must fail instead. */
static int tls_on_password(char *to, int size, int is_writing, void *ctx)
{
    const char *password = ctx;

    (void)is_writing;
    if (!tls_is_set(password) || size <= 0 || !text_copy(to, (size_t)size, password)) {
        return -1;
    }
    return (int)strlen(password);
}

static bool tls_load_key(SSL_CTX *ctx, const struct tls_identity *id, struct err *err)
{
    char *password = NULL;

    if (SSL_CTX_use_certificate_chain_file(ctx, id->cert_file) <= 0) {
        return tls_fail(err, "tls-cert-file", id->cert_file);
    }
    if (tls_is_set(id->key_pass)) {
        password = strdup(id->key_pass);
        if (password == NULL) {
            return err_set(err, "tls-key-file-pass: out of memory");
        }
    }
    SSL_CTX_set_default_passwd_cb(ctx, tls_on_password);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, password);
    bool loaded = SSL_CTX_use_PrivateKey_file(ctx, id->key_file, SSL_FILETYPE_PEM) > 0;
    SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
    if (password != NULL) {
        OPENSSL_cleanse(password, strlen(password));
        free(password);
    }
    if (!loaded) {
        return tls_fail(err, "tls-key-file", id->key_file);
    }
    if (SSL_CTX_check_private_key(ctx) <= 0) {
        return tls_fail(err, "tls-key-file", "does not belong to the certificate");
    }
    return true;
}

static bool tls_load_authority(SSL_CTX *ctx, const struct tls_settings *s, struct err *err)
{
    const char *file = tls_is_set(s->ca_file) ? s->ca_file : NULL;
    const char *dir = tls_is_set(s->ca_dir) ? s->ca_dir : NULL;

    if (file == NULL && dir == NULL) {
        if (SSL_CTX_set_default_verify_paths(ctx) <= 0) {
            return tls_fail(err, "tls-ca-cert-file", "the system's");
        }
        return true;
    }
    if (SSL_CTX_load_verify_locations(ctx, file, dir) <= 0) {
        return tls_fail(err, "tls-ca-cert-file or -dir", file != NULL ? file : dir);
    }
    return true;
}

static bool tls_load_dh(SSL_CTX *ctx, const char *path, struct err *err)
{
    FILE *file = fopen(path, "re");
    EVP_PKEY *params = NULL;

    if (file == NULL) {
        return err_set(err, "tls-dh-params-file: %s: cannot be read", path);
    }
    OSSL_DECODER_CTX *decoder = OSSL_DECODER_CTX_new_for_pkey(
        &params, "PEM", NULL, "DH", OSSL_KEYMGMT_SELECT_DOMAIN_PARAMETERS, NULL, NULL);
    BIO *bio = BIO_new_fp(file, BIO_NOCLOSE);
    bool loaded = decoder != NULL && bio != NULL && OSSL_DECODER_from_bio(decoder, bio) == 1 &&
                  SSL_CTX_set0_tmp_dh_pkey(ctx, params) == 1;
    BIO_free(bio);
    OSSL_DECODER_CTX_free(decoder);
    (void)fclose(file); /* only read */
    if (!loaded) {
        EVP_PKEY_free(params);
        return tls_fail(err, "tls-dh-params-file", path);
    }
    return true;
}

static bool tls_set_common(SSL_CTX *ctx, const struct tls_settings *s, struct err *err)
{
    /* No renegotiation: a client could make us work for nothing. A peer that just closes the
     * socket, as Redis does, is no error: RESP knows where its messages end. */
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                       SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_SINGLE_DH_USE);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1); /* one read() for a record's head and body */
    if (tls_is_set(s->ciphers) && SSL_CTX_set_cipher_list(ctx, s->ciphers) <= 0) {
        return tls_fail(err, "tls-ciphers", s->ciphers);
    }
    if (tls_is_set(s->ciphersuites) && SSL_CTX_set_ciphersuites(ctx, s->ciphersuites) <= 0) {
        return tls_fail(err, "tls-ciphersuites", s->ciphersuites);
    }
    return tls_set_protocols(ctx, tls_is_set(s->protocols) ? s->protocols : default_protocols,
                             err) &&
           tls_load_authority(ctx, s, err);
}

static void tls_set_sessions(SSL_CTX *ctx, const struct tls_settings *s)
{
    static const unsigned char session_name[] = "holdfast"; /* needed once clients are verified */

    if (s->no_session_caching) {
        (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        (void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        return;
    }
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER);
    (void)SSL_CTX_set_session_id_context(ctx, session_name, sizeof(session_name) - 1);
    (void)SSL_CTX_set_timeout(ctx, s->session_cache_timeout_s > 0 ? s->session_cache_timeout_s
                                                                  : TLS_SESSION_TIMEOUT_S);
    if (s->session_cache_size > 0) {
        (void)SSL_CTX_sess_set_cache_size(ctx, s->session_cache_size);
    }
}

static struct tls_context *tls_alloc(const SSL_METHOD *method, bool is_server, struct err *err)
{
    struct tls_context *tls = calloc(1, sizeof(*tls));

    if (tls != NULL) {
        tls->is_server = is_server;
        tls->ctx = SSL_CTX_new(method);
    }
    if (tls == NULL || tls->ctx == NULL) {
        (void)tls_fail(err, "tls", "no context");
        tls_destroy(tls);
        return NULL;
    }
    return tls;
}

static bool tls_set_up_server(SSL_CTX *ctx, const struct tls_settings *s, struct err *err)
{
    struct tls_identity id = {s->cert_file, s->key_file, s->key_pass};
    bool has_authority = tls_is_set(s->ca_file) || tls_is_set(s->ca_dir);
    int verify = SSL_VERIFY_NONE;

    if (!tls_is_set(id.cert_file)) {
        return err_set(err, "tls-cert-file: not configured");
    }
    if (!tls_is_set(id.key_file)) {
        return err_set(err, "tls-key-file: not configured");
    }
    if (s->auth_clients != TLS_AUTH_CLIENTS_NO && !has_authority) {
        return err_set(err, "tls-ca-cert-file or tls-ca-cert-dir: one is needed to check clients "
                            "(or write tls-auth-clients no)");
    }
    switch (s->auth_clients) {
    case TLS_AUTH_CLIENTS_YES:
        verify = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
        break;
    case TLS_AUTH_CLIENTS_OPTIONAL:
        verify = SSL_VERIFY_PEER;
        break;
    case TLS_AUTH_CLIENTS_NO:
        break;
    }
    SSL_CTX_set_verify(ctx, verify, NULL);
    if (s->prefer_server_ciphers) {
        (void)SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    }
    tls_set_sessions(ctx, s);
    (void)SSL_CTX_set_dh_auto(ctx, 1);
    return tls_load_key(ctx, &id, err) && tls_set_common(ctx, s, err) &&
           (!tls_is_set(s->dh_params_file) || tls_load_dh(ctx, s->dh_params_file, err));
}

static bool tls_set_up_client(SSL_CTX *ctx, const struct tls_settings *s, struct err *err)
{
    struct tls_identity id = {s->cert_file, s->key_file, s->key_pass};

    if (tls_is_set(s->client_cert_file)) {
        id = (struct tls_identity){s->client_cert_file, s->client_key_file, s->client_key_pass};
    }
    if (tls_is_set(id.cert_file) != tls_is_set(id.key_file)) {
        return err_set(err, "tls-cert-file, tls-key-file: both or none");
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    return (!tls_is_set(id.cert_file) || tls_load_key(ctx, &id, err)) &&
           tls_set_common(ctx, s, err);
}

struct tls_context *tls_server_create(const struct tls_settings *settings, struct err *err)
{
    struct tls_context *tls = tls_alloc(TLS_server_method(), true, err);

    if (tls != NULL && !tls_set_up_server(tls->ctx, settings, err)) {
        tls_destroy(tls);
        return NULL;
    }
    return tls;
}

struct tls_context *tls_client_create(const struct tls_settings *settings, struct err *err)
{
    struct tls_context *tls = tls_alloc(TLS_client_method(), false, err);

    if (tls != NULL && !tls_set_up_client(tls->ctx, settings, err)) {
        tls_destroy(tls);
        return NULL;
    }
    return tls;
}

void tls_destroy(struct tls_context *tls)
{
    if (tls != NULL) {
        SSL_CTX_free(tls->ctx);
        free(tls);
    }
}
