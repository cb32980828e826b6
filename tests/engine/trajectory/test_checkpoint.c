#include "engine/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/rng.h"
#include "engine/trajectory/checkpoint.h"

typedef struct place {
  char folder[32], path[48], previous[64], damaged[64], fresh[64];
} place;

static int make_place(void **state) {
  place *p = test_calloc(1, sizeof *p);
  strcpy(p->folder, "/tmp/qn-checkpoint-XXXXXX");
  if (mkdtemp(p->folder) == NULL) return -1;
  snprintf(p->path, sizeof p->path, "%s/state", p->folder);
  snprintf(p->previous, sizeof p->previous, "%s.previous", p->path);
  snprintf(p->damaged, sizeof p->damaged, "%s.damaged", p->path);
  snprintf(p->fresh, sizeof p->fresh, "%s.new", p->path);
  *state = p;
  return 0;
}

static int clear_place(void **state) {
  place *p = *state;
  unlink(p->path), unlink(p->previous), unlink(p->damaged), unlink(p->fresh);
  rmdir(p->path), rmdir(p->fresh);
  int failed = rmdir(p->folder);
  test_free(p);
  return failed;
}

static void write_one(const char *path, const char *text) {
  const qn_checkpoint_part parts[] = {{.name = "text", .data = text, .size = strlen(text)}, {.name = "empty"}};
  qn_error error = {0};
  if (qn_checkpoint_write(path, parts, 2, &error) != QN_OK) fail_msg("%s", error.message);
}

static void expect_text(const char *path, const char *text, bool previous) {
  qn_checkpoint checkpoint;
  qn_error error = {0};
  if (qn_checkpoint_read(&checkpoint, path, &error) != QN_OK) fail_msg("%s", error.message);
  const qn_checkpoint_part *part = qn_checkpoint_find(&checkpoint, "text");
  assert_non_null(part);
  assert_int_equal(part->size, strlen(text));
  assert_memory_equal(part->data, text, strlen(text));
  assert_int_equal(qn_checkpoint_find(&checkpoint, "empty")->size, 0);
  assert_null(qn_checkpoint_find(&checkpoint, "other"));
  assert_int_equal(checkpoint.previous, previous);
  qn_checkpoint_fini(&checkpoint);
}

static unsigned char *load(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  unsigned char *data = test_malloc(65536);
  *size = fread(data, 1, 65536, file);
  fclose(file);
  return data;
}

static void store(const char *path, const void *data, size_t size) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(data, 1, size, file), size);
  fclose(file);
}

static void round_trip(void **state) {
  place *p = *state;
  write_one(p->path, "first");
  expect_text(p->path, "first", false);
  assert_int_equal(access(p->previous, F_OK), -1);
  write_one(p->path, "second");
  expect_text(p->path, "second", false);
  expect_text(p->previous, "first", false);
  assert_int_equal(access(p->fresh, F_OK), -1);
}

static void nothing_there(void **state) {
  place *p = *state;
  qn_checkpoint checkpoint;
  qn_error error;
  assert_int_equal(qn_checkpoint_read(&checkpoint, p->path, &error), QN_NOT_FOUND);
  assert_non_null(strstr(error.message, p->path));
}

/* Torn at every length and damaged at every byte: told, and the one before is used; also when the newest is missing. */
static void torn_and_damaged(void **state) {
  place *p = *state;
  size_t size;
  write_one(p->path, "first");
  write_one(p->path, "second");
  unsigned char *good = load(p->path, &size), *bad = test_malloc(size);
  for (size_t cut = 0; cut < size; cut++) {
    store(p->path, good, cut);
    expect_text(p->path, "first", true);
    assert_int_equal(access(p->damaged, F_OK), 0);
  }
  for (size_t at = 0; at < size; at++) {
    memcpy(bad, good, size);
    bad[at] ^= 1;
    store(p->path, bad, size);
    expect_text(p->path, "first", true);
  }
  expect_text(p->path, "first", true); /* renamed away by now */

  write_one(p->path, "third"); /* and the good one was not pushed out */
  expect_text(p->path, "third", false);
  expect_text(p->previous, "first", false);

  store(p->path, good, size - 1);
  store(p->previous, good, size - 1);
  qn_checkpoint checkpoint;
  qn_error error;
  assert_int_equal(qn_checkpoint_read(&checkpoint, p->path, &error), QN_CORRUPT);
  assert_non_null(strstr(error.message, "torn"));
  unlink(p->previous);
  assert_int_equal(qn_checkpoint_read(&checkpoint, p->path, &error), QN_CORRUPT);
  assert_non_null(strstr(error.message, p->path));
  test_free(good);
  test_free(bad);
}

