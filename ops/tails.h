/** Functions that are lines far from zero: a spline around it, and two comparisons beside it. */
#ifndef TF_OPS_TAILS_H
#define TF_OPS_TAILS_H

#include "runtime/program/program.h"

/** f(x) where the window of the spline reaches, x above and 0 below. */
tf_value tf_spline_ramp(tf_program *program, tf_value x, tf_function *f, tf_window window);

/** f(x) where the window reaches, `above` above and `below` below; both within 1, as f is. */
tf_value tf_spline_step(tf_program *program, tf_value x, tf_function *f, tf_window window, double below, double above);

#endif
