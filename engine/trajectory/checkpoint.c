#include "engine/trajectory/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* The file: this header, `count` entries, the data of the parts one after the other, CRC-32 of all that. */
typedef struct header {
  char magic[8];
  uint32_t version;
  uint32_t count;
  uint64_t size; /* of the whole file, bytes */
} header;

typedef struct entry {
  char name[QN_CHECKPOINT_NAME];
  uint64_t size;
} entry;

static const char MAGIC[8] = "QNCHKPT";
enum { VERSION = 1 };

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "checkpoints are written as they lie in memory");
_Static_assert(sizeof(header) == 24 && sizeof(entry) == 24, "the layout of the file has no holes");

typedef struct output {
  int file;
  uLong crc;
  int error; /* errno of the first failure */
} output;

static void put(output *to, const void *data, size_t size) {
  const unsigned char *bytes = data;
  if (size == 0) return; /* zlib takes a null pointer for a wish to begin anew */
  to->crc = crc32_z(to->crc, bytes, size);
  while (size > 0 && to->error == 0) {
    ssize_t done = write(to->file, bytes, size);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) to->error = errno;
    if (done > 0) bytes += done, size -= (size_t)done;
  }
}

static void put_all(output *to, const qn_checkpoint_part *parts, int count) {
  header head = {.version = VERSION, .count = (uint32_t)count, .size = sizeof(header) + sizeof(uint32_t)};
  memcpy(head.magic, MAGIC, sizeof MAGIC);
  for (int i = 0; i < count; i++) head.size += sizeof(entry) + parts[i].size;
  put(to, &head, sizeof head);
  for (int i = 0; i < count; i++) {
    entry e = {.size = parts[i].size};
    memcpy(e.name, parts[i].name, sizeof e.name);
    put(to, &e, sizeof e);
  }
  for (int i = 0; i < count; i++) put(to, parts[i].data, parts[i].size);
  uint32_t crc = (uint32_t)to->crc;
  put(to, &crc, sizeof crc);
}

static qn_status check_parts(const qn_checkpoint_part *parts, int count, qn_error *error) {
  if (count < 1 || count > QN_CHECKPOINT_PARTS)
    return qn_error_set(error, QN_INVALID, "%d parts of a checkpoint; 1 to %d are possible", count, QN_CHECKPOINT_PARTS);
  for (int i = 0; i < count; i++) {
    if (parts[i].name[0] == '\0' || memchr(parts[i].name, '\0', QN_CHECKPOINT_NAME) == NULL)
      return qn_error_set(error, QN_INVALID, "a part's name needs 1 to %d characters", QN_CHECKPOINT_NAME - 1);
    for (int j = 0; j < i; j++)
      if (strcmp(parts[i].name, parts[j].name) == 0)
        return qn_error_set(error, QN_INVALID, "two parts of a checkpoint are called %s", parts[i].name);
  }
  return QN_OK;
}

/* A rename is safe only when its folder is on disk too. */
static int flush_folder(const char *path) {
  char folder[PATH_MAX];
  const char *slash = strrchr(path, '/');
  snprintf(folder, sizeof folder, "%.*s", slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path), slash == NULL ? "." : path);
  int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return errno;
  int failed = fsync(file) != 0 ? errno : 0;
  close(file);
  return failed;
}

static qn_status with_suffix(char name[PATH_MAX], const char *path, const char *suffix, qn_error *error) {
  if (snprintf(name, PATH_MAX, "%s%s", path, suffix) < PATH_MAX) return QN_OK;
  return qn_error_set(error, QN_INVALID, "the name of a checkpoint is too long: %.60s...", path);
}

qn_status qn_checkpoint_write(const char *path, const qn_checkpoint_part *parts, int count, qn_error *error) {
  char fresh[PATH_MAX], previous[PATH_MAX];
  qn_status status = check_parts(parts, count, error);
  if (status == QN_OK) status = with_suffix(fresh, path, ".new", error);
  if (status == QN_OK) status = with_suffix(previous, path, ".previous", error);
  if (status != QN_OK) return status;

  output to = {.file = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), .crc = crc32(0, NULL, 0)};
  if (to.file < 0) return qn_error_system(error, errno, "cannot write %s", fresh);
  put_all(&to, parts, count);
  if (to.error == 0 && fsync(to.file) != 0) to.error = errno;
  if (close(to.file) != 0 && to.error == 0) to.error = errno;
  if (to.error != 0) {
    unlink(fresh);
    return qn_error_system(error, to.error, "cannot write %s", fresh);
  }

  if (rename(path, previous) != 0 && errno != ENOENT)
    return qn_error_system(error, errno, "cannot rename %s to %s", path, previous);
  if (rename(fresh, path) != 0) return qn_error_system(error, errno, "cannot rename %s to %s", fresh, path);
  int failed = flush_folder(path);
  return failed == 0 ? QN_OK : qn_error_system(error, failed, "cannot flush the folder of %s", path);
}

