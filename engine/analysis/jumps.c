#include "engine/analysis/jumps.h"

#include <stdlib.h>
#include <string.h>

static const double BACKWARD = 1; /* A */

double qn_jump_square(const double vector[3], int axis) {
  double square = 0;
  for (int a = 0; a < 3; a++)
    if (a != axis) square += vector[a] * vector[a];
  return square;
}

void qn_jump_track_init(qn_jump_track *track) { *track = (qn_jump_track){.run = -1, .inside_since = INT32_MAX}; }

void qn_jump_track_fini(qn_jump_track *track) {
  for (int o = 0; o < QN_JUMP_OFFSETS; o++) free(track->kept[o].jump);
  memset(track, 0, sizeof *track);
}

/* There and back again? */
static bool undoes(const qn_jump *before, const qn_jump *now, int axis) {
  double sum[3], along = 0;
  for (int a = 0; a < 3; a++) {
    sum[a] = before->vector[a] + now->vector[a];
    if (a != axis) along += before->vector[a] * now->vector[a];
  }
  return along < 0 && qn_jump_square(sum, axis) < BACKWARD * BACKWARD;
}

static qn_status keep(qn_jump_list *list, const qn_jump *jump, int axis, qn_error *error) {
  if (list->count > 0 && undoes(&list->jump[list->count - 1], jump, axis)) {
    list->count--;
    return QN_OK;
  }
  if (list->count == list->room) {
    int room = list->room > 0 ? 2 * list->room : 4;
    qn_jump *larger = realloc(list->jump, (size_t)room * sizeof *larger);
    if (larger == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory for %d jumps of an atom", room);
    list->jump = larger;
    list->room = room;
  }
  list->jump[list->count++] = *jump;
  return QN_OK;
}

/* The run first .. last is over, and `end` is the window o after it. */
static qn_status finish(qn_jump_track *track, int o, int32_t first, int32_t last, const qn_jump_start *start, const qn_jump_window *end,
                        double debye_waller, int axis, qn_error *error) {
  if (!start->known) return QN_OK;
  qn_jump jump = {.first = first, .last = last, .begins = start->window.inside, .ends = end->inside, .always = track->inside_since <= first - o};
  jump.before = start->window.number;
  jump.after = end->number;
  for (int a = 0; a < 3; a++) jump.vector[a] = end->mean[a] - start->window.mean[a];
  return qn_jump_square(jump.vector, axis) < debye_waller ? QN_OK : keep(&track->kept[o - 1], &jump, axis, error);
}

qn_status qn_jump_track_add(qn_jump_track *track, const qn_jump_window *window, double debye_waller, int axis, qn_error *error) {
  int32_t j = track->windows;
  qn_status status = QN_OK;
  if (!window->inside) track->inside_since = INT32_MAX;
  else if (track->inside_since == INT32_MAX) track->inside_since = j;

  if (track->waiting && j == track->waiting_last + 2) {
    status = finish(track, 2, track->waiting_first, track->waiting_last, &track->waiting_start, window, debye_waller, axis, error);
    track->waiting = false;
  }
  if (window->flagged && track->run < 0) {
    track->run = j;
    for (int o = 1; o <= QN_JUMP_OFFSETS; o++) {
      track->start[o - 1].known = j - o >= 0;
      if (j - o >= 0) track->start[o - 1].window = track->last[(j - o) % QN_JUMP_OFFSETS];
    }
  } else if (!window->flagged && track->run >= 0) {
    if (status == QN_OK) status = finish(track, 1, track->run, j - 1, &track->start[0], window, debye_waller, axis, error);
    track->waiting = true;
    track->waiting_first = track->run;
    track->waiting_last = j - 1;
    track->waiting_start = track->start[1];
    track->run = -1;
  }
  track->last[j % QN_JUMP_OFFSETS] = *window;
  track->windows++;
  return status;
}
