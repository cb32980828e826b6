/* Which program this is: its release, and the state of the source that it was built from. Kept with every number and file that it makes. */
#ifndef QN_BASE_VERSION_H
#define QN_BASE_VERSION_H

/* "0.1.0+7abd9b7c1d2e": QN_VERSION, the release, and after "+" the description that version.cmake found at build time ("-dirty" after changes that
 * are not committed); the release alone when it found none. */
const char *qn_version(void);

#endif
