#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/trajectory/extxyz.h"
#include "engine/trajectory/source.h"

typedef struct extxyz_source {
  qn_source base;
  qn_extxyz_reader *reader;
  int64_t next; /* index of the frame that the reader is at */
  char *path;
  const qn_reading_watch *watch;
  qn_species species[QN_MAX_SPECIES];
  int species_count;
} extxyz_source;

static void close_extxyz(qn_source *base) {
  extxyz_source *source = (extxyz_source *)base;
  qn_extxyz_close(source->reader);
  free(source->path);
  free(source);
}

static qn_status restart(extxyz_source *source, qn_error *error) {
  qn_extxyz_close(source->reader);
  source->reader = NULL;
  source->next = 0;
  qn_status status =
      qn_extxyz_open(&source->reader, source->path, source->species_count > 0 ? source->species : NULL, source->species_count, error);
  if (status == QN_OK) qn_extxyz_allow_open(source->reader);
  if (status == QN_OK) qn_extxyz_set_watch(source->reader, source->watch);
  return status;
}

static qn_status next_frame(extxyz_source *source, qn_extxyz *structure, bool *found, qn_error *error) {
  qn_status status = qn_extxyz_next(source->reader, structure, found, error);
  if (status != QN_OK) qn_error_prefix(error, "%s", source->path);
  source->next++;
  return status;
}

/* Without image counts a file does not say whether its positions were folded into the box. */
static qn_wrapping wrapping_of(const qn_extxyz *structure) {
  bool all_open = structure->open[0] && structure->open[1] && structure->open[2];
  return structure->has_image || all_open ? QN_WRAPPING_UNWRAPPED : QN_WRAPPING_UNKNOWN;
}

static qn_status read_frame(qn_source *base, int64_t index, qn_frame *frame, uint8_t *type, qn_error *error) {
  extxyz_source *source = (extxyz_source *)base;
  qn_status status = source->reader == NULL || index < source->next ? restart(source, error) : QN_OK;
  qn_extxyz structure = {0};
  while (status == QN_OK && source->next <= index) {
    bool found;
    qn_extxyz_fini(&structure);
    status = next_frame(source, &structure, &found, error);
    if (status == QN_OK && !found) status = qn_error_set(error, QN_CORRUPT, "%s: ends before frame %lld", source->path, (long long)index);
  }
  if (status != QN_OK) return status;
  const qn_atoms *atoms = &structure.atoms;
  if (atoms->count != frame->count) {
    status = qn_error_set(error, QN_UNSUPPORTED, "%s: frame %lld has %lld atoms, the first has %lld", source->path, (long long)index,
                          (long long)atoms->count, (long long)frame->count);
  } else {
    frame->box = structure.box;
    frame->wrapping = wrapping_of(&structure);
    memcpy(frame->open, structure.open, sizeof frame->open);
    double step;
    frame->step = qn_extxyz_numbers(&structure, "step", 1, &step) && fabs(step) < 9e15 ? (int64_t)step : index;
    memcpy(type, atoms->type, (size_t)atoms->count);
    for (int a = 0; a < 3; a++)
      for (int64_t i = 0; i < atoms->count; i++) frame->r[a][i] = atoms->r[a][i] + atoms->image[a][i] * structure.box.length[a];
  }
  qn_extxyz_fini(&structure);
  return status;
}

/* The whole file once: faults show at the start, not hours into an analysis. */
static qn_status scan(extxyz_source *source, qn_trajectory_info *info, double **time, qn_error *error) {
  qn_status status = restart(source, error);
  int64_t room = 0;
  for (;;) {
    qn_extxyz structure;
    bool found;
    if (status == QN_OK) status = next_frame(source, &structure, &found, error);
    if (status != QN_OK) return status;
    if (!found) break;
    if (info->frames == room) {
      room = room > 0 ? 2 * room : 1024;
      double *larger = realloc(*time, (size_t)room * sizeof **time);
      if (larger == NULL) {
        qn_extxyz_fini(&structure);
        return qn_error_set(error, QN_NO_MEMORY, "out of memory");
      }
      *time = larger;
    }
    (*time)[info->frames] = structure.time;
    if (info->frames == 0) {
      info->atoms = structure.atoms.count;
      info->wrapping = wrapping_of(&structure);
      memcpy(info->open, structure.open, sizeof info->open);
      info->species_count = source->species_count = structure.atoms.species_count;
      memcpy(info->species, structure.atoms.species, sizeof info->species);
      memcpy(source->species, structure.atoms.species, sizeof source->species);
    } else if (structure.atoms.count != info->atoms) {
      status = qn_error_set(error, QN_UNSUPPORTED, "%s: frame %lld has %lld atoms, the first has %lld", source->path, (long long)info->frames,
                            (long long)structure.atoms.count, (long long)info->atoms);
    }
    info->frames++;
    qn_extxyz_fini(&structure);
  }
  if (info->frames == 0) return qn_error_set(error, QN_PARSE, "%s: line 1: the file is empty", source->path);
  return restart(source, error);
}

qn_status qn_source_open_extxyz(qn_source **opened, const char *path, const qn_trajectory_options *options, qn_trajectory_info *info, double **time,
                                qn_error *error) {
  extxyz_source *source = qn_memory_alloc(1, sizeof *source);
  if (source == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  source->base = (qn_source){read_frame, close_extxyz};
  source->path = strdup(path);
  source->watch = options->watch;
  info->format = "extxyz";
  info->named = true;
  qn_status status = source->path == NULL ? qn_error_set(error, QN_NO_MEMORY, "out of memory") : scan(source, info, time, error);
  if (status != QN_OK) {
    close_extxyz(&source->base);
    return status;
  }
  *opened = &source->base;
  return QN_OK;
}
