#include "daemon/daemon_inside.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "loop/log.h"

/*
 * The state as the disk has it: in sentinel.conf, where Sentinel and its tools expect it, or apart
 * from it in a file with a checksum (--state-file), for a sentinel.conf that may only be read.
 */

/* What only the core knows goes into the configuration that is written. */
static void persist_export_master(struct daemon *d, const struct master *m)
{
    struct master_state state;
    struct instance_view view;

    failover_export(m, &state);
    struct conf_master *conf = sentinel_conf_find(&d->conf, state.name);
    if (conf == NULL) {
        conf = sentinel_conf_add(&d->conf, state.name);
    }
    conf->addr = state.addr;
    conf->quorum = state.config.quorum;
    conf->parallel_syncs = state.config.parallel_syncs;
    conf->down_after_ms = state.config.down_after_ms;
    conf->failover_timeout_ms = state.config.failover_timeout_ms;
    conf->refused_after_ms = state.config.refused_after_ms;
    conf->master_reboot_down_after_ms = state.config.reboot_down_after_ms;
    conf->config_epoch = state.config_epoch;
    conf->leader_epoch = state.leader_epoch;
    conf_master_clear_peers(conf);
    for (uint32_t n = 0; failover_view_replica(d->core, m, n, &view); n++) {
        conf_master_add_replica(conf, &view.addr);
    }
    for (uint32_t n = 0; failover_view_peer(d->core, m, n, &view); n++) {
        conf_master_add_sentinel(conf, &view.addr, view.run_id);
    }
}

static void persist_drop_removed(struct daemon *d)
{
    for (size_t n = d->conf.masters_count; n > 0; n--) {
        struct conf_master *conf = d->conf.masters[n - 1];
        if (failover_master_named(d->core, conf->name) == NULL) {
            sentinel_conf_remove(&d->conf, conf);
        }
    }
}

static void persist_conf_image(struct daemon *d, struct buf *image)
{
    struct buf text = {0};
    bool exists = false;
    struct err err;

    for (uint32_t n = 0; n < failover_masters(d->core); n++) {
        persist_export_master(d, failover_master_at(d->core, n));
    }
    persist_drop_removed(d);
    sentinel_export_users(d->port, &d->conf);
    d->conf.current_epoch = failover_epoch(d->core);
    if (store_read(d->config_path, &text, &exists, &err) && exists) {
        buf_finish(&d->config_text); /* an operator may have edited it meanwhile: his lines stay */
        d->config_text = text;
    } else {
        buf_finish(&text);
    }
    config_rewrite(buf_data(&d->config_text), d->config_text.len, &d->conf, image);
}

static void persist_state_image(struct daemon *d, struct buf *image)
{
    struct buf body = {0};
    struct master_state state;
    struct instance_view view;

    state_wire_begin(&body, failover_run_id(d->core), failover_epoch(d->core));
    for (uint32_t n = 0; n < failover_masters(d->core); n++) {
        const struct master *m = failover_master_at(d->core, n);
        failover_export(m, &state);
        state_wire_master(&body, &state);
        for (uint32_t k = 0; failover_view_replica(d->core, m, k, &view); k++) {
            state_wire_replica(&body, &view.addr);
        }
        for (uint32_t k = 0; failover_view_peer(d->core, m, k, &view); k++) {
            state_wire_peer(&body, &view.addr, view.run_id);
        }
    }
    state_wire_seal(&body, image);
    buf_finish(&body);
}

static void persist_image(struct daemon *d, struct buf *image)
{
    if (d->state_path != NULL) {
        persist_state_image(d, image);
    } else {
        persist_conf_image(d, image);
    }
}

void persist_wanted(struct daemon *d, uint64_t seq)
{
    ASSERT(seq > d->persist_wanted);
    d->persist_wanted = seq;
}

/* One image at a time: a burst of votes costs one more write, not one for each. */
void persist_flush(struct daemon *d)
{
    struct buf image = {0};

    if (d->persist_wanted == d->persist_given || !store_idle(d->store)) {
        return;
    }
    persist_image(d, &image);
    d->persist_given = d->persist_wanted;
    store_save(d->store, d->persist_given, buf_data(&image), image.len);
    buf_finish(&image);
}

bool persist_now(struct daemon *d, struct err *err)
{
    struct buf image = {0};
    bool in_place = false;
    const char *path = d->state_path != NULL ? d->state_path : d->config_path;

    persist_image(d, &image);
    bool same = d->state_path == NULL && image.len == d->config_text.len &&
                memcmp(buf_data(&image), buf_data(&d->config_text), image.len) == 0;
    bool saved = same || store_write(path, buf_data(&image), image.len, &in_place, err);
    buf_finish(&image);
    if (saved && in_place) {
        log_warning("%s is a mount point and is written in place: a crash can tear it; mount its "
                    "directory instead",
                    path);
    }
    return saved;
}

/* ---- at the start ---- */

