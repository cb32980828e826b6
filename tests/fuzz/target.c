/* Request targets: taken apart, and where that is possible answered by the API with a document that is whole. */
#include "fuzz/fuzz.h"

#include <jansson.h>

#include "api/fake_store.h"
#include "api/route.h"
#include "server/httpd/target.h"

static const char *no_header(const void *context, const char *name) {
  (void)context, (void)name;
  return NULL;
}

static void answer(qn_store *store, const char *method, const qn_target *target) {
  qn_request request = {.method = method, .path = target->path, .query_count = target->query_count, .query = target->query, .body = "",
                        .principal = {.name = "fuzz", .scope = QN_SCOPE_ADMIN}, .request_id = "fuzz", .header = no_header};
  qn_response response;
  qn_response_init(&response);
  qn_api_answer(store, &request, &response);
  EXPECT(response.status >= 200 && response.status < 500, "%s %s: %d %.*s", method, target->path, response.status,
         (int)response.size, response.bytes != NULL ? response.bytes : "");
  if (response.kind == QN_BODY_BYTES && response.content_type != NULL && strstr(response.content_type, "json") != NULL) {
    json_t *body = json_loadb(response.bytes, response.size, JSON_REJECT_DUPLICATES, NULL);
    EXPECT(body != NULL, "no JSON: %.*s", (int)response.size, response.bytes);
    json_decref(body);
  }
  qn_response_fini(&response);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static qn_store *store;
  if (store == NULL) {
    store = fake_store_alloc();
    fake_store_add_result(store, "diffusion_coefficient", 1e-9, "bulk");
  }
  char *raw = text_of(data, size);
  qn_target target;
  const char *fault;
  int status = qn_target_parse(&target, raw, &fault);
  EXPECT(status == 0 || (status >= 400 && status < 500 && fault[0] != '\0'), "%d %s", status, fault);
  if (status == 0) {
    answer(store, "GET", &target);
    answer(store, "DELETE", &target);
  }
  qn_target_fini(&target);
  free(raw);
  return 0;
}
