#include "engine/base/utf8.h"

/* How many bytes the first one says there are; 0: it begins none. */
static size_t announced(unsigned char first) {
  if (first < 0x80) return 1;
  return first >= 0xf0 && first <= 0xf4   ? 4
         : first >= 0xe0 && first <= 0xef ? 3
         : first >= 0xc2 && first <= 0xdf ? 2
                                          : 0;
}

/* How many of the announced bytes are as they should be, from the first on. */
static size_t sound(const unsigned char *text, size_t length) {
  unsigned char low = 0x80, high = 0xbf;
  if (text[0] == 0xe0) low = 0xa0;
  if (text[0] == 0xed) high = 0x9f;
  if (text[0] == 0xf0) low = 0x90;
  if (text[0] == 0xf4) high = 0x8f;
  size_t count = 1;
  for (; count < length && text[count] >= low && text[count] <= high; count++, low = 0x80, high = 0xbf) continue;
  return count;
}

size_t qn_utf8_length(const char *text) {
  const unsigned char *bytes = (const unsigned char *)text;
  size_t length = announced(bytes[0]);
  return length > 0 && sound(bytes, length) == length ? length : 0;
}

void qn_utf8_repair(char *text) {
  while (*text != '\0') {
    size_t length = announced((unsigned char)*text), good = length > 0 ? sound((const unsigned char *)text, length) : 0;
    if (length > 0 && good < length && text[good] == '\0') {
      *text = '\0';
    } else if (length > 0 && good == length) {
      text += length;
    } else {
      *text++ = '?';
    }
  }
}
