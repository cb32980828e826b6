/* The data directory, told from any other: the file .quenchd in it holds the id that the database knows it by.
 *
 * So a mount point without its file system, or the directory of another database, is never taken for it. The directory is made once, by
 * whoever first has files to put there, and never again. */
#ifndef QN_SERVER_STORAGE_DIRECTORY_H
#define QN_SERVER_STORAGE_DIRECTORY_H

#include "server/store/connection.h"

typedef struct qn_directory {
  char id[40];   /* a UUID */
  bool marked;   /* a directory carries it */
  bool used;     /* files are known to the database */
} qn_directory;

/* What the database knows of its data directory. */
qn_status qn_directory_read(qn_connection *connection, qn_directory *directory, qn_error *error);

/* Is `path` that directory? When none carries the id yet, `path` is made and marked; but not when the database knows of files, and there are
 * none. QN_NO_STORAGE says what is wrong. May wait for as long as the file system does. */
qn_status qn_directory_enter(const char *path, const qn_directory *directory, qn_error *error);

/* Afterwards: tell the database that a directory carries its id. */
qn_status qn_directory_confirm(qn_connection *connection, qn_error *error);

/* All three, for whoever has the time: is `path` the directory of this database? QN_NO_STORAGE: it is not. */
qn_status qn_directory_use(qn_connection *connection, const char *path, qn_error *error);

/* Does the directory open as `descriptor`, or at `path`, carry this id? */
qn_status qn_directory_check(const char *path, const char *id, qn_error *error);
qn_status qn_directory_check_at(int descriptor, const char *path, const char *id, qn_error *error);

/* Does it take a megabyte, down to the disk? QN_NO_STORAGE with the reason otherwise. */
qn_status qn_directory_probe(const char *path, qn_error *error);

#endif
