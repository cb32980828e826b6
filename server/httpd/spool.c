#include "server/httpd/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "server/job/durable.h"
#include "server/log.h"

enum { BLOCK = 1 << 20 };

/* Left free for everything else that writes to the disk. */
static const double spare_bytes = 64.0 * 1024 * 1024;

struct qn_spool {
  qn_httpd *httpd;
  char path[QN_PATH_SIZE];
  int file; /* held by flock for as long as this process has it; -1: none */
  EVP_MD_CTX *hash;
  char *block;
  size_t used, size; /* of the block; of the whole body, the block included */
  qn_error error;    /* its status is QN_OK while all is well */
};

/* What is left of a file when its request is over. */
typedef struct remains {
  qn_task task;
  int file;
  char path[QN_PATH_SIZE];
} remains;

/* ---- what others left ---- */

/* Does a process that lives hold this file? */
static bool is_held(const char *path) {
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return false;
  bool held = flock(file, LOCK_EX | LOCK_NB) != 0;
  close(file);
  return held;
}

void qn_spool_clean(const char *folder) {
  DIR *directory = opendir(folder);
  if (directory == NULL) {
    if (errno != ENOENT) qn_log("warning", "cannot read %s: %s", folder, strerror(errno));
    return;
  }
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    char path[QN_PATH_SIZE], owner[QN_PATH_SIZE];
    qn_error ignored;
    if (qn_durable_join(path, folder, entry->d_name, &ignored) != QN_OK) continue;
    /* What a handler makes of a body lies beside it: "ABCDEF.xyz" goes with "ABCDEF". */
    strcpy(owner, path);
    char *dot = strchr(owner + strlen(folder), '.');
    if (dot != NULL) *dot = '\0';
    if (!is_held(owner) && unlink(path) == 0) qn_log("info", "removed %s, which a request of another time left", path);
  }
  closedir(directory);
}

/* ---- one body ---- */

qn_spool *qn_spool_alloc(qn_httpd *httpd) {
  qn_spool *spool = calloc(1, sizeof *spool);
  if (spool == NULL) return NULL;
  spool->httpd = httpd;
  spool->file = -1;
  spool->error.status = QN_OK;
  return spool;
}

static void remove_remains(qn_task *task) {
  remains *left = (remains *)task;
  unlink(left->path);
  close(left->file);
  free(left);
}

void qn_spool_free(qn_spool *spool) {
  if (spool == NULL) return;
  remains *left = spool->file >= 0 ? calloc(1, sizeof *left) : NULL;
  if (left != NULL) {
    left->task.run = remove_remains;
    left->task.patient = true;
    left->file = spool->file;
    strcpy(left->path, spool->path);
    qn_pool_push(spool->httpd->pool, &left->task);
  } else if (spool->file >= 0) {
    unlink(spool->path);
    close(spool->file);
  }
  if (spool->block != NULL) atomic_fetch_sub(&spool->httpd->body_memory, BLOCK);
  free(spool->block);
  EVP_MD_CTX_free(spool->hash);
  free(spool);
}

void qn_spool_fail(qn_spool *spool, const qn_error *error) {
  if (spool->error.status == QN_OK) spool->error = *error;
}

qn_status qn_spool_status(const qn_spool *spool, qn_error *error) {
  if (spool->error.status != QN_OK) *error = spool->error;
  return spool->error.status;
}

/* A full disk is a matter of time. Where the file lies is nothing to the client. */
static void fail(qn_spool *spool, const char *what, int number) {
  bool full = number == ENOSPC || number == EDQUOT;
  qn_log("error", "cannot %s %s: %s", what, spool->path, strerror(number));
  qn_error_set(&spool->error, full ? QN_UNAVAILABLE : QN_IO, full ? "the disk of the server has no room for the body" : "the body cannot be kept: %s",
               strerror(number));
}

static bool take_memory(qn_spool *spool) {
  qn_httpd *httpd = spool->httpd;
  bool room = atomic_fetch_add(&httpd->body_memory, BLOCK) + BLOCK <= httpd->options.body_memory;
  spool->block = room ? malloc(BLOCK) : NULL;
  if (spool->block != NULL) return true;
  atomic_fetch_sub(&httpd->body_memory, BLOCK);
  return false;
}

static bool has_room(const char *folder, uint64_t declared) {
  struct statvfs disk;
  return statvfs(folder, &disk) != 0 || (double)disk.f_bavail * (double)disk.f_frsize >= (double)declared + spare_bytes;
}

/* A file of a new name in the folder, which is made when it is not there; -1 with errno. */
static int make_file(char path[QN_PATH_SIZE], const char *folder) {
  if (mkdir(folder, 0777) != 0 && errno != EEXIST) return -1;
  return mkostemp(path, O_CLOEXEC);
}

static bool may_spool(qn_spool *spool) {
  const qn_httpd_backend *backend = &spool->httpd->backend;
  return backend->may_spool == NULL || backend->may_spool(backend->context, &spool->error) == QN_OK;
}

void qn_spool_open(qn_spool *spool, uint64_t declared) {
  const char *folder = spool->httpd->options.spool;
  if (folder == NULL) {
    qn_error_set(&spool->error, QN_INTERNAL, "the server has no folder for bodies");
  } else if (!take_memory(spool)) {
    qn_error_set(&spool->error, QN_UNAVAILABLE, "there are too many request bodies at once");
  } else if (!may_spool(spool)) {
    return; /* which says why */
  } else if (!has_room(folder, declared)) {
    qn_error_set(&spool->error, QN_UNAVAILABLE, "the disk of the server has no room for a body of %llu bytes", (unsigned long long)declared);
  } else if (qn_durable_join(spool->path, folder, "XXXXXX", &spool->error) == QN_OK) {
    spool->error.status = QN_OK;
    spool->file = make_file(spool->path, folder);
    spool->hash = EVP_MD_CTX_new();
    if (spool->file < 0 || flock(spool->file, LOCK_EX | LOCK_NB) != 0) fail(spool, "make", errno);
    else if (spool->hash == NULL || EVP_DigestInit_ex(spool->hash, EVP_sha256(), NULL) != 1)
      qn_error_set(&spool->error, QN_NO_MEMORY, "no memory for a hash");
  }
}

size_t qn_spool_add(qn_spool *spool, const char *data, size_t size) {
  size_t room = BLOCK - spool->used;
  if (size > room) size = room;
  memcpy(spool->block + spool->used, data, size);
  spool->used += size;
  spool->size += size;
  return size;
}

size_t qn_spool_size(const qn_spool *spool) { return spool->size; }
const char *qn_spool_path(const qn_spool *spool) { return spool->path; }

void qn_spool_write(qn_spool *spool) {
  if (spool->error.status != QN_OK) return;
  EVP_DigestUpdate(spool->hash, spool->block, spool->used);
  for (size_t done = 0; done < spool->used;) {
    ssize_t wrote = write(spool->file, spool->block + done, spool->used - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      fail(spool, "write", errno);
      return;
    }
    done += (size_t)wrote;
  }
  spool->used = 0;
}

void qn_spool_finish(qn_spool *spool, char sha256[QN_HASH_SIZE]) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  qn_spool_write(spool);
  if (spool->error.status != QN_OK) return;
  EVP_DigestFinal_ex(spool->hash, digest, &length);
  for (unsigned i = 0; i < length && i < 32; i++) snprintf(sha256 + 2 * (size_t)i, 3, "%02x", digest[i]);
}
