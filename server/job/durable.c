#include "server/job/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Read at once, and worked on between two looks at the pause, bytes. */
enum { BLOCK = 1 << 18, STRETCH = 1 << 26 };

static qn_status fail(const char *verb, const char *path, qn_error *error) {
  int code = errno;
  if (code == ENOENT) return qn_error_set(error, QN_NOT_FOUND, "cannot %s %s: %s", verb, path, strerror(code));
  return qn_error_system(error, code, "cannot %s %s", verb, path);
}

qn_status qn_durable_join(char path[QN_PATH_SIZE], const char *directory, const char *name, qn_error *error) {
  if ((size_t)snprintf(path, QN_PATH_SIZE, "%s/%s", directory, name) < QN_PATH_SIZE) return QN_OK;
  return qn_error_set(error, QN_IO, "a path is too long: %.200s...", directory);
}

qn_status qn_durable_make(const char *path, qn_error *error) {
  char part[QN_PATH_SIZE];
  size_t length = strlen(path);
  if (length == 0 || length >= sizeof part) return qn_error_set(error, QN_IO, "a folder's path is empty or too long");
  for (size_t i = 1; i <= length; i++) {
    if (path[i] != '/' && path[i] != '\0') continue;
    memcpy(part, path, i);
    part[i] = '\0';
    if (mkdir(part, 0777) != 0 && errno != EEXIST) return qn_error_system(error, errno, "cannot make the folder %s", part);
  }
  struct stat what;
  if (stat(path, &what) == 0 && S_ISDIR(what.st_mode)) return QN_OK;
  return qn_error_set(error, QN_IO, "%s is no folder", path);
}

qn_status qn_durable_sync(const char *directory, qn_error *error) {
  int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return fail("open", directory, error);
  /* File systems that cannot flush a folder say EINVAL; there is nothing more to do there. */
  qn_status status = fsync(folder) == 0 || errno == EINVAL ? QN_OK : fail("flush", directory, error);
  close(folder);
  return status;
}

static qn_status ask(const qn_durable_pause *pause, qn_error *error) {
  return pause != NULL && pause->ask != NULL ? pause->ask(pause->context, error) : QN_OK;
}

qn_status qn_durable_hash(const char *path, const qn_durable_pause *pause, char hex[QN_HASH_SIZE], int64_t *size, qn_error *error) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return fail("open", path, error);
  unsigned char *block = malloc(BLOCK), digest[EVP_MAX_MD_SIZE];
  EVP_MD_CTX *hash = EVP_MD_CTX_new();
  qn_status status = QN_OK;
  ssize_t got = 0;
  *size = 0;
  if (block == NULL || hash == NULL || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1)
    status = qn_error_set(error, QN_NO_MEMORY, "no memory to hash %s", path);
  while (status == QN_OK && (got = read(file, block, BLOCK)) > 0) {
    EVP_DigestUpdate(hash, block, (size_t)got);
    *size += got;
    if (*size % STRETCH == 0) status = ask(pause, error);
  }
  if (status == QN_OK && got < 0) status = fail("read", path, error);
  if (status == QN_OK) {
    unsigned length = 0;
    EVP_DigestFinal_ex(hash, digest, &length);
    for (unsigned i = 0; i < length; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
  }
  EVP_MD_CTX_free(hash);
  free(block);
  close(file);
  return status;
}

/* Through our own memory, for file systems between which the kernel does not copy. */
static qn_status copy_block(int source, int target, int64_t size, int64_t *done, const char *to, qn_error *error) {
  char *block = malloc(BLOCK);
  if (block == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory to copy to %s", to);
  ssize_t got = read(source, block, size < BLOCK ? (size_t)size : BLOCK), put = 0;
  for (ssize_t at = 0; at < got && put >= 0; at += put) put = write(target, block + at, (size_t)(got - at));
  qn_status status = got < 0 ? fail("read what becomes", to, error) : put < 0 ? fail("write", to, error) : QN_OK;
  free(block);
  *done = got;
  return status;
}

static qn_status copy(int source, int target, const char *to, const qn_durable_pause *pause, qn_error *error) {
  struct stat about;
  if (ioctl(target, FICLONE, source) == 0) return QN_OK;
  if (fstat(source, &about) != 0) return fail("look at what becomes", to, error);
  bool inside = true;
  qn_status status = QN_OK;
  for (int64_t left = about.st_size, done = 0; left > 0 && status == QN_OK; left -= done) {
    if (inside) done = copy_file_range(source, NULL, target, NULL, left < STRETCH ? (size_t)left : STRETCH, 0);
    if (inside && done < 0) {
      inside = errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP;
      if (inside) return fail("write", to, error);
    }
    if (!inside) status = copy_block(source, target, left, &done, to, error);
    if (status == QN_OK && done == 0) return qn_error_set(error, QN_CORRUPT, "what becomes %s shrank while it was copied", to);
    if (status == QN_OK) status = ask(pause, error);
  }
  return status;
}

qn_status qn_durable_copy(const char *from, const char *to, qn_durable_kind kind, const qn_durable_pause *pause, qn_error *error) {
  if (unlink(to) != 0 && errno != ENOENT) return fail("replace", to, error);
  if (kind == QN_DURABLE_SHARED && link(from, to) == 0) return QN_OK;
  int source = open(from, O_RDONLY | O_CLOEXEC);
  if (source < 0) return fail("open", from, error);
  int target = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  qn_status status = target >= 0 ? copy(source, target, to, pause, error) : fail("make", to, error);
  if (status == QN_OK && kind == QN_DURABLE_SHARED && fsync(target) != 0) status = fail("flush", to, error);
  if (target >= 0 && close(target) != 0 && status == QN_OK) status = fail("write", to, error);
  close(source);
  return status;
}

static int remove_one(const char *path, const struct stat *what, int kind, struct FTW *walk) {
  (void)what, (void)kind, (void)walk;
  return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

qn_status qn_durable_remove(const char *directory, qn_error *error) {
  if (nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT) return QN_OK;
  return fail("remove", directory, error);
}
