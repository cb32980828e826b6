#include "api/potential.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "api/hash.h"
#include "api/json.h"
#include "engine/potential/force.h"

bool qn_potential_is_symbol(const char *text) {
  size_t length = strlen(text);
  bool good = length > 0 && length < QN_SYMBOL_SIZE && text[0] >= 'A' && text[0] <= 'Z';
  for (size_t i = 1; good && i < length; i++)
    good =
        (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z') || (text[i] >= '0' && text[i] <= '9');
  return good;
}

static qn_status check_symbols(const qn_eam *potential, qn_error *error) {
  for (int s = 0; s < potential->species_count; s++)
    if (!qn_potential_is_symbol(potential->species[s].symbol))
      return qn_error_set(error, QN_UNSUPPORTED, "the species \"%s\" is not written like a chemical symbol, such as Cu",
                          potential->species[s].symbol);
  return QN_OK;
}

qn_status qn_potential_describe(const char *text, size_t size, qn_potential_facts *facts, qn_error *error) {
  qn_eam potential;
  *facts = (qn_potential_facts){0};
  qn_status status = qn_eam_parse(&potential, text, size, error);
  if (status != QN_OK) return status;
  status = check_symbols(&potential, error);
  if (status != QN_OK) {
    qn_eam_fini(&potential);
    return status;
  }
  const qn_force_options options = {.precision = QN_PRECISION_DOUBLE, .threads = 1};
  qn_hash_hex(text, size, facts->sha256);
  facts->finnis_sinclair = potential.finnis_sinclair;
  facts->cutoff_a = potential.cutoff;
  facts->smallest_length_a = qn_force_smallest_length(&potential, &options);
  facts->species_count = potential.species_count;
  memcpy(facts->species, potential.species, sizeof facts->species);
  memcpy(facts->lattice, potential.lattice, sizeof facts->lattice);
  memcpy(facts->lattice_constant_a, potential.lattice_constant, sizeof facts->lattice_constant_a);
  qn_eam_fini(&potential);
  return QN_OK;
}

bool qn_potential_is_name(const char *name) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  size_t length = strlen(name);
  if (length < 1 || length > QN_POTENTIAL_NAME_MOST || strchr(letters, name[0]) == NULL) return false;
  for (size_t i = 0; i < length; i++)
    if (strchr(letters, name[i]) == NULL && strchr("._-", name[i]) == NULL) return false;
  return true;
}

static json_t *render_elements(const qn_potential_facts *facts) {
  json_t *elements = json_array();
  for (int s = 0; s < facts->species_count; s++) {
    json_t *element = json_object();
    json_object_set_new(element, "symbol", qn_json_text(facts->species[s].symbol));
    json_object_set_new(element, "mass_amu", qn_json_number(facts->species[s].mass));
    json_object_set_new(element, "lattice", qn_json_text(facts->lattice[s]));
    json_object_set_new(element, "lattice_constant_a", qn_json_number(facts->lattice_constant_a[s]));
    json_array_append_new(elements, element);
  }
  return elements;
}

qn_status qn_potential_row_make(const char *name, const char *citation, const char *licence,
                                const qn_potential_facts *facts, size_t size, qn_potential_row *row, qn_error *error) {
  *row = (qn_potential_row){0};
  if (!qn_potential_is_name(name))
    return qn_error_set(error, QN_INVALID,
                        "\"%.120s\" is no name for a potential: 1 to %d letters, digits, dots, dashes or underscores "
                        "are accepted, beginning with a letter or digit",
                        name, QN_POTENTIAL_NAME_MOST);
  char species[QN_MAX_ELEMENTS * QN_SYMBOL_SIZE + 1] = "";
  for (int s = 0; s < facts->species_count; s++) {
    if (s > 0) strcat(species, ",");
    strcat(species, facts->species[s].symbol);
  }
  json_t *details = json_object();
  json_object_set_new(details, "smallest_length_a", qn_json_number(facts->smallest_length_a));
  json_object_set_new(details, "elements", render_elements(facts));
  *row = (qn_potential_row){.name = strdup(name),
                            .sha256 = strdup(facts->sha256),
                            .species = strdup(species),
                            .format = strdup(facts->finnis_sinclair ? "eam/fs" : "eam/alloy"),
                            .citation = strdup(citation),
                            .licence = strdup(licence),
                            .created_at = strdup(""),
                            .details = qn_json_write(details, true),
                            .cutoff_a = facts->cutoff_a,
                            .size = (int64_t)size};
  json_decref(details);
  if (row->name != NULL && row->sha256 != NULL && row->species != NULL && row->format != NULL &&
      row->citation != NULL && row->licence != NULL && row->created_at != NULL && row->details != NULL)
    return QN_OK;
  qn_potential_row_fini(row);
  return qn_error_set(error, QN_NO_MEMORY, "no memory for a potential");
}

static bool read_element(const json_t *element, qn_potential_facts *facts) {
  int s = facts->species_count;
  const char *symbol = json_string_value(json_object_get(element, "symbol")),
             *lattice = json_string_value(json_object_get(element, "lattice"));
  double mass = json_number_value(json_object_get(element, "mass_amu"));
  if (symbol == NULL || symbol[0] == '\0' || strlen(symbol) >= QN_SYMBOL_SIZE || lattice == NULL || !(mass > 0.0) ||
      s == QN_MAX_ELEMENTS)
    return false;
  memcpy(facts->species[s].symbol, symbol, strlen(symbol) + 1);
  snprintf(facts->lattice[s], sizeof facts->lattice[s], "%s", lattice);
  facts->species[s].mass = mass;
  facts->lattice_constant_a[s] = json_number_value(json_object_get(element, "lattice_constant_a"));
  facts->species_count++;
  return true;
}

qn_status qn_potential_facts_of_row(const qn_potential_row *row, qn_potential_facts *facts, qn_error *error) {
  *facts = (qn_potential_facts){.finnis_sinclair = strcmp(row->format, "eam/fs") == 0, .cutoff_a = row->cutoff_a};
  snprintf(facts->sha256, sizeof facts->sha256, "%s", row->sha256);
  json_t *details = json_loads(row->details, 0, NULL);
  const json_t *elements = json_object_get(details, "elements");
  facts->smallest_length_a = json_number_value(json_object_get(details, "smallest_length_a"));
  bool good = json_array_size(elements) > 0 && facts->smallest_length_a > 0.0;
  for (size_t i = 0; good && i < json_array_size(elements); i++)
    good = read_element(json_array_get(elements, i), facts);
  json_decref(details);
  return good ? QN_OK : qn_error_set(error, QN_CORRUPT, "the details of potential %s are damaged", row->name);
}
