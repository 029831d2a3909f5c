/* robomimic demonstrations: /data/demo_N/obs/..., actions, rewards, dones; docs/formats/corpus.md.
 */
#include <string.h>

#include "io/internal/ragged.h"

static const ub_ragged layout = {
    .group = "/data",
    .prefix = "demo_",
    .obs = "obs",
    .next = "next_obs",
    .rewards = "rewards",
    /* Its rewards are sparse: 1 on success.  `dones` may mark the end of every demonstration. */
    .success = {"success", "rewards"},
    .length = "num_samples",
    .hint = ": a raw robosuite recording holds simulator states only, make observations first "
            "(robomimic's dataset_states_to_obs)",
};

static bool recognise(hid_t file)
{
    ub_names links = {0};
    bool     found = false;
    if (ub_h5_look(file, "data") != UB_H5_GROUP)
        return false;
    if (ub_h5_links(file, "data", &links) == UB_OK)
        for (int64_t i = 0; i < links.count && !found; i++)
            found = strncmp(links.at[i], layout.prefix, strlen(layout.prefix)) == 0;
    ub_names_release(&links);
    return found;
}

static ub_status survey(hid_t file, const ub_settings *s, ub_plan *plan)
{
    return ub_ragged_survey(file, &layout, s, plan);
}

const ub_format ub_format_robomimic = {
    .name = "robomimic",
    .summary = "robomimic: demonstrations with observations by name",
    .mark = "groups data/demo_N",
    .recognise = recognise,
    .survey = survey,
    .read = ub_ragged_read,
};
