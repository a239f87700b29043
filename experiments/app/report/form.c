#include "experiments/app/report/form.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <utf8proc.h>

#include "experiments/app/log/log.h"
#include "experiments/app/log/terminal.h"

uint64_t links_total(const uint64_t links[TF_PARTIES][TF_PARTIES]) {
    uint64_t total = 0;
    for (int from = 0; from < TF_PARTIES; from++)
        for (int to = 0; to < TF_PARTIES; to++) total += links[from][to];
    return total;
}

json_t *json_bytes(const uint64_t links[TF_PARTIES][TF_PARTIES]) {
    json_t *matrix = json_array();
    for (int from = 0; from < TF_PARTIES; from++) {
        json_t *row = json_array();
        for (int to = 0; to < TF_PARTIES; to++) json_array_append_new(row, json_integer((json_int_t)links[from][to]));
        json_array_append_new(matrix, row);
    }
    return json_pack("{s:I,s:o}", "total", (json_int_t)links_total(links), "links", matrix);
}

json_t *json_network(const run_network *network) {
    static const char *const how[] = {
        [NETWORK_DEFAULT] = "default", [NETWORK_TOLD] = "told", [NETWORK_MEASURED] = "measured"};
    char text[TF_NETWORK_TEXT];
    bool known = network->how != NETWORK_DEFAULT;
    return json_pack("{s:s,s:s?}", "by", how[network->how], "text",
                     known ? tf_network_text(&network->network, text) : NULL);
}

const char *network_text(const run_network *network, char buffer[NETWORK_WORDS]) {
    char text[TF_NETWORK_TEXT];
    buffer[0] = '\0';
    if (network->how != NETWORK_DEFAULT)
        snprintf(buffer, NETWORK_WORDS, ", planned for %s (%s)", tf_network_text(&network->network, text),
                 network->how == NETWORK_TOLD ? "told" : "measured");
    return buffer;
}

json_t *json_forecast(uint64_t bytes, uint64_t rounds) {
    return json_pack("{s:I,s:I}", "bytes", (json_int_t)bytes, "rounds", (json_int_t)rounds);
}

tf_status finish_output(void) {
    return fflush(stdout) == 0 && !ferror(stdout) ? TF_OK : tf_fail(TF_IO, "the output could not be written");
}

tf_status json_print(json_t *object) {
    if (!object) return tf_fail(TF_NOMEM, "out of memory");
    /* Nine digits tell any two floats apart. */
    json_dumpf(object, stdout, JSON_REAL_PRECISION(9));
    json_decref(object);
    putchar('\n');
    return finish_output();
}

static json_t *setting_json(const report_setting *setting) {
    switch (setting->type) {
    case SETTING_TEXT: return json_string(setting->text);
    case SETTING_WHOLE: return json_integer((json_int_t)setting->number);
    case SETTING_REAL: return json_real(setting->number);
    case SETTING_TRUTH: return json_boolean(setting->number != 0);
    case SETTING_UNSET: break;
    }
    return json_null();
}

static void add_warnings(json_t *object) {
    json_t *warnings = json_array();
    for (size_t i = 0; log_warning(i); i++) json_array_append_new(warnings, json_string(log_warning(i)));
    if (json_array_size(warnings)) json_object_set(object, "warnings", warnings);
    json_decref(warnings);
}

tf_status form_print(const report_form *form, json_t *object) {
    if (form->warns) add_warnings(object);
    if (!form->settings) return json_print(object);
    json_t *settings = json_object(), *whole = json_object();
    for (size_t i = 0; i < form->settings; i++)
        json_object_set_new(settings, form->setting[i].name, setting_json(&form->setting[i]));
    json_object_set_new(whole, "settings", settings);
    add_warnings(whole);
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        json_object_set_new(whole, "peak_memory", json_integer((json_int_t)usage.ru_maxrss * 1024));
    if (object && json_object_update(whole, object) == 0) {
        json_decref(object);
        return json_print(whole);
    }
    json_decref(object);
    json_decref(whole);
    return json_print(NULL); /* which says so */
}

tf_status form_print_error(const char *message) {
    return json_print(json_pack("{s:s}", "error", message));
}

const char *bytes_text(uint64_t bytes, char buffer[32]) {
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    int i = 0;
    for (; value >= 999.5 && i < 4; i++) value /= 1000;
    snprintf(buffer, 32, i == 0 || value >= 99.95 ? "%.0f %s" : "%.1f %s", value, unit[i]);
    return buffer;
}

void print_cell(const char *text, size_t length, int columns) {
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text, *end = at + length;
    int used = 0;
    while (at < end) {
        utf8proc_int32_t rune;
        utf8proc_ssize_t bytes = utf8proc_iterate(at, end - at, &rune);
        bool printable =
            bytes > 0 && utf8proc_category(rune) != UTF8PROC_CATEGORY_CC && rune != 0x2028 && rune != 0x2029;
        int width = printable ? utf8proc_charwidth(rune) : 1;
        bool last = bytes <= 0 || at + bytes == end;
        if (used + width > columns - !last) { /* keeps a column for the mark of what is cut */
            fputs("…", stdout);
            used++;
            break;
        }
        if (printable)
            fwrite(at, 1, (size_t)bytes, stdout);
        else
            putchar(' ');
        used += width;
        at += bytes > 0 ? bytes : 1;
    }
    printf("%*s", used < columns ? columns - used : 0, "");
}

void print_words(FILE *to, const char *text, int at, int indent, int width) {
    bool first = true;
    while (*text) {
        size_t length = strcspn(text, " ");
        if (!first && at + 1 + (int)length > width) {
            fprintf(to, "\n%*s", indent, "");
            at = indent;
            first = true;
        }
        if (!first) fputc(' ', to);
        at += (int)length + !first;
        fprintf(to, "%.*s", (int)length, text);
        first = false;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', to);
}

void print_prose(FILE *to, int indent, const char *format, ...) {
    enum { LONGEST = 4096, UNBROKEN = 1 << 20 };
    char line[LONGEST];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fprintf(to, "%*s", indent, "");
    print_words(to, line, indent, indent, terminal_known() ? report_columns() : UNBROKEN);
}

int report_columns(void) {
    enum { USUAL = 120 }; /* into a file or a pipe, too */
    return terminal_columns(USUAL);
}

int columns_left(int taken, int fewest, int most) {
    int left = report_columns() - taken;
    return left < fewest ? fewest : left > most ? most : left;
}
