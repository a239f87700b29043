#include "runtime/party/parts.h"

enum { UNIT = 128 };

static size_t rounded_up(size_t n) {
    return (n + UNIT - 1) / UNIT * UNIT;
}

tf_span tf_third(size_t n, tf_cut cut, int s) {
    for (int k = 0; k < TF_CUT_WIDTHS && n > cut.small; k++)
        if (cut.rows * cut.width[k] == n)
            return (tf_span){cut.rows * (size_t)s / 3 * cut.width[k], cut.rows * (size_t)(s + 1) / 3 * cut.width[k]};
    size_t size = n > cut.small ? rounded_up((n + 2) / 3) : n, begin = size * (size_t)s, end = begin + size;
    if (begin > n) begin = n;
    if (end > n || s == 2) end = n;
    return (tf_span){begin, end};
}

tf_span tf_part_span(size_t n, tf_cut cut, int number) {
    tf_span third = tf_third(n, cut, tf_solo_of(number));
    size_t middle = third.begin + rounded_up((tf_span_count(third) + 1) / 2);
    if (middle > third.end) middle = third.end;
    return number % 2 ? (tf_span){middle, third.end} : (tf_span){third.begin, middle};
}

tf_part tf_part_of(int id, size_t n, tf_cut cut, int number) {
    int s = tf_solo_of(number);
    tf_part part = {.number = number, .span = tf_part_span(n, cut, number)};
    part.role = id == s ? TF_SOLO : id == tf_right_of(number) ? TF_RIGHT : TF_LEFT;
    part.own =
        part.role == TF_SOLO ? number % 2 : id == tf_previous(s); /* P_(s-1) and S share component s, S's first */
    return part;
}
