/** Functions that are lines far from zero: a spline around it, and two comparisons beside it. */
#ifndef TF_OPS_TAILS_H
#define TF_OPS_TAILS_H

#include "runtime/program/program.h"

/** f(x) where the window of the spline reaches, x above and 0 below. Which of them, may be wrong within `blur` of a
 * place as far inside of the window: the larger, the fewer bits are compared. */
tf_value tf_spline_ramp(tf_program *program, tf_value x, tf_function *f, tf_window window, double blur);

/** f(x) where the window reaches, `above` above and `below` below; both within 1, as f is. */
tf_value tf_spline_step(tf_program *program, tf_value x, tf_function *f, tf_window window, double blur, double below,
                        double above);

#endif
