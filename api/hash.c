#include "api/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1 << 18 };

static void spell(const unsigned char *digest, char hex[QN_HASH_SIZE]) {
  for (int i = 0; i < SHA256_DIGEST_LENGTH; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

void qn_hash_hex(const void *data, size_t size, char hex[QN_HASH_SIZE]) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(data, size, digest);
  spell(digest, hex);
}

qn_status qn_hash_file(const char *path, char hex[QN_HASH_SIZE], qn_error *error) {
  FILE *file = fopen(path, "rbe");
  if (file == NULL) return qn_error_set(error, QN_IO, "cannot read %s: %s", path, strerror(errno));
  unsigned char *block = malloc(BLOCK), digest[SHA256_DIGEST_LENGTH];
  EVP_MD_CTX *hash = EVP_MD_CTX_new();
  qn_status status = QN_OK;
  if (block == NULL || hash == NULL || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1)
    status = qn_error_set(error, QN_NO_MEMORY, "no memory to hash %s", path);
  for (size_t got; status == QN_OK && (got = fread(block, 1, BLOCK, file)) > 0;) EVP_DigestUpdate(hash, block, got);
  if (status == QN_OK && ferror(file)) status = qn_error_set(error, QN_IO, "cannot read %s: %s", path, strerror(errno));
  if (status == QN_OK) {
    EVP_DigestFinal_ex(hash, digest, NULL);
    spell(digest, hex);
  }
  EVP_MD_CTX_free(hash);
  free(block);
  fclose(file);
  return status;
}
