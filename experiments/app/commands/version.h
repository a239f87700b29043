/** The version and the commit of this program; the build writes them anew whenever they change. */
#ifndef TF_APP_VERSION_H
#define TF_APP_VERSION_H

extern const char trefoil_version[], trefoil_commit[]; /**< the commit is "" outside of a clone */

#endif
