/* Answers: JSON resources with an ETag, lists with a cursor, files. */
#ifndef QN_API_REPLY_H
#define QN_API_REPLY_H

#include <jansson.h>

#include "api/message.h"

/* JSON with a status. Takes the reference; NULL (no memory) becomes a 503. */
void qn_reply_json(qn_response *response, const qn_request *request, int status, json_t *value);

/* One resource: 200 with an ETag of its content, or 304 when If-None-Match has that. Takes the reference. */
void qn_reply_resource(qn_response *response, const qn_request *request, json_t *value);

/* Text (taken over, malloc'ed) that is its own resource, likewise with an ETag; `type` is a literal. */
void qn_reply_text(qn_response *response, const qn_request *request, const char *type, char *text, size_t size);

/* A page of a list: {"items": [...], "next": URL or null}, and Link: rel="next" with the URL of the page after `last`. Takes the reference. A list that
 * goes on with filters too long for that URL becomes a 414. */
void qn_reply_page(qn_response *response, const qn_request *request, json_t *items, bool more, int64_t last);
/* Only the header, for lists in another form; after the answer was filled in. */
void qn_reply_link_next(qn_response *response, const qn_request *request, bool more, int64_t last);

/* Set ETag to "tag" (without quotes) and tell whether If-None-Match has it; then `response` is a finished 304. */
bool qn_reply_not_modified(qn_response *response, const qn_request *request, const char *tag);

/* A whole file, open as `descriptor` (taken over), of `size` bytes, to be saved under a name. */
void qn_reply_file(qn_response *response, const char *type, int descriptor, size_t size, const char *name_format, ...)
    __attribute__((format(printf, 5, 6)));

/* Does the client prefer `type` over application/json by its Accept header? */
bool qn_reply_prefers(const qn_request *request, const char *type);

#endif
