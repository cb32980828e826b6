#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "engine/base/number.h"
#include "engine/trajectory/elements.h"
#include "engine/trajectory/extxyz.h"
#include "engine/trajectory/extxyz_keys.h"

static void write_box(FILE *file, const qn_box *box, const bool open[3], int digits) {
  fprintf(file, "Lattice=\"%.*g 0 0 0 %.*g 0 0 0 %.*g\" Origin=\"%.*g %.*g %.*g\" pbc=\"%c %c %c\"", digits, box->length[0], digits,
          box->length[1], digits, box->length[2], digits, box->origin[0], digits, box->origin[1], digits, box->origin[2], open[0] ? 'F' : 'T',
          open[1] ? 'F' : 'T', open[2] ? 'F' : 'T');
}

/* Whether a reader could not tell every mass by the symbol. */
static bool want_masses(const qn_species *species, int count) {
  for (int s = 0; s < count; s++)
    if (!(qn_element_mass(species[s].symbol) > 0)) return true;
  return false;
}

static qn_status finish(FILE *file, qn_error *error) {
  if (fflush(file) != 0 || ferror(file)) return qn_error_system(error, errno, "cannot write extended XYZ");
  return QN_OK;
}

qn_status qn_extxyz_write(FILE *file, const qn_atoms *atoms, const qn_box *box, const qn_extxyz_layout *layout, qn_error *error) {
  const int digits = layout->digits > 0 ? layout->digits : 17;
  const bool masses = want_masses(atoms->species, atoms->species_count);
  const qn_extxyz_key *comment = NULL;
  for (int k = 0; k < layout->key_count; k++) {
    qn_status status = qn_extxyz_check_name(layout->keys[k].name, error);
    if (status != QN_OK) return status;
    if (strcmp(layout->keys[k].name, "comment") == 0) comment = &layout->keys[k];
  }

  fprintf(file, "%lld\n", (long long)atoms->count);
  write_box(file, box, (const bool[3]){false, false, false}, digits);
  for (int k = 0; k < layout->key_count; k++)
    if (&layout->keys[k] != comment) qn_extxyz_put_key(file, layout->keys[k].name, layout->keys[k].value, error);
  fprintf(file, " Properties=species:S:1:pos:R:3%s%s%s%s%s", layout->velocities ? ":velocities:R:3" : "", layout->forces ? ":forces:R:3" : "",
          layout->local_energy != NULL ? ":local_energy:R:1" : "", layout->image ? ":image:I:3" : "",
          masses ? ":masses:R:1" : "");
  if (comment != NULL) qn_extxyz_put_key(file, comment->name, comment->value, error);
  fputc('\n', file);

  for (int64_t i = 0; i < atoms->count; i++) {
    fputs(atoms->species[atoms->type[i]].symbol, file);
    for (int a = 0; a < 3; a++) {
      /* The branch keeps the sign of a zero, and the bits of atoms that never left the box. */
      bool home = layout->image || atoms->image[a][i] == 0;
      fprintf(file, " %.*g", digits, home ? atoms->r[a][i] : atoms->r[a][i] + atoms->image[a][i] * box->length[a]);
    }
    if (layout->velocities) fprintf(file, " %.*g %.*g %.*g", digits, atoms->v[0][i], digits, atoms->v[1][i], digits, atoms->v[2][i]);
    if (layout->forces) fprintf(file, " %.*g %.*g %.*g", digits, atoms->f[0][i], digits, atoms->f[1][i], digits, atoms->f[2][i]);
    if (layout->local_energy != NULL) fprintf(file, " %.*g", digits, layout->local_energy[i]);
    if (layout->image) fprintf(file, " %d %d %d", (int)atoms->image[0][i], (int)atoms->image[1][i], (int)atoms->image[2][i]);
    if (masses) fprintf(file, " %.17g", atoms->species[atoms->type[i]].mass);
    fputc('\n', file);
  }
  return finish(file, error);
}

int qn_extxyz_provenance(const qn_provenance *provenance, qn_extxyz_key keys[QN_EXTXYZ_PROVENANCE]) {
  static char names[QN_EXTXYZ_PROVENANCE][20] = {"spec_sha256", "potential", "potential_sha256", "engine_version"};
  const char *const values[QN_EXTXYZ_PROVENANCE] = {provenance->spec_sha256, provenance->potential, provenance->potential_sha256,
                                                    provenance->engine_version};
  int count = 0;
  for (int k = 0; k < QN_EXTXYZ_PROVENANCE; k++)
    if (values[k][0] != '\0') keys[count++] = (qn_extxyz_key){names[k], (char *)(uintptr_t)values[k]};
  return count;
}

qn_status qn_extxyz_write_frame(FILE *file, const qn_frame *frame, const qn_provenance *provenance, qn_error *error) {
  qn_extxyz_key keys[QN_EXTXYZ_PROVENANCE];
  int count = provenance != NULL ? qn_extxyz_provenance(provenance, keys) : 0;
  char time[QN_NUMBER_SIZE] = "nan";
  if (!isnan(frame->time)) qn_number_spell(frame->time, time);
  fprintf(file, "%lld\n", (long long)frame->count);
  write_box(file, &frame->box, frame->open, 17);
  fprintf(file, " Time_ps=%s step=%lld", time, (long long)frame->step);
  for (int k = 0; k < count; k++) qn_extxyz_put_key(file, keys[k].name, keys[k].value, error);
  const bool masses = want_masses(frame->species, frame->species_count);
  fprintf(file, " Properties=species:S:1:pos:R:3%s\n", masses ? ":masses:R:1" : "");
  for (int64_t i = 0; i < frame->count; i++) {
    const qn_species *species = &frame->species[frame->type[i]];
    fprintf(file, "%s %.17g %.17g %.17g", species->symbol, frame->r[0][i], frame->r[1][i], frame->r[2][i]);
    if (masses) fprintf(file, " %.17g", species->mass);
    fputc('\n', file);
  }
  return finish(file, error);
}
