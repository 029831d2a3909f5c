/* Minari datasets: /episode_N/observations (T + 1 rows), actions, rewards, infos;
 * docs/formats/corpus.md. */
#include <string.h>

#include "io/internal/ragged.h"

static const ub_ragged layout = {
    .group = "/",
    .prefix = "episode_",
    .obs = "observations",
    .next = NULL,
    .rewards = "rewards",
    .success = {"infos/success", "infos/is_success"},
    .length = "total_steps",
    .extra = 1,
    .hint = "",
};

static bool recognise(hid_t file)
{
    ub_names links = {0};
    bool     found = false;
    if (ub_h5_links(file, "/", &links) == UB_OK)
        for (int64_t i = 0; i < links.count && !found; i++)
            found = strncmp(links.at[i], layout.prefix, strlen(layout.prefix)) == 0;
    ub_names_release(&links);
    return found;
}

static ub_status survey(hid_t file, const ub_settings *s, ub_plan *plan)
{
    return ub_ragged_survey(file, &layout, s, plan);
}

const ub_format ub_format_minari = {
    .name = "minari",
    .summary = "Minari: the dataset's folder or its main_data.hdf5, box and dict observations",
    .mark = "groups episode_N",
    .recognise = recognise,
    .survey = survey,
    .read = ub_ragged_read,
};
