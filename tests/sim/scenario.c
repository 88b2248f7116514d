#include "sim/scenario.h"
bool scenario_play(const char *path, const struct scenario_options *options, struct err *err)
{
    (void)options;
    return err_set(err, "%s", path);
}
