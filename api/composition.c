#include "api/composition.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct part {
  char symbol[QN_SYMBOL_SIZE];
  double tenths; /* of a per cent */
} part;

static int by_symbol(const void *a, const void *b) {
  return strcmp(((const part *)a)->symbol, ((const part *)b)->symbol);
}

static void spell(part *parts, int count, char name[QN_COMPOSITION_SIZE]) {
  size_t used = 0;
  qsort(parts, (size_t)count, sizeof *parts, by_symbol);
  name[0] = '\0';
  for (int p = 0; p < count && used < QN_COMPOSITION_SIZE; p++)
    used += (size_t)snprintf(name + used, QN_COMPOSITION_SIZE - used, "%s%.*f", parts[p].symbol,
                             fmod(parts[p].tenths, 10) == 0 ? 0 : 1, parts[p].tenths / 10);
}

void qn_composition_name(int species_count, const qn_species *species, const int64_t *atoms, char name[QN_COMPOSITION_SIZE]) {
  part parts[QN_MAX_SPECIES];
  int count = 0;
  int64_t all = 0;
  for (int s = 0; s < species_count; s++) all += atoms[s];
  for (int s = 0; s < species_count; s++) {
    if (atoms[s] == 0) continue;
    memcpy(parts[count].symbol, species[s].symbol, QN_SYMBOL_SIZE);
    parts[count++].tenths = round(1000.0 * (double)atoms[s] / (double)all);
  }
  spell(parts, count, name);
}

void qn_composition_of_atoms(const qn_atoms *atoms, char name[QN_COMPOSITION_SIZE]) {
  int64_t found[QN_MAX_SPECIES] = {0};
  for (int64_t i = 0; i < atoms->count; i++) found[atoms->type[i]]++;
  qn_composition_name(atoms->species_count, atoms->species, found, name);
}

bool qn_composition_parse(const char *text, char name[QN_COMPOSITION_SIZE]) {
  part parts[QN_MAX_SPECIES];
  int count = 0;
  double sum = 0.0;
  while (*text != '\0') {
    size_t letters = *text >= 'A' && *text <= 'Z' ? 1 + strspn(text + 1, "abcdefghijklmnopqrstuvwxyz") : 0;
    size_t digits = strspn(text + letters, "0123456789.");
    if (letters == 0 || letters >= QN_SYMBOL_SIZE || digits == 0 || digits > 16 || count == QN_MAX_SPECIES)
      return false;
    part *next = &parts[count++];
    char number[17];
    memcpy(next->symbol, text, letters);
    next->symbol[letters] = '\0';
    memcpy(number, text + letters, digits);
    number[digits] = '\0';
    char *end;
    next->tenths = round(10.0 * strtod(number, &end));
    if (*end != '\0' || !(next->tenths > 0.0)) return false;
    for (int p = 0; p + 1 < count; p++)
      if (strcmp(parts[p].symbol, next->symbol) == 0) return false;
    sum += next->tenths;
    text += letters + digits;
  }
  if (count == 0 || fabs(sum - 1000.0) > count) return false; /* each is rounded */
  spell(parts, count, name);
  return true;
}
