/* The version of quenchd, kept with every result. */
#ifndef QN_API_VERSION_H
#define QN_API_VERSION_H

const char *qn_api_version(void);

#endif
