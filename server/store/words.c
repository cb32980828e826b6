#include "server/store/words.h"

#include <string.h>

void qn_words_join(char *text) {
  size_t length = strlen(text);
  while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == ' ')) text[--length] = '\0';
  for (char *c = text; *c != '\0'; c++)
    if (*c == '\n') *c = ' ';
}

void qn_words_join_error(qn_error *error) {
  if (error != NULL) qn_words_join(error->message);
}
