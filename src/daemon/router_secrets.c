#include "daemon/router_inside.h"
#include "daemon/secret_file.h"
#include "loop/tls.h"

void router_secrets_finish(struct router_secret_texts *texts)
{
    secret_file_wipe(&texts->redis);
    secret_file_wipe(&texts->sentinel);
    secret_file_wipe(&texts->client);
}

bool router_secrets_read(const struct router_conf *conf, struct router_secret_texts *texts,
                         void (*warn)(const char *text), struct err *err)
{
    *texts = (struct router_secret_texts){0};
    if (secret_file_read(conf->redis.password_file, &texts->redis, warn, err) &&
        secret_file_read(conf->sentinel.password_file, &texts->sentinel, warn, err) &&
        secret_file_read(conf->client.password_file, &texts->client, warn, err)) {
        return true;
    }
    router_secrets_finish(texts);
    return false;
}

struct router_secrets router_secrets_of(const struct router_secret_texts *texts)
{
    return (struct router_secrets){
        .redis_password = texts->redis,
        .sentinel_password = texts->sentinel,
        .client_password = texts->client,
    };
}

static bool router_secrets_check_one_tls(const char *place, const struct router_tls_conf *conf,
                                         struct err *err)
{
    struct tls_settings settings = {
        .cert_file = conf->cert_file,
        .key_file = conf->key_file,
        .ca_file = conf->ca_file,
        .ca_dir = conf->ca_dir,
    };

    if (!conf->is_on) {
        return true;
    }
    struct tls_context *tls = tls_client_create(&settings, err);
    if (tls == NULL) {
        return err_wrap(err, "--%s-tls", place);
    }
    tls_destroy(tls);
    return true;
}

bool router_secrets_check_tls(const struct router_conf *conf, struct err *err)
{
    return router_secrets_check_one_tls("redis", &conf->redis_tls, err) &&
           router_secrets_check_one_tls("sentinel", &conf->sentinel_tls, err);
}
