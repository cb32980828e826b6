/* The log: one JSON object a line on standard error, for journald and for people with jq. */
#ifndef QN_SERVER_LOG_H
#define QN_SERVER_LOG_H

void qn_log(const char *level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with fields of their own beside the message; `fields` (may be NULL) is taken over. */
struct json_t;
void qn_log_fields(const char *level, const char *message, struct json_t *fields);

#endif
