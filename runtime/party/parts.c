#include "runtime/party/parts.h"

tf_span tf_third(size_t n, size_t small, int s) {
    size_t size = n > small ? ((n + 2) / 3 + 127) / 128 * 128 : n, begin = size * (size_t)s, end = begin + size;
    if (begin > n) begin = n;
    if (end > n || s == 2) end = n;
    return (tf_span){begin, end};
}

tf_span tf_part_span(size_t n, size_t small, int number) {
    tf_span third = tf_third(n, small, tf_solo_of(number));
    size_t middle = third.begin + ((tf_span_count(third) + 1) / 2 + 127) / 128 * 128;
    if (middle > third.end) middle = third.end;
    return number % 2 ? (tf_span){middle, third.end} : (tf_span){third.begin, middle};
}

tf_part tf_part_of(int id, size_t n, size_t small, int number) {
    int s = tf_solo_of(number);
    tf_part part = {.number = number, .span = tf_part_span(n, small, number)};
    part.role = id == s ? TF_SOLO : id == tf_right_of(number) ? TF_RIGHT : TF_LEFT;
    part.own =
        part.role == TF_SOLO ? number % 2 : id == tf_previous(s); /* P_(s-1) and S share component s, S's first */
    return part;
}
