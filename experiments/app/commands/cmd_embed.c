/* Vectors of texts, and a search by them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/data/npy.h"
#include "experiments/app/report/search_report.h"
#include "experiments/app/service/embeddings.h"
#include "net/base/clock.h"

enum { HITS = 10 };

/* What this process holds. */
typedef struct holdings {
    embeddings vectors;
    text_list texts; /* those of the command: documents, and behind them the queries, where both are embedded */
    text_list documents;
    float *stored; /* of --vectors */
    search_hit *hit;
} holdings;

static void release(holdings *h) {
    embeddings_free(&h->vectors);
    texts_free(&h->texts);
    texts_free(&h->documents);
    free(h->stored);
    free(h->hit);
}

typedef tf_status work_function(const command_line *o, private_session *session, holdings *h, double start);

/* With the other parties, or alone with --plain. */
static tf_status with_session(const command_line *o, work_function *work) {
    double start = tf_clock();
    private_session *session = NULL;
    holdings h = {.stored = NULL};
    if (!o->plain) TF_TRY(private_open(&o->links, &session));
    tf_status status = work(o, session, &h, start);
    if (session) private_close(session, status);
    release(&h);
    return status;
}

static tf_status open_model(const command_line *o, private_session *session, embedding_settings *settings,
                            holdings *h) {
    model_settings model = settings_of_model(o);
    *settings = (embedding_settings){
        .run = settings_of_run(o), .batches = settings_of_batches(o, EMPTY_MARKED), .dimensions = o->dimensions};
    return embeddings_open(&model, settings, session, &h->vectors);
}

static search_cost cost_of(const holdings *h, const private_session *session, double start) {
    return (search_cost){.private = session != NULL, .seconds = tf_clock() - start, .run = &h->vectors.run};
}

static tf_status embed(const command_line *o, private_session *session, holdings *h, double start) {
    embedding_settings settings;
    bool data_owner = !session || private_plays(session, o->data_owner);
    report_form form = settings_of_report(o);
    text_source source = settings_of_texts(o);
    TF_TRY(open_model(o, session, &settings, h));
    if (data_owner) TF_TRY(texts_read(&source, &h->texts));
    TF_TRY(embeddings_make(&settings, session, data_owner ? &h->texts : NULL, &h->vectors));
    if (!data_owner) return TF_OK;
    search_cost cost = cost_of(h, session, start);
    TF_TRY(npy_write(o->out, h->vectors.values, h->texts.count, h->vectors.width));
    return embed_print(&form, o->out, h->texts.count, h->vectors.width, &cost);
}

static tf_status run_embed(const command_line *o) {
    return with_session(o, embed);
}

/* The stored vectors must be those of the documents, one each. */
static tf_status read_stored(const command_line *o, holdings *h) {
    size_t rows, width, wanted = o->dimensions ? o->dimensions : h->vectors.width;
    TF_TRY(npy_read(o->vectors, &h->stored, &rows, &width));
    if (rows == h->documents.count && width == wanted) return TF_OK;
    return tf_fail(TF_MISMATCH, "%s: %zu vectors of %zu values, where %s has %zu texts and the model gives %zu values",
                   o->vectors, rows, width, o->input, h->documents.count, wanted);
}

/* The texts to embed: the queries, after the documents where there are no vectors of these. */
static tf_status gather(const command_line *o, holdings *h) {
    text_source source = settings_of_texts(o);
    TF_TRY(texts_read(&source, &h->documents));
    for (size_t i = 0; i < (o->vectors ? 0 : h->documents.count) + o->queries; i++) {
        size_t query = i - (o->vectors ? 0 : h->documents.count);
        bool document = !o->vectors && i < h->documents.count;
        text_item *added, *from = document ? &h->documents.item[i] : NULL;
        TF_TRY(texts_add(&h->texts, document ? from->line : query, &added));
        added->first_length = document ? from->first_length : strlen(o->query[query]);
        TF_TRY(text_duplicate(document ? from->first : o->query[query], added->first_length, &added->first));
        if (document && from->second)
            return tf_fail(TF_INVALID, "%s line %zu: similarity searches texts, not pairs", o->input, from->line);
    }
    return TF_OK;
}

/* The best documents for a query, sorted; those without direction come last. */
static void search(const holdings *h, const float *document, const float *query, search_hit *hit, size_t most) {
    size_t found = 0;
    for (size_t i = 0; i < h->documents.count; i++) {
        double score = embeddings_cosine(document + i * h->vectors.width, query, h->vectors.width);
        if (isnan(score)) score = -1;
        size_t at = found < most ? found++ : most - 1;
        if (found == most && i >= most && hit[at].score >= score) continue;
        for (; at > 0 && hit[at - 1].score < score; at--) hit[at] = hit[at - 1];
        hit[at] = (search_hit){i, score};
    }
}

