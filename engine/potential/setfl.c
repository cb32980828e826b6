#include "engine/potential/setfl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NUMBER = 63 };

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }
static bool is_space(char c) { return is_blank(c) || c == '\n'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

int64_t qn_setfl_count(const qn_setfl *setfl) {
  int64_t count = 0;
  bool inside = false;
  for (const char *p = setfl->at; p < setfl->end; p++) {
    bool space = is_space(*p);
    count += inside && space;
    inside = !space;
  }
  return count + inside;
}

int64_t qn_setfl_last_line(const qn_setfl *setfl) {
  int64_t line = setfl->line, last = line;
  for (const char *p = setfl->at; p < setfl->end; p++) {
    if (*p == '\n') line++;
    else if (!is_blank(*p)) last = line;
  }
  return last;
}

bool qn_setfl_line(qn_setfl *setfl, char *text, size_t size) {
  if (setfl->at >= setfl->end) return false;
  size_t used = 0;
  while (setfl->at < setfl->end && *setfl->at != '\n') {
    char c = *setfl->at++;
    if (used + 1 < size) text[used++] = c >= ' ' && c <= '~' ? c : is_blank(c) ? ' ' : '?';
  }
  while (used > 0 && text[used - 1] == ' ') used--;
  text[used] = '\0';
  if (setfl->at < setfl->end) setfl->at++, setfl->line++;
  return true;
}

bool qn_setfl_next_in_line(qn_setfl *setfl, qn_setfl_token *token) {
  const char *p = setfl->at;
  while (p < setfl->end && is_blank(*p)) p++;
  if (p < setfl->end && *p != '\n') {
    token->text = p;
    while (p < setfl->end && !is_space(*p)) p++;
    token->size = (size_t)(p - token->text);
    setfl->at = p;
    setfl->last = setfl->line;
    return true;
  }
  if (p < setfl->end) p++, setfl->line++;
  setfl->at = p;
  return false;
}

bool qn_setfl_next(qn_setfl *setfl, qn_setfl_token *token) {
  while (!qn_setfl_next_in_line(setfl, token))
    if (setfl->at >= setfl->end) return false;
  return true;
}

static qn_status refuse(const qn_setfl *setfl, qn_setfl_token token, const char *reason, qn_error *error) {
  char shown[32];
  size_t size = token.size < sizeof shown - 1 ? token.size : sizeof shown - 1;
  for (size_t i = 0; i < size; i++) shown[i] = token.text[i] >= ' ' && token.text[i] <= '~' ? token.text[i] : '?';
  shown[size] = '\0';
  return qn_error_set(error, QN_PARSE, "line %lld: '%s' is %s", (long long)setfl->line, shown, reason);
}

/* The slow road, correctly rounded for every length; the text is known to have the form of a number. */
static double convert(qn_setfl_token token) {
  char text[LONGEST_NUMBER + 1];
  for (size_t i = 0; i < token.size; i++) {
    char c = token.text[i];
    text[i] = c == 'd' || c == 'D' ? 'e' : c;
  }
  text[token.size] = '\0';
  return strtod(text, NULL);
}

qn_status qn_setfl_double(const qn_setfl *setfl, qn_setfl_token token, double *value, qn_error *error) {
  static const double POWER[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  if (token.size > LONGEST_NUMBER) return refuse(setfl, token, "too long for a number", error);
  const char *p = token.text, *end = token.text + token.size;
  bool negative = *p == '-';
  if (*p == '-' || *p == '+') p++;
  uint64_t digits = 0;
  int count = 0, significant = 0, exponent = 0;
  for (bool fraction = false; p < end && (is_digit(*p) || (*p == '.' && !fraction)); p++) {
    if (*p == '.') {
      fraction = true;
      continue;
    }
    count++;
    if (significant > 0 || *p != '0') significant++;
    if (significant <= 19) digits = digits * 10 + (uint64_t)(*p - '0');
    exponent -= fraction;
  }
  if (count == 0) return refuse(setfl, token, "not a number", error);
  if (p < end && (*p == 'e' || *p == 'E' || *p == 'd' || *p == 'D')) {
    p++;
    bool below = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (p == end) return refuse(setfl, token, "not a number", error);
    int written = 0;
    for (; p < end && is_digit(*p); p++)
      if (written < 100000) written = written * 10 + (*p - '0');
    exponent += below ? -written : written;
  }
  if (p != end) return refuse(setfl, token, "not a number", error);

  /* An integer below 2^53 times or over a power of ten below 10^23: both exact, so one rounding, the right one (Clinger 1990). */
  if (significant <= 19 && digits <= 1ull << 53 && exponent >= -22 && exponent <= 22) {
    double magnitude = exponent < 0 ? (double)digits / POWER[-exponent] : (double)digits * POWER[exponent];
    *value = negative ? -magnitude : magnitude;
  } else {
    *value = convert(token);
  }
  return isfinite(*value) ? QN_OK : refuse(setfl, token, "not finite", error);
}

qn_status qn_setfl_int(const qn_setfl *setfl, qn_setfl_token token, int64_t *value, qn_error *error) {
  const char *p = token.text, *end = token.text + token.size;
  bool negative = *p == '-';
  if (*p == '-' || *p == '+') p++;
  if (p == end || end - p > 18) return refuse(setfl, token, "not a whole number", error);
  int64_t magnitude = 0;
  for (; p < end; p++) {
    if (!is_digit(*p)) return refuse(setfl, token, "not a whole number", error);
    magnitude = magnitude * 10 + (*p - '0');
  }
  *value = negative ? -magnitude : magnitude;
  return QN_OK;
}