qn_status qn_checkpoint_parse(qn_checkpoint *checkpoint, const void *data, size_t size, qn_error *error) {
  const unsigned char *bytes = data;
  header head;
  uint32_t crc;
  *checkpoint = (qn_checkpoint){0};
  if (size < sizeof head + sizeof crc) return qn_error_set(error, QN_CORRUPT, "%zu bytes are too few for a checkpoint", size);
  memcpy(&head, bytes, sizeof head);
  if (memcmp(head.magic, MAGIC, sizeof MAGIC) != 0) return qn_error_set(error, QN_CORRUPT, "not a checkpoint");
  if (head.version != VERSION)
    return qn_error_set(error, QN_CORRUPT, "a checkpoint of version %u; this is version %d", head.version, VERSION);
  if (head.size != size)
    return qn_error_set(error, QN_CORRUPT, "torn: %zu bytes where %llu were written", size, (unsigned long long)head.size);
  memcpy(&crc, bytes + size - sizeof crc, sizeof crc);
  if (crc32_z(crc32(0, NULL, 0), bytes, size - sizeof crc) != crc) return qn_error_set(error, QN_CORRUPT, "damaged: the checksum is wrong");

  size_t left = size - sizeof head - sizeof crc;
  if (head.count < 1 || head.count > QN_CHECKPOINT_PARTS || head.count * sizeof(entry) > left)
    return qn_error_set(error, QN_CORRUPT, "a checkpoint of %u parts", head.count);
  left -= head.count * sizeof(entry);
  const unsigned char *at = bytes + sizeof head + head.count * sizeof(entry);
  for (uint32_t i = 0; i < head.count; i++) {
    entry e;
    memcpy(&e, bytes + sizeof head + i * sizeof e, sizeof e);
    if (e.size > left) return qn_error_set(error, QN_CORRUPT, "part %u is longer than the checkpoint", i);
    qn_checkpoint_part *part = &checkpoint->parts[i];
    memcpy(part->name, e.name, sizeof part->name);
    part->data = at;
    part->size = (size_t)e.size;
    at += e.size;
    left -= (size_t)e.size;
  }
  checkpoint->count = (int)head.count;
  if (left != 0) return qn_error_set(error, QN_CORRUPT, "%zu bytes belong to no part", left);
  return check_parts(checkpoint->parts, checkpoint->count, error) == QN_OK ? QN_OK : qn_error_set(error, QN_CORRUPT, "parts with bad names");
}

/* The whole file in memory; QN_NOT_FOUND when there is none. */
static qn_status slurp(const char *path, void **data, size_t *size, qn_error *error) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    int reason = errno;
    if (reason == ENOENT) return qn_error_set(error, QN_NOT_FOUND, "cannot read %s: %s", path, strerror(reason));
    return qn_error_system(error, reason, "cannot read %s", path);
  }
  struct stat about;
  unsigned char *bytes = NULL;
  size_t room = fstat(file, &about) == 0 && about.st_size >= 0 ? (size_t)about.st_size : 0, have = 0;
  ssize_t got = -1;
  if (room < SIZE_MAX && (bytes = malloc(room + 1)) != NULL) {
    do {
      got = read(file, bytes + have, room - have);
      if (got > 0) have += (size_t)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
  }
  int reason = errno;
  close(file);
  if (bytes == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory to read %s", path);
  if (got < 0) {
    free(bytes);
    return qn_error_system(error, reason, "cannot read %s", path);
  }
  *data = bytes;
  *size = have;
  return QN_OK;
}

static qn_status read_one(qn_checkpoint *checkpoint, const char *path, qn_error *error) {
  void *data = NULL;
  size_t size = 0;
  *checkpoint = (qn_checkpoint){0};
  qn_status status = slurp(path, &data, &size, error);
  if (status != QN_OK) return status;
  status = qn_checkpoint_parse(checkpoint, data, size, error);
  if (status == QN_OK) {
    checkpoint->bytes = data;
    return QN_OK;
  }
  free(data);
  *checkpoint = (qn_checkpoint){0};
  return qn_error_prefix(error, "%s", path);
}

qn_status qn_checkpoint_read_previous(qn_checkpoint *checkpoint, const char *path, qn_error *error) {
  char previous[PATH_MAX];
  *checkpoint = (qn_checkpoint){0};
  qn_status status = with_suffix(previous, path, ".previous", error);
  if (status == QN_OK) status = read_one(checkpoint, previous, error);
  checkpoint->previous = status == QN_OK;
  return status;
}

qn_status qn_checkpoint_discard(const char *path, qn_error *error) {
  char damaged[PATH_MAX];
  qn_status status = with_suffix(damaged, path, ".damaged", error);
  if (status != QN_OK || rename(path, damaged) == 0 || errno == ENOENT) return status;
  return qn_error_system(error, errno, "cannot rename %s to %s", path, damaged);
}

qn_status qn_checkpoint_read(qn_checkpoint *checkpoint, const char *path, qn_error *error) {
  char name[PATH_MAX];
  qn_error first = {0}, second = {0};
  qn_status status = with_suffix(name, path, ".previous", error);
  if (status != QN_OK) return status;
  status = read_one(checkpoint, path, &first);
  if (status != QN_CORRUPT && status != QN_NOT_FOUND) {
    if (status != QN_OK && error != NULL) *error = first;
    return status;
  }
  qn_status older = qn_checkpoint_read_previous(checkpoint, path, &second);
  if (older == QN_OK) {
    if (status == QN_CORRUPT && (status = qn_checkpoint_discard(path, error)) != QN_OK) {
      qn_checkpoint_fini(checkpoint);
      return status;
    }
    return QN_OK;
  }
  bool newest_says = older == QN_NOT_FOUND; /* the damage is in the one that is there */
  if (error != NULL) *error = newest_says ? first : second;
  return newest_says ? status : older;
}

void qn_checkpoint_fini(qn_checkpoint *checkpoint) {
  free(checkpoint->bytes);
  *checkpoint = (qn_checkpoint){0};
}

const qn_checkpoint_part *qn_checkpoint_find(const qn_checkpoint *checkpoint, const char *name) {
  for (int i = 0; i < checkpoint->count; i++)
    if (strcmp(checkpoint->parts[i].name, name) == 0) return &checkpoint->parts[i];
  return NULL;
}
