#include "api/query.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/read.h"

static void fault(qn_faults *faults, const char *name, const char *detail) {
  char pointer[QN_POINTER_SIZE];
  if (faults == NULL) return;
  snprintf(pointer, sizeof pointer, "?%s", name);
  qn_faults_add(faults, pointer, "%s", detail);
}

static bool read_integer(const char *text, int64_t *value) {
  size_t digits = strspn(text[0] == '-' ? text + 1 : text, "0123456789");
  if (digits == 0 || digits > 18 || (text[0] == '-' ? text + 1 : text)[digits] != '\0') return false;
  *value = strtoll(text, NULL, 10);
  return true;
}

int64_t qn_query_integer(const qn_request *request, const char *name, int64_t minimum, int64_t maximum,
                         int64_t fallback, qn_faults *faults) {
  const char *text = qn_request_query(request, name);
  int64_t value = 0;
  if (text == NULL) return fallback;
  if (read_integer(text, &value) && value >= minimum && value <= maximum) return value;
  char detail[160];
  snprintf(detail, sizeof detail, "must be an integer from %lld to %lld", (long long)minimum, (long long)maximum);
  fault(faults, name, detail);
  return fallback;
}

double qn_query_number(const qn_request *request, const char *name, double fallback, qn_faults *faults) {
  const char *text = qn_request_query(request, name);
  if (text == NULL) return fallback;
  char *end;
  double value = strtod(text, &end);
  size_t length = strspn(text, "+-.0123456789eE");
  bool plain = length > 0 && length < QN_QUERY_NUMBER_SIZE && text[length] == '\0';
  if (plain && *end == '\0' && isfinite(value)) return value;
  fault(faults, name, "must be a number");
  return fallback;
}

const char *qn_query_text(const qn_request *request, const char *name, qn_faults *faults) {
  const char *text = qn_request_query(request, name);
  if (text == NULL) return NULL;
  size_t length = strlen(text);
  if (length >= 1 && length < QN_QUERY_TEXT_SIZE) return text;
  fault(faults, name, "must be a text of 1 to 100 bytes");
  return NULL;
}

int qn_query_word(const qn_request *request, const char *name, const char *const *words, qn_faults *faults) {
  const char *text = qn_request_query(request, name);
  if (text == NULL) return -1;
  int count = 0;
  while (words[count] != NULL && strcmp(words[count], text) != 0) count++;
  if (words[count] != NULL) return count;
  const char *nearest = qn_reader_nearest(text, words, count);
  char detail[QN_DETAIL_SIZE] = "";
  size_t used = nearest != NULL ? (size_t)snprintf(detail, sizeof detail, "nearest is %s; ", nearest) : 0;
  for (int i = 0; i < count && used < sizeof detail; i++)
    used += (size_t)snprintf(detail + used, sizeof detail - used, "%s%s", i > 0 ? ", " : "accepted: ", words[i]);
  fault(faults, name, detail);
  return -1;
}

qn_page_query qn_query_page(const qn_request *request, qn_faults *faults) {
  return (qn_page_query){.before = qn_query_integer(request, "cursor", 1, 999999999999999999, 0, faults),
                         .limit = (int)qn_query_integer(request, "limit", 1, QN_MOST_PAGE, QN_USUAL_PAGE, faults)};
}

void qn_query_check_page(const qn_request *request, qn_faults *faults) { qn_query_page(request, faults); }

void qn_query_check_page_of(const qn_request *request, qn_faults *faults) {
  qn_query_page(request, faults);
  qn_query_integer(request, "simulation", 1, INT64_MAX, 0, faults);
}

void qn_query_check(const qn_request *request, const char *const *known, qn_faults *faults) {
  int count = 0;
  char accepted[QN_DETAIL_SIZE - 120] = "none";
  for (size_t used = 0; known != NULL && known[count] != NULL; count++)
    if (used < sizeof accepted)
      used += (size_t)snprintf(accepted + used, sizeof accepted - used, "%s%s", count > 0 ? ", " : "", known[count]);
  for (int i = 0; i < request->query_count; i++) {
    const char *name = request->query[i].name;
    bool found = false, twice = false;
    for (int k = 0; k < count && !found; k++) found = strcmp(known[k], name) == 0;
    for (int k = 0; k < i && !twice; k++) twice = strcmp(request->query[k].name, name) == 0;
    char detail[QN_DETAIL_SIZE];
    const char *nearest = found ? NULL : qn_reader_nearest(name, known, count);
    if (!found) {
      snprintf(detail, sizeof detail, "unknown parameter%s%s; accepted: %s", nearest != NULL ? "; nearest is " : "",
               nearest != NULL ? nearest : "", accepted);
      fault(faults, name, detail);
    } else if (twice) {
      fault(faults, name, "comes twice; once is accepted");
    }
  }
}

int64_t qn_path_id(const char *text) {
  int64_t value = 0;
  return read_integer(text, &value) && value > 0 && text[0] != '0' ? value : 0;
}
