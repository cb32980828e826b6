#include "server/storage/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "server/log.h"
#include "server/peer.h"
#include "server/storage/directory.h"

/* A process that was killed holds its lock until the kernel is done with it. */
enum { LOCK_TRIES = 40, LOCK_PAUSE_MS = 50, SOON = 6 };

/* ---- the lock ---- */

/* Who wrote into a folder: a line each in its lock file. */
typedef struct owner {
  char boot[40], machine[40]; /* id of the running kernel; of the installation, "" when it has none */
  qn_peer process;
} owner;

static void read_line(FILE *file, char *text, size_t size) {
  if (file == NULL || fgets(text, (int)size, file) == NULL) text[0] = '\0';
  text[strcspn(text, "\n")] = '\0';
}

static void read_id(const char *path, char text[40]) {
  FILE *file = fopen(path, "re");
  read_line(file, text, 40);
  if (file != NULL) fclose(file);
}

static owner ourselves(void) {
  owner us = {.process = qn_peer_self()};
  read_id("/proc/sys/kernel/random/boot_id", us.boot);
  read_id("/etc/machine-id", us.machine);
  return us;
}

static owner read_owner(int file) {
  owner them = {.boot = ""};
  char text[400], number[32];
  ssize_t size = pread(file, text, sizeof text - 1, 0);
  FILE *lines = size > 0 ? fmemopen(text, (size_t)size, "r") : NULL;
  read_line(lines, them.boot, sizeof them.boot);
  read_line(lines, them.machine, sizeof them.machine);
  read_line(lines, them.process.host, sizeof them.process.host);
  read_line(lines, number, sizeof number);
  them.process.pid = (int)strtol(number, NULL, 10);
  read_line(lines, number, sizeof number);
  them.process.birth = strtoll(number, NULL, 10);
  if (lines != NULL) fclose(lines);
  return them;
}

static bool sign(int file) {
  owner us = ourselves();
  char text[400];
  int size = snprintf(text, sizeof text, "%s\n%s\n%s\n%d\n%lld\n", us.boot, us.machine, us.process.host, us.process.pid, (long long)us.process.birth);
  return ftruncate(file, 0) == 0 && pwrite(file, text, (size_t)size, 0) == size;
}

static bool lock_now(int file) {
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  return fcntl(file, F_OFD_SETLK, &whole) == 0;
}

/* Lock an open lock file; EAGAIN when a process still holds it after `tries`. */
static bool lock_soon(int file, int tries) {
  for (int i = 1; !lock_now(file); i++) {
    if (errno == EACCES) errno = EAGAIN;
    if (errno != EAGAIN || i >= tries) return false;
    nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_MS * 1000000L}, NULL);
  }
  return true;
}

/* The lock file of a folder, or -1 with errno. */
static int open_lock(const char *folder, int flags) {
  char path[QN_PATH_SIZE];
  if ((size_t)snprintf(path, sizeof path, "%s/lock", folder) >= sizeof path) return errno = ENAMETOOLONG, -1;
  return open(path, O_RDWR | O_CLOEXEC | flags, 0666);
}

static int take_lock(const char *folder, int flags, int tries) {
  int file = open_lock(folder, flags);
  if (file < 0 || lock_soon(file, tries)) return file;
  int code = errno;
  close(file);
  return errno = code, -1;
}

/* Locks are no witness for file systems that other machines write to on their own. */
static bool on_a_disk_of_its_own(int file) {
  static const unsigned long local[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC,       BTRFS_SUPER_MAGIC, TMPFS_MAGIC,  F2FS_SUPER_MAGIC,
                                        RAMFS_MAGIC,      OVERLAYFS_SUPER_MAGIC, 0x2fc12fc1 /* ZFS */, 0xca451a4e /* bcachefs */};
  struct statfs about;
  if (fstatfs(file, &about) != 0) return false;
  for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
    if ((unsigned long)about.f_type == local[i]) return true;
  return false;
}

/* We hold the lock: is whoever held it before gone for certain? */
static bool is_gone(const owner *them, const owner *us, int file) {
  if (us->boot[0] == '\0') return false;
  if (strcmp(them->boot, us->boot) == 0) return true;
  return us->machine[0] != '\0' && strcmp(them->machine, us->machine) == 0 && on_a_disk_of_its_own(file);
}

/* ---- earlier attempts ---- */

static bool holds(const char *folder, const char *name) {
  char path[QN_PATH_SIZE];
  return (size_t)snprintf(path, sizeof path, "%s/%s", folder, name) < sizeof path && access(path, F_OK) == 0;
}

static bool resumable(const char *folder) { return holds(folder, "checkpoint") || holds(folder, "checkpoint.previous"); }

static int newest_first(const void *a, const void *b) {
  long x = *(const long *)a, y = *(const long *)b;
  return (x < y) - (x > y);
}

