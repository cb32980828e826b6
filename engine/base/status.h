/* Status codes and errors: how a failure travels from where it happens to whoever asked.
 *
 * Every fallible function returns a qn_status and, when that is not QN_OK, has filled the qn_error
 * that its caller owns. The message is for a person: it names the place and what would be
 * accepted, and is UTF-8 whatever it quotes. */
#ifndef QN_BASE_STATUS_H
#define QN_BASE_STATUS_H

typedef enum qn_status {
  QN_OK = 0,
  QN_INVALID,     /* an argument or a spec that can never work */
  QN_NO_MEMORY,   /* an allocation failed */
  QN_IO,          /* a file could not be opened, read or written */
  QN_NO_STORAGE,  /* the file system itself refuses: full, over quota, read-only, broken or gone; later, or elsewhere, it may not */
  QN_PARSE,       /* a file or text is malformed; the message gives line and reason */
  QN_UNSUPPORTED, /* well-formed, but outside what quenchd does */
  QN_BLOWUP,      /* a run became unphysical: temperature, lost atoms, not-a-number */
  QN_CANCELLED,   /* the caller asked to stop */
  QN_CORRUPT,     /* stored data fails its checksum or contradicts itself */
  QN_NOT_FOUND,
  QN_CONFLICT,
  QN_FORBIDDEN,   /* possible, but not for whoever asked */
  QN_UNAVAILABLE, /* try again later: a database that is away, a full queue */
  QN_INTERNAL     /* a broken promise of our own */
} qn_status;

typedef struct qn_error {
  qn_status status;
  char message[1024];
} qn_error;

/* Fill `error` (may be NULL) and return `status`, so that a caller writes `return qn_error_set(...)`. */
qn_status qn_error_set(qn_error *error, qn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A system call on a file that failed with `code`, an errno, whose reason is put behind the message. QN_NO_STORAGE when the file system as a whole
 * is to blame (ENOSPC, EDQUOT, EROFS, EIO, ESTALE), else QN_IO. */
qn_status qn_error_system(qn_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "context: " before the message that `error` already holds; returns error->status. */
qn_status qn_error_prefix(qn_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A stable lower-case name, such as "no_memory"; never NULL. */
const char *qn_status_name(qn_status status);

#endif