/* Random bytes with a good checksum are told by their structure. */
static void any_bytes(void **state) {
  place *p = *state;
  size_t size;
  write_one(p->path, "some text to damage");
  unsigned char *good = load(p->path, &size), *bad = test_malloc(size);
  qn_rng rng;
  qn_rng_init(&rng, 3, QN_RNG_BOOTSTRAP, 0);
  qn_checkpoint checkpoint;
  qn_error error;
  for (int k = 0; k < 20000; k++) {
    memcpy(bad, good, size);
    size_t length = k % 4 == 0 ? (size_t)qn_rng_below(&rng, size + 1) : size;
    for (int hit = 0; hit < 3; hit++) bad[qn_rng_below(&rng, size)] = (unsigned char)qn_rng_word(&rng);
    memcpy(bad, good, 12);
    memcpy(bad + 16, &(uint64_t){length}, length >= 24 ? 8 : 0);
    if (length >= 28) {
      uint32_t crc = 0xffffffffu; /* CRC-32 bit by bit, apart from the library that writes it */
      for (size_t i = 0; i < length - 4; i++) {
        crc ^= bad[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
      }
      crc = ~crc;
      memcpy(bad + length - 4, &crc, 4);
    }
    qn_status status = qn_checkpoint_parse(&checkpoint, bad, length, &error);
    assert_true(status == QN_OK || status == QN_CORRUPT);
    for (int i = 0; status == QN_OK && i < checkpoint.count; i++) {
      const unsigned char *data = checkpoint.parts[i].data;
      assert_true(data >= bad && data + checkpoint.parts[i].size <= bad + length);
    }
  }
  test_free(good);
  test_free(bad);
}

static void bad_parts(void **state) {
  place *p = *state;
  qn_error error;
  qn_checkpoint_part parts[QN_CHECKPOINT_PARTS + 1] = {{.name = "a"}, {.name = "a"}};
  assert_int_equal(qn_checkpoint_write(p->path, parts, 2, &error), QN_INVALID);
  assert_int_equal(qn_checkpoint_write(p->path, parts, 0, &error), QN_INVALID);
  assert_int_equal(qn_checkpoint_write(p->path, parts, QN_CHECKPOINT_PARTS + 1, &error), QN_INVALID);
  parts[0].name[0] = '\0';
  assert_int_equal(qn_checkpoint_write(p->path, parts, 1, &error), QN_INVALID);
  memset(parts[0].name, 'x', sizeof parts[0].name);
  assert_int_equal(qn_checkpoint_write(p->path, parts, 1, &error), QN_INVALID);
  char *name = test_malloc(5001);
  memset(name, 'n', 5000);
  name[5000] = '\0';
  assert_int_equal(qn_checkpoint_write(name, (qn_checkpoint_part[]){{.name = "a"}}, 1, &error), QN_INVALID);
  qn_checkpoint checkpoint;
  assert_int_equal(qn_checkpoint_read(&checkpoint, name, &error), QN_INVALID);
  test_free(name);
  assert_int_equal(access(p->path, F_OK), -1);
}

/* No folder, no room on the disk, something else in the way: an error that names the file, and the old checkpoint still good. */
static void failing_writes(void **state) {
  place *p = *state;
  qn_error error;
  char *large = test_calloc(1, 1 << 20);
  const qn_checkpoint_part parts[] = {{.name = "text", .data = large, .size = 1 << 20}};
  assert_int_equal(qn_checkpoint_write("/tmp/qn-no-such-folder/state", parts, 1, &error), QN_IO);
  assert_non_null(strstr(error.message, "qn-no-such-folder"));

  write_one(p->path, "old");
  assert_int_equal(symlink("/dev/full", p->fresh), 0); /* every write there fails with ENOSPC */
  assert_int_equal(qn_checkpoint_write(p->path, parts, 1, &error), QN_NO_STORAGE);
  assert_non_null(strstr(error.message, "No space left"));
  expect_text(p->path, "old", false);

  unlink(p->fresh);
  assert_int_equal(mkdir(p->fresh, 0755), 0);
  assert_int_equal(qn_checkpoint_write(p->path, parts, 1, &error), QN_IO);
  expect_text(p->path, "old", false);
  rmdir(p->fresh);

  unlink(p->path);
  assert_int_equal(mkdir(p->path, 0755), 0);
  qn_checkpoint checkpoint;
  assert_int_equal(qn_checkpoint_read(&checkpoint, p->path, &error), QN_IO);
  assert_non_null(strstr(error.message, "directory"));
  test_free(large);
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, clear_place)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_PLACE(round_trip), IN_PLACE(nothing_there), IN_PLACE(torn_and_damaged), IN_PLACE(any_bytes),
      IN_PLACE(bad_parts),  IN_PLACE(failing_writes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
