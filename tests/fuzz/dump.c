/* LAMMPS dumps as files made elsewhere: refused with a reason, or frames that read the same forwards and once more. */
#include "fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "engine/trajectory/trajectory.h"

enum { MOST_FRAMES = 20 };

/* Formats are told by content; those of other libraries are not for this target. */
static bool of_others(const uint8_t *data, size_t size) {
  return size >= 4 && (memcmp(data, "CDF", 3) == 0 || memcmp(data, "\x89HDF", 4) == 0 || memcmp(data, "\x1f\x8b", 2) == 0);
}

static double sum(const qn_frame *frame) {
  double total = 0.0;
  for (int64_t i = 0; i < frame->count; i++) total += frame->r[0][i] + frame->r[1][i] + frame->r[2][i];
  return total;
}

static void read_all(const char *path, const qn_trajectory_options *options) {
  qn_trajectory *trajectory = NULL;
  qn_error error = {0};
  if (qn_trajectory_open_with(&trajectory, path, options, &error) != QN_OK) {
    EXPECT(error.message[0] != '\0', "refused without a reason");
    return;
  }
  const qn_trajectory_info *info = qn_trajectory_describe(trajectory);
  double first = 0.0, again = 0.0;
  qn_frame frame;
  for (int64_t i = 0; i < info->frames && i < MOST_FRAMES; i++) {
    if (qn_trajectory_read(trajectory, i, &frame, &error) != QN_OK) break;
    EXPECT(frame.count == info->atoms, "frame %lld has %lld atoms", (long long)i, (long long)frame.count);
    if (i == 0) first = sum(&frame);
  }
  if (info->frames > 0 && qn_trajectory_read(trajectory, 0, &frame, &error) == QN_OK) {
    again = sum(&frame);
    EXPECT(memcmp(&first, &again, sizeof first) == 0, "frame 0 reads as %g and then as %g", first, again);
  }
  qn_trajectory_close(trajectory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (of_others(data, size)) return 0;
  char path[64];
  int file = memfd_create("dump", MFD_CLOEXEC);
  EXPECT(file >= 0 && write(file, data, size) == (ssize_t)size, "no file in memory");
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  static const qn_species named[] = {{"Cu", 63.546}, {"Zr", 91.224}};
  const qn_trajectory_options options = {.timestep = 0.001, .interval = 0.1, .species = named, .species_count = 2};
  read_all(path, &(qn_trajectory_options){0});
  read_all(path, &options);
  close(file);
  return 0;
}
