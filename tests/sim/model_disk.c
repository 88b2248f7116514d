/* What a monitor remembers: the image on its disk, taken from the core and restored to it. */
#include <stdlib.h>
#include <string.h>

#include "sim/model_monitor.h"

void image_finish(struct image *image)
{
    if (image != NULL) {
        free(image->masters);
        *image = (struct image){0};
    }
}

void image_copy(struct image *to, const struct image *from)
{
    *to = *from;
    to->masters = calloc(from->masters_count + 1, sizeof(*to->masters));
    ASSERT(to->masters != NULL);
    memcpy(to->masters, from->masters, from->masters_count * sizeof(*to->masters));
}

const struct image_master *image_find(const struct image *image, const char *name)
{
    for (uint32_t i = 0; i < image->masters_count; i++) {
        if (strcmp(image->masters[i].state.name, name) == 0) {
            return &image->masters[i];
        }
    }
    return NULL;
}

static void image_take_master(const struct world *w, const struct failover *core,
                              const struct master *master, struct image_master *to)
{
    struct instance_view view;
    struct instance_view self;

    failover_export(master, &to->state);
    failover_view_master(core, master, &self);
    to->replicas_count = 0;
    to->peers_count = 0;
    for (uint32_t i = 0; failover_view_replica(core, master, i, &view); i++) {
        /* Past the promotion the old master stands in the place of the promoted one, as Sentinel
         * writes it. */
        const struct addr *addr = addr_same(&view.addr, &to->state.addr) ? &self.addr : &view.addr;

        if (to->replicas_count < IMAGE_REPLICAS_MAX) {
            to->replicas[to->replicas_count++] = world_addr_id(w, addr);
        }
    }
    for (uint32_t i = 0; failover_view_peer(core, master, i, &view); i++) {
        if (to->peers_count < IMAGE_PEERS_MAX) {
            to->peers[to->peers_count].addr = world_addr_id(w, &view.addr);
            to->peers[to->peers_count].run = world_run_number(view.run_id);
            to->peers_count++;
        }
    }
}

void image_take(struct world *w, const struct monitor *m, struct image *image)
{
    image->epoch = failover_epoch(m->core);
    image->masters_count = failover_masters(m->core);
    image->masters = calloc(image->masters_count + 1, sizeof(*image->masters));
    ASSERT(image->masters != NULL);
    for (uint32_t i = 0; i < image->masters_count; i++) {
        image_take_master(w, m->core, failover_master_at(m->core, i), &image->masters[i]);
        if (!w->config.keeps_leader) {
            image->masters[i].state.leader[0] = '\0'; /* as sentinel.conf */
        }
    }
}

void image_restore(struct world *w, struct monitor *m)
{
    for (uint32_t i = 0; i < m->disk.masters_count; i++) {
        const struct image_master *from = &m->disk.masters[i];

        if (!failover_restore_master(m->core, &from->state)) {
            world_fail(w, "%s: master %s on its disk cannot be restored", m->name,
                       from->state.name);
            return;
        }
        for (uint32_t n = 0; n < from->replicas_count; n++) {
            if (!failover_restore_replica(m->core, from->state.name,
                                          world_addr(w, from->replicas[n]))) {
                STORY(w, m->name, "replica %s of its disk is refused",
                      world_addr_name(w, from->replicas[n]));
            }
        }
        for (uint32_t n = 0; n < from->peers_count; n++) {
            char run_id[RUN_ID_MAX];

            world_run_text(from->peers[n].run, run_id);
            if (!failover_restore_peer(m->core, from->state.name,
                                       world_addr(w, from->peers[n].addr), run_id)) {
                STORY(w, m->name, "monitor %s of its disk is refused",
                      world_addr_name(w, from->peers[n].addr));
            }
        }
    }
}

/* Saves follow each other; those asked for while one is written are one. */
void monitor_persist(struct world *w, struct monitor *m, uint64_t seq)
{
    struct image *image = calloc(1, sizeof(*image));

    ASSERT(image != NULL);
    image_take(w, m, image);
    if (m->writing == NULL) {
        m->writing = image;
        m->writing_seq = seq;
        world_push(w,
                   w->now + 1 + (msec_t)world_random(w, (uint64_t)w->config.disk_ms) +
                       (m->disk_state == DISK_SLOW ? m->disk_slow_ms : 0),
                   WORLD_DISK, m->index, m->incarnation, 0);
        return;
    }
    if (m->waiting != NULL) {
        image_finish(m->waiting);
        free(m->waiting);
    }
    m->waiting = image;
    m->waiting_seq = seq;
}

void monitor_lose(struct world *w, struct monitor *m, bool losing)
{
    /* What was handed to the disk and not confirmed may stand there all the same. */
    if (m->writing != NULL && !losing && m->disk_state != DISK_FULL && world_chance(w, 50)) {
        image_finish(&m->disk);
        m->disk = *m->writing;
        free(m->writing);
        m->writing = NULL;
    }
    image_finish(m->writing);
    free(m->writing);
    image_finish(m->waiting);
    free(m->waiting);
    m->writing = NULL;
    m->waiting = NULL;
    m->done_pending = false;
}
