#ifndef SENTINEL_CMD_CALLS_H
#define SENTINEL_CMD_CALLS_H

#include "resp/resp.h"

/* The functions of the rows in cmd_rows.def, each as command_call of cmd_table.h tells. */
struct client;

void cmd_acl_cat(struct client *c, const struct resp_command *command);
void cmd_acl_deluser(struct client *c, const struct resp_command *command);
void cmd_acl_dryrun(struct client *c, const struct resp_command *command);
void cmd_acl_genpass(struct client *c, const struct resp_command *command);
void cmd_acl_getuser(struct client *c, const struct resp_command *command);
void cmd_acl_help(struct client *c, const struct resp_command *command);
void cmd_acl_list(struct client *c, const struct resp_command *command);
void cmd_acl_load(struct client *c, const struct resp_command *command);
void cmd_acl_log(struct client *c, const struct resp_command *command);
void cmd_acl_save(struct client *c, const struct resp_command *command);
void cmd_acl_setuser(struct client *c, const struct resp_command *command);
void cmd_acl_users(struct client *c, const struct resp_command *command);
void cmd_acl_whoami(struct client *c, const struct resp_command *command);
void cmd_auth(struct client *c, const struct resp_command *command);
void cmd_client_caching(struct client *c, const struct resp_command *command);
void cmd_client_getname(struct client *c, const struct resp_command *command);
void cmd_client_getredir(struct client *c, const struct resp_command *command);
void cmd_client_help(struct client *c, const struct resp_command *command);
void cmd_client_id(struct client *c, const struct resp_command *command);
void cmd_client_info(struct client *c, const struct resp_command *command);
void cmd_client_kill(struct client *c, const struct resp_command *command);
void cmd_client_list(struct client *c, const struct resp_command *command);
void cmd_client_no_evict(struct client *c, const struct resp_command *command);
void cmd_client_pause(struct client *c, const struct resp_command *command);
void cmd_client_reply(struct client *c, const struct resp_command *command);
void cmd_client_setinfo(struct client *c, const struct resp_command *command);
void cmd_client_setname(struct client *c, const struct resp_command *command);
void cmd_client_tracking(struct client *c, const struct resp_command *command);
void cmd_client_trackinginfo(struct client *c, const struct resp_command *command);
void cmd_client_unblock(struct client *c, const struct resp_command *command);
void cmd_client_unpause(struct client *c, const struct resp_command *command);
void cmd_command_all(struct client *c, const struct resp_command *command);
void cmd_command_count(struct client *c, const struct resp_command *command);
void cmd_command_docs(struct client *c, const struct resp_command *command);
void cmd_command_getkeys(struct client *c, const struct resp_command *command);
void cmd_command_getkeysandflags(struct client *c, const struct resp_command *command);
void cmd_command_help(struct client *c, const struct resp_command *command);
void cmd_command_info(struct client *c, const struct resp_command *command);
void cmd_command_list(struct client *c, const struct resp_command *command);
void cmd_hello(struct client *c, const struct resp_command *command);
void cmd_info(struct client *c, const struct resp_command *command);
void cmd_ping(struct client *c, const struct resp_command *command);
void cmd_psubscribe(struct client *c, const struct resp_command *command);
void cmd_publish(struct client *c, const struct resp_command *command);
void cmd_punsubscribe(struct client *c, const struct resp_command *command);
void cmd_quit(struct client *c, const struct resp_command *command);
void cmd_reset(struct client *c, const struct resp_command *command);
void cmd_role(struct client *c, const struct resp_command *command);
void cmd_sentinel_ckquorum(struct client *c, const struct resp_command *command);
void cmd_sentinel_config(struct client *c, const struct resp_command *command);
void cmd_sentinel_debug(struct client *c, const struct resp_command *command);
void cmd_sentinel_failover(struct client *c, const struct resp_command *command);
void cmd_sentinel_flushconfig(struct client *c, const struct resp_command *command);
void cmd_sentinel_forget(struct client *c, const struct resp_command *command);
void cmd_sentinel_get_master_addr_by_name(struct client *c, const struct resp_command *command);
void cmd_sentinel_help(struct client *c, const struct resp_command *command);
void cmd_sentinel_info_cache(struct client *c, const struct resp_command *command);
void cmd_sentinel_is_master_down_by_addr(struct client *c, const struct resp_command *command);
void cmd_sentinel_master(struct client *c, const struct resp_command *command);
void cmd_sentinel_masters(struct client *c, const struct resp_command *command);
void cmd_sentinel_monitor(struct client *c, const struct resp_command *command);
void cmd_sentinel_myid(struct client *c, const struct resp_command *command);
void cmd_sentinel_pending_scripts(struct client *c, const struct resp_command *command);
void cmd_sentinel_remove(struct client *c, const struct resp_command *command);
void cmd_sentinel_replicas(struct client *c, const struct resp_command *command);
void cmd_sentinel_reset(struct client *c, const struct resp_command *command);
void cmd_sentinel_sentinels(struct client *c, const struct resp_command *command);
void cmd_sentinel_set(struct client *c, const struct resp_command *command);
void cmd_sentinel_simulate_failure(struct client *c, const struct resp_command *command);
void cmd_shutdown(struct client *c, const struct resp_command *command);
void cmd_subscribe(struct client *c, const struct resp_command *command);
void cmd_unsubscribe(struct client *c, const struct resp_command *command);

#endif
