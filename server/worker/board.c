#include "server/worker/board.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/version.h"

static qn_board *map(int descriptor) {
  void *page = mmap(NULL, sizeof(qn_board), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  return page != MAP_FAILED ? page : NULL;
}

qn_board *qn_board_alloc(int *descriptor) {
  *descriptor = memfd_create("quenchd job", MFD_CLOEXEC);
  if (*descriptor < 0) return NULL;
  qn_board *board = ftruncate(*descriptor, sizeof *board) == 0 ? map(*descriptor) : NULL;
  if (board == NULL) {
    int code = errno;
    close(*descriptor);
    *descriptor = -1;
    errno = code;
    return NULL;
  }
  atomic_store(&board->progress, (double)NAN);
  atomic_store(&board->checkpoint, -1);
  snprintf(board->program, sizeof board->program, "%s", qn_version());
  return board;
}

qn_board *qn_board_find(int descriptor) {
  struct stat about;
  if (fstat(descriptor, &about) != 0 || about.st_size != (off_t)sizeof(qn_board)) return NULL;
  qn_board *board = map(descriptor);
  if (board != NULL && strncmp(board->program, qn_version(), sizeof board->program) == 0) return board;
  qn_board_free(board, -1);
  return NULL;
}

void qn_board_free(qn_board *board, int descriptor) {
  if (board != NULL) munmap(board, sizeof *board);
  if (descriptor >= 0) close(descriptor);
}

void qn_board_raise(qn_board *board, qn_verdict verdict) {
  int seen = atomic_load(&board->verdict);
  while (seen < (int)verdict && !atomic_compare_exchange_weak(&board->verdict, &seen, (int)verdict)) continue;
}
