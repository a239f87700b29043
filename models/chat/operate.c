#include "models/chat/operate.h"

#include <limits.h>

static const tf_value undefined = {.kind = TF_VALUE_UNDEFINED};

tf_status tf_value_member(const tf_value *from, const char *name, size_t length, tf_value *value) {
    if (from->kind == TF_VALUE_UNDEFINED) return tf_fail(TF_FORMAT, "%.*s of what is not defined", (int)length, name);
    tf_entry *entry = from->kind == TF_VALUE_DICTIONARY ? tf_dictionary_find(from->dictionary, name, length) : NULL;
    *value = entry ? entry->value : undefined;
    return TF_OK;
}

tf_status tf_value_slices(tf_rendering *r, const tf_value part[3], tf_value *list) {
    long long count = (long long)list->count, bound[3];
    void *items;
    size_t taken = 0;
    for (int i = 0; i < 3; i++)
        if (part[i].kind != TF_VALUE_INTEGER && part[i].kind != TF_VALUE_UNDEFINED)
            return tf_fail(TF_FORMAT, "a slice by %s", tf_value_name(&part[i]));
    long long step = part[2].kind == TF_VALUE_INTEGER ? part[2].number : 1;
    if (list->kind != TF_VALUE_LIST || !step) return tf_fail(TF_FORMAT, "a slice of %s", tf_value_name(list));
    for (int i = 0; i < 2; i++) {
        long long least = step < 0 ? -1 : 0, most = step < 0 ? count - 1 : count;
        bound[i] = (i == 0) == (step > 0) ? least : most; /* from one end to beyond the other */
        if (part[i].kind != TF_VALUE_INTEGER) continue;
        bound[i] = part[i].number < 0 ? part[i].number + count : part[i].number;
        if (bound[i] < least) bound[i] = least;
        if (bound[i] > most) bound[i] = most;
    }
    TF_TRY(tf_rendering_alloc(r, list->count, sizeof(tf_value), &items));
    for (long long i = bound[0]; step > 0 ? i < bound[1] : i > bound[1]; i += step)
        ((tf_value *)items)[taken++] = list->item[i];
    *list = (tf_value){.kind = TF_VALUE_LIST, .item = items, .count = taken};
    return TF_OK;
}

tf_status tf_value_at(const tf_value *from, const tf_value *index, tf_value *value) {
    if (index->kind == TF_VALUE_TEXT) return tf_value_member(from, index->text, index->count, value);
    long long count = (long long)from->count, place = index->number < 0 ? index->number + count : index->number;
    if (index->kind != TF_VALUE_INTEGER || from->kind != TF_VALUE_LIST)
        return tf_fail(TF_FORMAT, "%s of %s", tf_value_name(index), tf_value_name(from));
    *value = place >= 0 && place < count ? from->item[place] : undefined;
    return TF_OK;
}

/* Numbers stay below 2^31, so that nothing overflows here. */
tf_status tf_value_combine(tf_rendering *r, char sign, const tf_value *b, tf_value *a) {
    if (sign == '+' && a->kind == TF_VALUE_TEXT && b->kind == TF_VALUE_TEXT) return tf_value_join(r, a, b, a);
    long long x = a->number, y = b->number, result = 0;
    if (a->kind != TF_VALUE_INTEGER || b->kind != TF_VALUE_INTEGER || (sign == '%' && !y))
        return tf_fail(TF_FORMAT, "%s %c %s", tf_value_name(a), sign, tf_value_name(b));
    switch (sign) {
    case '+': result = x + y; break;
    case '-': result = x - y; break;
    case '*': result = x * y; break;
    default: result = (x % y + y) % y; /* of the divisor's sign, as in Python */
    }
    if (result > INT_MAX || result < -INT_MAX) return tf_fail(TF_FORMAT, "a number that is too large");
    *a = tf_value_integer(result);
    return TF_OK;
}

tf_status tf_value_compare(const tf_value *a, const char *sign, const tf_value *b, bool *holds) {
    bool ordered = a->kind == TF_VALUE_INTEGER && b->kind == TF_VALUE_INTEGER;
    if (sign[0] == '=' || sign[0] == '!') {
        *holds = tf_value_equal(a, b) == (sign[0] == '=');
        return TF_OK;
    }
    if (!ordered) return tf_fail(TF_FORMAT, "%s %s %s", tf_value_name(a), sign, tf_value_name(b));
    bool equal = a->number == b->number, less = a->number < b->number;
    *holds = sign[1] && equal ? true : sign[0] == '<' ? less : !less && !equal;
    return TF_OK;
}
