/* Texts for people are UTF-8, also when they quote bytes of somebody's file or were cut to a size. */
#ifndef QN_BASE_UTF8_H
#define QN_BASE_UTF8_H

#include <stddef.h>

/* Length of the sequence at `text`, or 0 when it is none (Unicode 15, table 3-7); "" has one of length 1. */
size_t qn_utf8_length(const char *text);

/* Make `text` UTF-8, in place: bytes that are not become '?', and a sequence whose end was cut off at the end of the text goes. */
void qn_utf8_repair(char *text);

#endif
