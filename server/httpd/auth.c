#include "server/httpd/auth.h"

#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/clock.h"

enum { MEMORY = 512 };

typedef struct memory {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  double until;
  bool wrong;
  qn_principal principal;
} memory;

struct qn_authority {
  const qn_httpd_backend *backend;
  bool loopback;
  pthread_mutex_t lock;
  bool open;          /* no token exists, as far as was known until `open_until` */
  double open_until;
  memory memory[MEMORY];
};

qn_authority *qn_auth_alloc(const qn_httpd_backend *backend, bool loopback) {
  qn_authority *authority = calloc(1, sizeof *authority);
  if (authority == NULL) return NULL;
  authority->backend = backend;
  authority->loopback = loopback;
  pthread_mutex_init(&authority->lock, NULL);
  return authority;
}

void qn_auth_free(qn_authority *authority) {
  if (authority == NULL) return;
  pthread_mutex_destroy(&authority->lock);
  free(authority);
}

static void be_local(qn_principal *principal) {
  *principal = (qn_principal){.token = 0, .name = "local", .scope = QN_SCOPE_ADMIN};
}

/* The secret of "Bearer SECRET", or NULL. */
static const char *secret_of(const char *authorization) {
  if (authorization == NULL || strncasecmp(authorization, "Bearer ", 7) != 0) return NULL;
  const char *secret = authorization + 7;
  while (*secret == ' ') secret++;
  return secret;
}

static bool is_secret(const char *secret) {
  static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  size_t length = strlen(secret);
  return length >= 8 && length <= 128 && strspn(secret, allowed) == length;
}

static memory *slot_of(qn_authority *authority, const char *secret, unsigned char digest[SHA256_DIGEST_LENGTH]) {
  SHA256((const unsigned char *)secret, strlen(secret), digest);
  return &authority->memory[((unsigned int)digest[0] | (unsigned int)digest[1] << 8) % MEMORY];
}

qn_auth qn_auth_recall(qn_authority *authority, const char *authorization, qn_principal *principal) {
  memset(principal, 0, sizeof *principal);
  const char *secret = secret_of(authorization);
  double time = qn_clock_now();
  qn_auth answer = QN_AUTH_LOOK_UP;
  pthread_mutex_lock(&authority->lock);
  bool fresh = time < authority->open_until;
  if (authority->loopback && !fresh) {
    answer = QN_AUTH_LOOK_UP;
  } else if (authority->loopback && authority->open) {
    be_local(principal);
    answer = QN_AUTH_KNOWN;
  } else if (authorization == NULL) {
    answer = QN_AUTH_MISSING;
  } else if (secret == NULL || !is_secret(secret)) {
    answer = QN_AUTH_WRONG;
  } else {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    const memory *slot = slot_of(authority, secret, digest);
    if (time < slot->until && memcmp(slot->digest, digest, sizeof digest) == 0) {
      answer = slot->wrong ? QN_AUTH_WRONG : QN_AUTH_KNOWN;
      *principal = slot->principal;
    }
  }
  pthread_mutex_unlock(&authority->lock);
  return answer;
}

/* Find out whether the server runs without tokens. False when the backend does not say. */
static bool refresh_open(qn_authority *authority, qn_error *error) {
  if (!authority->loopback) return true;
  pthread_mutex_lock(&authority->lock);
  bool fresh = qn_clock_now() < authority->open_until;
  pthread_mutex_unlock(&authority->lock);
  if (fresh) return true;
  int64_t count = 0;
  if (authority->backend->count_tokens(authority->backend->context, &count, error) != QN_OK) return false;
  pthread_mutex_lock(&authority->lock);
  authority->open = count == 0;
  authority->open_until = qn_clock_now() + QN_AUTH_SECONDS;
  pthread_mutex_unlock(&authority->lock);
  return true;
}

qn_auth qn_auth_look_up(qn_authority *authority, const char *authorization, qn_principal *principal, qn_error *error) {
  if (!refresh_open(authority, error)) return QN_AUTH_UNAVAILABLE;
  qn_auth answer = qn_auth_recall(authority, authorization, principal);
  if (answer != QN_AUTH_LOOK_UP) return answer;
  const char *secret = secret_of(authorization);
  if (secret == NULL || !is_secret(secret)) return authorization == NULL ? QN_AUTH_MISSING : QN_AUTH_WRONG;

  double asked = qn_clock_now(); /* what is revoked while the answer is on its way is not good for longer */
  qn_status status = authority->backend->authenticate(authority->backend->context, secret, principal, error);
  if (status != QN_OK) memset(principal, 0, sizeof *principal);
  if (status != QN_OK && status != QN_NOT_FOUND) return QN_AUTH_UNAVAILABLE;
  unsigned char digest[SHA256_DIGEST_LENGTH];
  pthread_mutex_lock(&authority->lock);
  memory *slot = slot_of(authority, secret, digest);
  memcpy(slot->digest, digest, sizeof digest);
  slot->until = asked + QN_AUTH_SECONDS;
  slot->wrong = status != QN_OK;
  slot->principal = *principal;
  pthread_mutex_unlock(&authority->lock);
  return status == QN_OK ? QN_AUTH_KNOWN : QN_AUTH_WRONG;
}

bool qn_auth_trusted(qn_authority *authority, const char *authorization) {
  const char *secret = secret_of(authorization);
  if (secret == NULL || !is_secret(secret)) return false;
  unsigned char digest[SHA256_DIGEST_LENGTH];
  pthread_mutex_lock(&authority->lock);
  const memory *slot = slot_of(authority, secret, digest);
  bool trusted = slot->until > 0 && !slot->wrong && memcmp(slot->digest, digest, sizeof digest) == 0;
  pthread_mutex_unlock(&authority->lock);
  return trusted;
}

void qn_auth_forget(qn_authority *authority) {
  pthread_mutex_lock(&authority->lock);
  memset(authority->memory, 0, sizeof authority->memory);
  authority->open_until = 0;
  pthread_mutex_unlock(&authority->lock);
}
