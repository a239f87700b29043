/** Verifying proposed tokens; see op accepted. */
#ifndef TF_OPS_DRAFT_H
#define TF_OPS_DRAFT_H

/** The most tokens that are proposed at once. */
enum { TF_MOST_PROPOSED = 32 };

#endif
