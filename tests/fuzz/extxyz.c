/* Extended XYZ, plain or gzipped: refused with a reason, or structures that are written and read again bit for bit. */
#include "fuzz/fuzz.h"

#include "engine/trajectory/extxyz.h"

static void write_and_read(const qn_extxyz *first) {
  char *text = NULL;
  size_t size = 0;
  FILE *file = open_memstream(&text, &size);
  qn_error error = {0};
  const qn_extxyz_layout layout = {.digits = 17, .image = true, .velocities = first->has_velocities, .forces = first->has_forces};
  qn_status status = qn_extxyz_write(file, &first->atoms, &first->box, &layout, &error);
  fclose(file);
  EXPECT(status == QN_OK, "what was read cannot be written: %s", error.message);
  qn_extxyz second = {0};
  status = qn_extxyz_parse(&second, text, size, NULL, 0, &error);
  EXPECT(status == QN_OK, "what was written cannot be read: %s\n%s", error.message, text);
  EXPECT(second.atoms.count == first->atoms.count, "other atoms");
  for (int a = 0; a < 3; a++)
    EXPECT(memcmp(second.atoms.r[a], first->atoms.r[a], (size_t)first->atoms.count * sizeof(double)) == 0, "other positions:\n%s", text);
  qn_extxyz_fini(&second);
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = exact(data, size);
  qn_extxyz structure = {0};
  qn_error error = {0};
  if (qn_extxyz_parse(&structure, text, size, NULL, 0, &error) == QN_OK) write_and_read(&structure);
  qn_extxyz_fini(&structure);

  static const qn_species known[] = {{"Cu", 63.546}, {"Zr", 91.224}};
  qn_extxyz_reader *reader = NULL;
  bool found = true;
  if (qn_extxyz_open_text(&reader, text, size, known, 2, &error) == QN_OK)
    while (found && qn_extxyz_next(reader, &structure, &found, &error) == QN_OK) {
      qn_extxyz_fini(&structure);
      structure = (qn_extxyz){0};
    }
  qn_extxyz_close(reader);
  free(text);
  return 0;
}
