/* What a simulation writes while it runs: a trajectory for each stream of frames of a stage, the thermo series, snapshots; and the part of a
 * checkpoint that says how far they were.
 *
 * Every file grows under the name "<name>.part" and gets its own name when it is complete. A checkpoint holds the number of frames and rows
 * written by then; resuming keeps just those, so none is there twice and none is missing. */
#ifndef QN_SERVER_JOB_RECORD_H
#define QN_SERVER_JOB_RECORD_H

#include "engine/dynamics/run.h"
#include "server/job/durable.h"
#include "server/job/job.h"

typedef struct qn_record qn_record;

/* `spec`, `directory`, `output` and `pause` are borrowed; `output` collects the files as they become complete. `spec_sha256` is the hash of the work,
 * kept in the files. `template` tells atoms and species. `pause` is asked between blocks of what copies or hashes files, which may be tens of GB. */
qn_status qn_record_alloc(qn_record **record, const qn_simulation_spec *spec, const char *spec_sha256, const char *directory,
                          const qn_frame *template, const qn_durable_pause *pause, qn_job_output *output, qn_error *error);
void qn_record_free(qn_record *record); /* closes what is open */

/* "trajectory-<stage>.nc", or "trajectory-<stage>-<sampling>.nc" of a stage that has several streams; and the name of the thermo series. */
void qn_record_trajectory_name(char name[64], const qn_stage *stages, int stage, int sampling);
extern const char qn_record_thermo_name[];

/* To hand to qn_run_alloc. */
qn_run_callbacks qn_record_callbacks(qn_record *record);

/* How far the files are, as JSON (malloc'ed), after everything written so far was flushed to the disk. */
qn_status qn_record_save(qn_record *record, char **text, qn_error *error);

/* Go on from what `text` says, with the files in `from` (the record's own directory, or another one's, which stays as it is). Files that are
 * complete are told by their size. On failure the record is as new. QN_CORRUPT, QN_NOT_FOUND, QN_IO: those files cannot be used. */
qn_status qn_record_resume(qn_record *record, const char *text, size_t size, const char *from, qn_error *error);

/* The run is over: complete every file, flush the directory, and hash what has no hash yet. */
qn_status qn_record_finish(qn_record *record, qn_error *error);

#endif
