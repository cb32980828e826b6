#include "server/store/embedded.h"

extern const char qn_embedded_potential[], qn_embedded_potential_end[];

/* migrations.inc is made by the build: one MIGRATION(number_and_name) a file, in order. */
#define MIGRATION(name) extern const char qn_embedded_migration_##name[], qn_embedded_migration_##name##_end[];
#include "migrations.inc"
#undef MIGRATION

static const struct { const char *name, *text, *end; } files[] = {
#define MIGRATION(name) {#name, qn_embedded_migration_##name, qn_embedded_migration_##name##_end},
#include "migrations.inc"
};

int qn_embedded_migration_count(void) { return (int)(sizeof files / sizeof files[0]); }

qn_embedded qn_embedded_migration(int index) {
  return (qn_embedded){files[index].name, files[index].text, (size_t)(files[index].end - files[index].text)};
}

qn_embedded qn_embedded_mendelev(void) {
  return (qn_embedded){"mendelev-2009-cuzr", qn_embedded_potential,
                       (size_t)(qn_embedded_potential_end - qn_embedded_potential)};
}