static void persist_restore_peers(struct daemon *d, const struct conf_master *conf)
{
    for (size_t n = 0; n < conf->replicas_count; n++) {
        /* else found anew */
        (void)failover_restore_replica(d->core, conf->name, &conf->replicas[n]);
    }
    for (size_t n = 0; n < conf->sentinels_count; n++) {
        const struct conf_peer *peer = &conf->sentinels[n];
        if (!failover_restore_peer(d->core, conf->name, &peer->addr, peer->runid)) {
            log_warning("master %s: known-sentinel %s is a duplicate or one too many; left out",
                        conf->name, peer->runid);
        }
    }
}

/*
 * The two files tell of one master. Either may be the newer one: a start without --state-file goes
 * on from sentinel.conf and writes there. No epoch may go back, or a vote could be given twice in
 * it. The address, and the replicas and peers that belong to it, are those of the newer
 * configuration; the state file's when both are of one, as a sentinel.conf that is only read lags
 * behind.
 */
static void persist_apply_master(const struct daemon *d, const struct state_master *from,
                                 struct conf_master *to)
{
    /* At one epoch in both it voted by each of them, and may not say to have meant only this. */
    if (from->state.leader_epoch > to->leader_epoch) {
        to->leader_epoch = from->state.leader_epoch;
        text_cut(to->leader, sizeof(to->leader), from->state.leader);
    }
    if (from->state.config_epoch < to->config_epoch) {
        log_warning("master %s: %s is of config-epoch %" PRIu64 ", %s of %" PRIu64
                    "; the newer one is used",
                    to->name, d->state_path, from->state.config_epoch, d->config_path,
                    to->config_epoch);
        return;
    }
    to->addr = from->state.addr;
    to->config_epoch = from->state.config_epoch;
    conf_master_clear_peers(to);
    for (size_t k = 0; k < from->replicas_count; k++) {
        conf_master_add_replica(to, &from->replicas[k]);
    }
    for (size_t k = 0; k < from->peers_count; k++) {
        conf_master_add_sentinel(to, &from->peers[k].addr, from->peers[k].run_id);
    }
}

static void persist_apply_state(struct daemon *d, const struct state_image *image)
{
    (void)text_copy(d->conf.myid, sizeof(d->conf.myid), image->run_id); /* same size */
    if (d->conf.current_epoch < image->current_epoch) {
        d->conf.current_epoch = image->current_epoch;
    }
    for (size_t n = 0; n < image->masters_count; n++) {
        const struct state_master *from = &image->masters[n];
        struct conf_master *to = sentinel_conf_find(&d->conf, from->state.name);
        if (to == NULL) {
            log_warning("%s: master %s is not in %s any more; left out", d->state_path,
                        from->state.name, d->config_path);
            continue;
        }
        persist_apply_master(d, from, to);
    }
}

static bool persist_read_state(struct daemon *d, struct err *err)
{
    struct buf text = {0};
    struct state_image image = {0};
    bool exists = false;

    if (!store_read(d->state_path, &text, &exists, err)) {
        return false;
    }
    bool good = !exists || state_wire_decode(buf_data(&text), text.len, &image, err);
    if (good && exists) {
        persist_apply_state(d, &image);
    }
    state_wire_finish(&image);
    buf_finish(&text);
    return good || err_wrap(err, "%s", d->state_path);
}

static void persist_new_id(char id[CONF_RUNID_MAX])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[CONF_RUNID_LEN / 2];

    loop_random(bytes, sizeof(bytes));
    for (size_t n = 0; n < sizeof(bytes); n++) {
        id[2 * n] = digits[bytes[n] >> 4];
        id[2 * n + 1] = digits[bytes[n] & 15];
    }
    id[CONF_RUNID_LEN] = '\0';
}

bool persist_identity(struct daemon *d, struct err *err)
{
    if (d->state_path != NULL && !persist_read_state(d, err)) {
        return false;
    }
    if (d->conf.myid[0] == '\0') {
        persist_new_id(d->conf.myid);
    }
    return true;
}

bool persist_restore(struct daemon *d, struct err *err)
{
    struct failover_start start = {
        .limits = {.masters_max = MASTERS_MAX, .instances_max = INSTANCES_MAX},
        .now = loop_now(d->loop),
    };

    memcpy(start.run_id, d->conf.myid, sizeof(start.run_id));
    start.current_epoch = d->conf.current_epoch;
    if (start.current_epoch > EPOCH_MAX) {
        return err_set(err,
                       "current-epoch %llu is beyond any that elections can reach; find the "
                       "monitor whose epoch is sound, stop all, and write its current-epoch here",
                       (unsigned long long)start.current_epoch);
    }
    loop_random(&start.seed, sizeof(start.seed));
    d->core = failover_init(d->core_block, &start);
    for (size_t n = 0; n < d->conf.masters_count; n++) {
        struct master_state state;
        settings_master_state(d->conf.masters[n], &state);
        links_fill_ip(d->links, &state.addr);
        if (strlen(d->conf.masters[n]->name) >= MASTER_NAME_MAX ||
            !failover_restore_master(d->core, &state)) {
            return err_set(err,
                           "sentinel monitor %s: its name has more than %d characters, or there "
                           "are more than %d masters",
                           d->conf.masters[n]->name, MASTER_NAME_MAX - 1, MASTERS_MAX);
        }
        persist_restore_peers(d, d->conf.masters[n]);
    }
    return true;
}
