/* The log: one JSON object a line on standard error, for journald and for people with jq. */
#ifndef QN_SERVER_LOG_H
#define QN_SERVER_LOG_H

void qn_log(const char *level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
