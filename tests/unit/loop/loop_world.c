#include "loop_world.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct loop *world_loop(void)
{
    struct err err;
    struct loop *loop = loop_create(&err);

    assert_non_null(loop);
    return loop;
}

/* ---- waiting ---- */

struct wait {
    struct loop *loop;
    struct loop_timer *timer;
    world_condition holds;
    void *ctx;
    msec_t end_ms;
    int turns_left;
    bool held;
};

static void wait_on_time(void *ctx)
{
    struct wait *w = ctx;

    w->held = w->holds(w->ctx);
    if (w->held || loop_now(w->loop) >= w->end_ms) {
        loop_stop(w->loop);
        return;
    }
    loop_timer_at(w->timer, loop_now(w->loop) + 1);
}

void world_wait(struct loop *loop, world_condition holds, void *ctx)
{
    struct wait w = {.loop = loop, .holds = holds, .ctx = ctx};

    w.end_ms = loop_now(loop) + WORLD_DEADLINE_MS;
    w.timer = loop_timer_create(loop, wait_on_time, &w);
    loop_timer_at(w.timer, loop_now(loop));
    loop_run(loop);
    loop_timer_destroy(w.timer);
    assert_true(w.held);
}

static bool flag_holds(void *ctx)
{
    const bool *flag = ctx;
    return *flag;
}

void world_wait_flag(struct loop *loop, const bool *flag)
{
    world_wait(loop, flag_holds, (void *)(uintptr_t)flag);
}

static void turns_on_time(void *ctx)
{
    struct wait *w = ctx;

    if (--w->turns_left == 0) {
        loop_stop(w->loop);
        return;
    }
    loop_timer_at(w->timer, loop_now(w->loop));
}

void world_turns(struct loop *loop, int count)
{
    struct wait w = {.loop = loop, .turns_left = count};

    w.timer = loop_timer_create(loop, turns_on_time, &w);
    loop_timer_at(w.timer, loop_now(loop));
    loop_run(loop);
    loop_timer_destroy(w.timer);
}

/* ---- files ---- */

void world_make_dir(char dir[64])
{
    memcpy(dir, "/tmp/loop-test-XXXXXX", sizeof("/tmp/loop-test-XXXXXX"));
    assert_non_null(mkdtemp(dir));
}

void world_path(char path[128], const char *dir, const char *name)
{
    int len = snprintf(path, 128, "%s/%s", dir, name);
    assert_in_range(len, 1, 127);
}

void world_remove_dir(const char *dir)
{
    DIR *open_dir = opendir(dir);

    assert_non_null(open_dir);
    for (struct dirent *entry = readdir(open_dir); entry != NULL; entry = readdir(open_dir)) {
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        if (entry->d_name[0] != '.') {
            assert_int_equal(unlink(path), 0);
        }
    }
    assert_int_equal(closedir(open_dir), 0);
    assert_int_equal(rmdir(dir), 0);
}

size_t world_read_file(const char *path, char *to, size_t size)
{
    FILE *file = fopen(path, "re");

    assert_non_null(file);
    size_t len = fread(to, 1, size - 1, file);
    to[len] = '\0';
    assert_int_equal(fclose(file), 0);
    return len;
}

/* ---- certificates ---- */

struct identity {
    X509 *cert;
    EVP_PKEY *key;
};

static void write_key(const char *dir, const char *name, EVP_PKEY *key, const char *password)
{
    char path[128];

    world_path(path, dir, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    const EVP_CIPHER *cipher = password == NULL ? NULL : EVP_aes_128_cbc();
    int len = password == NULL ? 0 : (int)strlen(password);
    assert_int_equal(
        PEM_write_PrivateKey(file, key, cipher, (const unsigned char *)password, len, NULL, NULL),
        1);
    assert_int_equal(fclose(file), 0);
}

static void write_cert(const char *dir, const char *name, X509 *cert)
{
    char path[128];

    world_path(path, dir, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, cert), 1);
    assert_int_equal(fclose(file), 0);
}

/* Signed by issuer, or by itself when there is none. */
static struct identity make_identity(const char *name, const struct identity *issuer, bool is_ca)
{
    struct identity made = {X509_new(), EVP_EC_gen("P-256")};
    X509V3_CTX ext_ctx;

    assert_non_null(made.cert);
    assert_non_null(made.key);
    if (issuer == NULL) {
        issuer = &made;
    }
    X509_set_version(made.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.cert), (long)(name[0] + 1));
    X509_gmtime_adj(X509_getm_notBefore(made.cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made.cert), 86400);
    X509_set_pubkey(made.cert, made.key);
    X509_NAME *subject = X509_get_subject_name(made.cert);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(made.cert, X509_get_subject_name(issuer->cert));
    X509V3_set_ctx(&ext_ctx, issuer->cert, made.cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ext_ctx, NID_basic_constraints,
                                              is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(made.cert, ext, -1), 1);
    X509_EXTENSION_free(ext);
    assert_true(X509_sign(made.cert, issuer->key, EVP_sha256()) > 0);
    return made;
}

static void free_identity(struct identity *id)
{
    X509_free(id->cert);
    EVP_PKEY_free(id->key);
}

void world_make_certificates(const char *dir)
{
    struct identity ca = make_identity("authority", NULL, true);
    struct identity server = make_identity("server", &ca, false);
    struct identity client = make_identity("client", &ca, false);
    struct identity other = make_identity("other", NULL, false);

    write_cert(dir, "ca.pem", ca.cert);
    write_cert(dir, "server.pem", server.cert);
    write_key(dir, "server.key", server.key, NULL);
    write_key(dir, "locked.key", server.key, "sesame");
    write_cert(dir, "client.pem", client.cert);
    write_key(dir, "client.key", client.key, NULL);
    write_cert(dir, "other.pem", other.cert);
    write_key(dir, "other.key", other.key, NULL);
    free_identity(&ca);
    free_identity(&server);
    free_identity(&client);
    free_identity(&other);
}