/* The numbers of the attempts up to `most` that have a folder, newest first; malloc'ed. */
static qn_status list(const char *base, int most, long **numbers, int *count, qn_error *error) {
  *numbers = NULL;
  *count = 0;
  DIR *directory = opendir(base);
  if (directory == NULL) return errno == ENOENT ? QN_OK : qn_error_system(error, errno, "cannot read the folder %s", base);
  int room = 0;
  qn_status status = QN_OK;
  for (struct dirent *entry; status == QN_OK && (entry = readdir(directory)) != NULL;) {
    char *end;
    long number = strtol(entry->d_name, &end, 10);
    if (*end != '\0' || end == entry->d_name || number <= 0 || number > most) continue;
    if (*count == room) {
      room = room > 0 ? 2 * room : 16;
      long *grown = realloc(*numbers, (size_t)room * sizeof *grown);
      if (grown == NULL) status = qn_error_set(error, QN_NO_MEMORY, "no memory for the folders of a simulation");
      else *numbers = grown;
    }
    if (status == QN_OK) (*numbers)[(*count)++] = number;
  }
  closedir(directory);
  if (*count > 0) qsort(*numbers, (size_t)*count, sizeof **numbers, newest_first);
  return status;
}

static qn_status name_folder(char path[QN_PATH_SIZE], const char *base, long attempt, qn_error *error) {
  char name[24];
  snprintf(name, sizeof name, "%ld", attempt);
  return qn_durable_join(path, base, name, error);
}

static qn_status find_earlier(qn_folder *folder, qn_error *error) {
  long *numbers;
  int count;
  qn_status status = list(folder->base, folder->attempt - 1, &numbers, &count, error);
  if (status == QN_OK) folder->earlier = calloc((size_t)count + 1, sizeof *folder->earlier);
  if (status == QN_OK && folder->earlier == NULL) status = qn_error_set(error, QN_NO_MEMORY, "no memory for the folders of a simulation");
  for (int i = 0; status == QN_OK && i < count; i++) {
    char path[QN_PATH_SIZE];
    status = name_folder(path, folder->base, numbers[i], error);
    if (status != QN_OK || !resumable(path)) continue;
    folder->earlier[folder->count] = strdup(path);
    if (folder->earlier[folder->count] == NULL) status = qn_error_set(error, QN_NO_MEMORY, "no memory for the folders of a simulation");
    else folder->count++;
  }
  free(numbers);
  return status;
}

/* Lock the folder of an attempt that has lost its lease; whoever still holds it there is ended, if that is in our power. */
static int wrest(const char *folder) {
  int file = open_lock(folder, 0);
  if (file < 0 || lock_soon(file, SOON)) return file;
  bool held = errno == EAGAIN;
  owner them = read_owner(file), us = ourselves();
  if (held && qn_peer_kill(&them.process, &us.process)) {
    qn_log("warning", "process %d held %s without a lease, and was ended", them.process.pid, folder);
    if (lock_soon(file, LOCK_TRIES)) return file;
  }
  close(file);
  return errno = EAGAIN, -1;
}

/* Take over the newest of them, if its owner is gone. */
static bool take_over(qn_folder *folder) {
  if (folder->count == 0) return false;
  int file = wrest(folder->earlier[0]);
  if (file < 0) {
    if (errno == EAGAIN) qn_log("info", "%s is still in use; what it holds is copied", folder->earlier[0]);
    return false;
  }
  owner them = read_owner(file), us = ourselves();
  if (!is_gone(&them, &us, file) || rename(folder->earlier[0], folder->path) != 0) {
    close(file);
    return false;
  }
  folder->lock = file;
  free(folder->earlier[0]);
  memmove(folder->earlier, folder->earlier + 1, (size_t)folder->count-- * sizeof *folder->earlier);
  return true;
}

/* ---- a folder ---- */

static qn_status make_at(int parent, const char *name, const char *path, int *made, qn_error *error) {
  if (mkdirat(parent, name, 0777) != 0 && errno != EEXIST) return qn_error_system(error, errno, "cannot make the folder %s", path);
  *made = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return *made >= 0 ? QN_OK : qn_error_system(error, errno, "cannot open the folder %s", path);
}

/* DATA/simulations/ID, from the data directory as it was found to be the right one. */
static qn_status make_base(qn_folder *folder, const char *root, const char *id, int64_t simulation, qn_error *error) {
  char name[64];
  int top = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), all = -1, own = -1;
  if (top < 0) return qn_error_set(error, QN_NO_STORAGE, "data directory %s: %s", root, strerror(errno));
  qn_status status = qn_directory_check_at(top, root, id, error);
  snprintf(name, sizeof name, "simulations/%lld", (long long)simulation);
  if (status == QN_OK) status = qn_durable_join(folder->base, root, name, error);
  if (status == QN_OK) status = name_folder(folder->path, folder->base, folder->attempt, error);
  if (status == QN_OK) status = make_at(top, "simulations", folder->base, &all, error);
  if (status == QN_OK) status = make_at(all, strchr(name, '/') + 1, folder->base, &own, error);
  if (status == QN_OK && ((fsync(top) != 0 && errno != EINVAL) || (fsync(all) != 0 && errno != EINVAL)))
    status = qn_error_system(error, errno, "cannot flush the folder of %s", folder->base);
  if (top >= 0) close(top);
  if (all >= 0) close(all);
  if (own >= 0) close(own);
  return status;
}

