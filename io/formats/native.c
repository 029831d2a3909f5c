/* Ragged episodes: /episodes/ID/obs, actions, rewards, success; docs/formats/corpus.md. */
#include "io/internal/ragged.h"

static const ub_ragged layout = {
    .group = "/episodes",
    .prefix = "",
    .obs = "obs",
    .next = NULL,
    .rewards = "rewards",
    .success = {"success"},
    .length = "num_steps",
    .hint = "",
};

static bool recognise(hid_t file)
{
    return ub_h5_look(file, "episodes") == UB_H5_GROUP;
}

static ub_status survey(hid_t file, const ub_settings *s, ub_plan *plan)
{
    return ub_ragged_survey(file, &layout, s, plan);
}

const ub_format ub_format_native = {
    .name = "native",
    .summary = "trajectory-corpus: one group of datasets an episode, of any length",
    .mark = "a group episodes",
    .recognise = recognise,
    .survey = survey,
    .read = ub_ragged_read,
};