static tf_status search_all(const command_line *o, const private_session *session, holdings *h, double start) {
    report_form form = settings_of_report(o);
    size_t most = o->top ? o->top : HITS, embedded = o->vectors ? 0 : h->documents.count, width = h->vectors.width;
    if (most > h->documents.count) most = h->documents.count;
    h->hit = calloc(o->queries, most * sizeof *h->hit);
    if (!h->hit) return tf_fail(TF_NOMEM, "out of memory");
    const float *document = o->vectors ? h->stored : h->vectors.values;
    for (size_t i = 0; i < o->queries; i++)
        search(h, document, h->vectors.values + (embedded + i) * width, h->hit + i * most, most);
    search_cost cost = cost_of(h, session, start);
    return similarity_print(&form, &h->documents, o->query, o->queries, h->hit, most, &cost);
}

static tf_status similarity(const command_line *o, private_session *session, holdings *h, double start) {
    embedding_settings settings;
    bool data_owner = !session || private_plays(session, o->data_owner);
    TF_TRY(open_model(o, session, &settings, h));
    if (data_owner) TF_TRY(gather(o, h));
    if (data_owner && o->vectors) TF_TRY(read_stored(o, h));
    TF_TRY(embeddings_make(&settings, session, data_owner ? &h->texts : NULL, &h->vectors));
    return data_owner ? search_all(o, session, h, start) : TF_OK;
}

static tf_status run_similarity(const command_line *o) {
    return with_session(o, similarity);
}

static tf_status check(const command_line *o) {
    return o->plain && o->links.local ? tf_fail(TF_INVALID, "--plain and --local do not go together (see --help)")
                                      : TF_OK;
}

#define EMBEDDING_OPTIONS                                                                                              \
    OPTION_QUIET, OPTION_MODEL, OPTION_INPUT, OPTION_LIMIT, OPTION_TRUNCATE, OPTION_MAX_LENGTH, OPTION_FORMAT,         \
        OPTION_STRICT, OPTION_COLUMNS, OPTION_BATCH, OPTION_APPROX, OPTION_FRACTION_BITS, OPTION_MODEL_OWNER,          \
        OPTION_DATA_OWNER, OPTION_PUBLIC_WEIGHTS, OPTION_PLAIN, OPTION_NO_RANGES, OPTION_NO_GUARD, OPTION_PLUGIN,      \
        OPTION_TOKENIZER, OPTION_TOKENIZER_DIGEST, OPTION_DIMENSIONS, LINK_OPTIONS

const trefoil_command command_embed = {
    .name = "embed",
    .summary = "write the embeddings of texts to a file of NumPy",
    .description = "Embeds texts privately under mpirun -n 3, with --local in one process, or with --plain in floating "
                   "point, and writes a row of float32 for each to --out, which NumPy reads. Roles are those of infer; "
                   "a row is NaN where a text is empty.",
    .example = {"mpirun -n 3 trefoil embed --model DIR --input texts.txt --out vectors.npy",
                "trefoil embed --local --model DIR --input texts.csv --out vectors.npy --dimensions 256"},
    .accepts =
        (const char[]){
            OPTION_TEXT,
            OPTION_OUT,
            EMBEDDING_OPTIONS,
            0,
        },
    .requires = (const char[]){OPTION_MODEL, OPTION_OUT, 0},
    .secrets = true,
    .check = check,
    .run = run_embed,
};

const trefoil_command command_similarity = {
    .name = "similarity",
    .summary = "search texts by meaning, privately",
    .description =
        "Finds the texts of --input whose embeddings have the largest cosine to that of each --query. The model owner "
        "learns neither queries nor texts. --vectors takes what embed wrote for the same texts, so that queries alone "
        "are embedded.",
    .example =
        {"trefoil similarity --local --model DIR --input texts.txt --query \"refund\" --top 3",
         "mpirun -n 3 trefoil similarity --model DIR --input texts.txt --vectors vectors.npy --query \"refund\""},
    .defaults = "top=10",
    .accepts =
        (const char[]){
            OPTION_QUERY,
            OPTION_VECTORS,
            OPTION_TOP,
            EMBEDDING_OPTIONS,
            0,
        },
    .requires = (const char[]){OPTION_MODEL, OPTION_INPUT, OPTION_QUERY, 0},
    .secrets = true,
    .check = check,
    .run = run_similarity,
};