static qn_status make_own(qn_folder *folder, qn_error *error) {
  if (mkdir(folder->path, 0777) != 0 && errno != EEXIST) return qn_error_system(error, errno, "cannot make the folder %s", folder->path);
  folder->lock = take_lock(folder->path, O_CREAT, LOCK_TRIES);
  if (folder->lock >= 0) return QN_OK;
  if (errno == EAGAIN) return qn_error_set(error, QN_CONFLICT, "another process writes into %s", folder->path);
  /* A file system without locks: nobody can take the folder over, and that is all. */
  if (errno == ENOLCK || errno == EOPNOTSUPP || errno == EINVAL) return QN_OK;
  return qn_error_system(error, errno, "cannot lock the folder %s", folder->path);
}

qn_status qn_folder_open(qn_folder *folder, const char *root, const char *id, int64_t simulation, int attempt, qn_error *error) {
  *folder = (qn_folder){.attempt = attempt, .lock = -1};
  qn_status status = make_base(folder, root, id, simulation, error);
  if (status == QN_OK) status = find_earlier(folder, error);
  if (status == QN_OK && !take_over(folder)) status = make_own(folder, error);
  if (status == QN_OK && folder->lock >= 0 && !sign(folder->lock))
    status = qn_error_system(error, errno, "cannot write the lock of %s", folder->path);
  if (status == QN_OK) status = qn_durable_sync(folder->base, error);
  if (status == QN_OK) return QN_OK;
  qn_folder_close(folder);
  return status;
}

void qn_folder_close(qn_folder *folder) {
  for (int i = 0; i < folder->count; i++) free(folder->earlier[i]);
  free(folder->earlier);
  if (folder->lock >= 0) close(folder->lock);
  *folder = (qn_folder){.lock = -1};
}

/* ---- removal ---- */

/* Remove a folder that nobody writes into; QN_UNAVAILABLE when somebody does. */
static qn_status remove_idle(const char *path, qn_error *error) {
  int file = take_lock(path, 0, 1);
  if (file < 0 && errno == EAGAIN) return qn_error_set(error, QN_UNAVAILABLE, "%s is still in use", path);
  qn_status status = qn_durable_remove(path, error);
  if (file >= 0) close(file);
  return status;
}

static qn_status remove_up_to(const char *base, int attempt, qn_error *error) {
  long *numbers;
  int count;
  qn_status status = list(base, attempt, &numbers, &count, error), worst = status;
  for (int i = 0; i < count; i++) {
    char path[QN_PATH_SIZE];
    status = name_folder(path, base, numbers[i], error);
    if (status == QN_OK) status = remove_idle(path, error);
    if (status != QN_OK) worst = status;
  }
  free(numbers);
  return worst;
}

void qn_folder_drop_earlier(const qn_folder *folder) {
  qn_error error;
  qn_status status = remove_up_to(folder->base, folder->attempt - 1, &error);
  if (status != QN_OK && status != QN_UNAVAILABLE) qn_log("warning", "%s", error.message);
}

static bool is_scaffold(const char *name) {
  size_t length = strlen(name);
  return strncmp(name, "checkpoint", 10) == 0 || strcmp(name, "lock") == 0 || (length > 5 && strcmp(name + length - 5, ".part") == 0);
}

static qn_status strip(const char *folder, qn_error *error) {
  DIR *directory = opendir(folder);
  if (directory == NULL) return errno == ENOENT ? QN_OK : qn_error_system(error, errno, "cannot read the folder %s", folder);
  qn_status status = QN_OK;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
    if (is_scaffold(entry->d_name) && unlinkat(dirfd(directory), entry->d_name, 0) != 0 && errno != ENOENT)
      status = qn_error_system(error, errno, "cannot remove %s/%s", folder, entry->d_name);
  closedir(directory);
  return status;
}

qn_status qn_folder_clear(const char *root, int64_t simulation, int attempt, bool kept, qn_error *error) {
  char name[64], base[QN_PATH_SIZE], path[QN_PATH_SIZE];
  snprintf(name, sizeof name, "simulations/%lld", (long long)simulation);
  qn_status status = qn_durable_join(base, root, name, error);
  if (status == QN_OK) status = name_folder(path, base, attempt, error);
  if (status == QN_OK) status = remove_up_to(base, kept ? attempt - 1 : attempt, error);
  if (status == QN_OK && kept) status = strip(path, error);
  if (status == QN_OK && !kept && rmdir(base) != 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
    status = qn_error_system(error, errno, "cannot remove the folder %s", base);
  return status;
}
