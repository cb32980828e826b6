#include "api/csv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"

static void put(qn_csv *csv, const char *text, size_t size) { qn_text_put(&csv->text, text, size); }

static void begin(qn_csv *csv) {
  if (csv->inside) put(csv, ",", 1);
  csv->inside = true;
}

void qn_csv_text(qn_csv *csv, const char *text) {
  begin(csv);
  bool formula = text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL;
  if (!formula && text[strcspn(text, ",\"\r\n")] == '\0') {
    put(csv, text, strlen(text));
    return;
  }
  put(csv, formula ? "\"'" : "\"", formula ? 2 : 1);
  for (; *text != '\0'; text++) {
    if (*text == '"') put(csv, "\"", 1);
    put(csv, text, 1);
  }
  put(csv, "\"", 1);
}

void qn_csv_number(qn_csv *csv, double value) {
  char text[QN_NUMBER_SIZE];
  begin(csv);
  if (!isfinite(value)) return;
  qn_number_spell(value, text);
  put(csv, text, strlen(text));
}

void qn_csv_integer(qn_csv *csv, int64_t value) {
  char text[32];
  begin(csv);
  put(csv, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)value));
}

void qn_csv_end(qn_csv *csv) {
  put(csv, "\r\n", 2);
  csv->inside = false;
}
