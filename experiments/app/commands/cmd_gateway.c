/* The data owner's front for clients of HTTP. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/commands/launch.h"
#include "experiments/app/gateway/body.h"
#include "experiments/app/gateway/gateway.h"
#include "experiments/app/gateway/runs.h"
#include "experiments/app/log/log.h"
#include "experiments/app/parties/links.h"
#include "net/base/clock.h"
#include "net/base/file.h"
#include "net/local.h"

enum { TEXTS_OF_A_RUN = 32, QUEUE = 64, SPARE_CONNECTIONS = 64, LONGEST_BODY = 4 << 20, LONGEST_FILE = 1 << 20 };
enum { SHORTEST_TOKEN = 16, PATH_TEXT = 4096 };

static const double WINDOW = 0.01; /* seconds */
static const char default_address[] = "127.0.0.1:7380";

/* What this process holds. */
typedef struct holdings {
    const command_line *options;
    report_form form;
    generation_settings generation_settings;
    resident_settings settings[TF_PARTIES];
    resident party[TF_PARTIES]; /* that this process plays */
    bool plays[TF_PARTIES];

    /* The data owner's. */
    char *token, *certificate, *key;
    http_settings http;
    desk_settings desk_settings;
    batch_settings batches;
    gateway_desk desk;
    run_of_requests *runs;
    resident_desk requests;
    gateway *gateway;
} holdings;

static void wipe(char *secret) {
    if (secret) explicit_bzero(secret, strlen(secret));
    free(secret);
}

static void release(holdings *h) {
    gateway_close(h->gateway);
    runs_close(h->runs);
    desk_close(&h->desk);
    for (int i = 0; i < TF_PARTIES; i++) resident_close(&h->party[i]);
    wipe(h->token);
    wipe(h->key);
    free(h->certificate);
}

/* A signal --------------------------------------------------------------------------------------------------------- */

/* What is being answered is finished, but nobody is waited for. */
static atomic_int stopped;
static const gateway_desk *signalled_desk;

static void stop(int number) {
    stopped = number;
    if (!signalled_desk || !signalled_desk->ready) tf_link_interrupt(number);
}

static void guard(const gateway_desk *desk) {
    struct sigaction action = {.sa_handler = stop, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    signalled_desk = desk;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

/* The data owner's side -------------------------------------------------------------------------------------------- */

/* A file that only its owner may read. */
static tf_status read_secret(const char *path, char **secret) {
    size_t size;
    struct stat about;
    if (stat(path, &about)) return tf_fail(TF_IO, "%s: %s", path, strerror(errno));
    if (about.st_mode & (S_IRWXG | S_IRWXO))
        return tf_fail(TF_INVALID, "%s: a secret that others may read is none: chmod 600 it", path);
    TF_TRY(tf_file_read(path, LONGEST_FILE, secret, &size));
    return strlen(*secret) == size ? TF_OK : tf_fail(TF_FORMAT, "%s: a zero byte in it", path);
}

static tf_status read_token(const command_line *o, char **token) {
    char *given = getenv("TREFOIL_TOKEN");
    if (o->token) {
        TF_TRY(read_secret(o->token, token));
        (*token)[strcspn(*token, "\r\n")] = '\0';
    } else if (given && *given && !(*token = strdup(given))) {
        return tf_fail(TF_NOMEM, "out of memory");
    }
    if (given) explicit_bzero(given, strlen(given)); /* the environment of a process can be read */
    if (!*token || strlen(*token) >= SHORTEST_TOKEN) return TF_OK;
    return tf_fail(TF_INVALID, "the token has fewer than %d characters: it could be guessed", SHORTEST_TOKEN);
}

static tf_status read_http(const command_line *o, holdings *h) {
    char path[PATH_TEXT];
    size_t size;
    TF_TRY(read_token(o, &h->token));
    if (o->tls) {
        TF_TRY(tf_path_join(o->tls, "key.pem", path, sizeof path));
        TF_TRY(read_secret(path, &h->key));
        TF_TRY(tf_path_join(o->tls, "cert.pem", path, sizeof path));
        TF_TRY(tf_file_read(path, LONGEST_FILE, &h->certificate, &size));
    }
    h->http = (http_settings){.address = o->http ? o->http : default_address,
                              .token = h->token,
                              .certificate = h->certificate,
                              .key = h->key,
                              .longest_body = LONGEST_BODY,
                              .connections = (unsigned)h->desk_settings.queue + SPARE_CONNECTIONS};
    return TF_OK;
}

/* What clients call the model. */
static const char *name_of(const command_line *o) {
    const char *slash = o->model ? strrchr(o->model, '/') : NULL;
    if (o->name) return o->name;
    return !o->model ? "trefoil" : slash && slash[1] ? slash + 1 : o->model;
}

static tf_status open_front(holdings *h) {
    const command_line *o = h->options;
    h->batches = settings_of_batches(o, EMPTY_FAILS);
    h->desk_settings = (desk_settings){.name = name_of(o),
                                       .created = (long)time(NULL),
                                       .queue = o->queue ? o->queue : QUEUE,
                                       .texts = o->batch ? o->batch : TEXTS_OF_A_RUN,
                                       .window = WINDOW,
                                       .model_owner = o->model_owner,
                                       .data_owner = o->data_owner,
                                       .stop = &stopped,
                                       .sampling = settings_of_run(o).sampling};
    TF_TRY(read_http(o, h));
    TF_TRY(desk_open(&h->desk_settings, &h->desk));
    TF_TRY(runs_open(&h->desk, &h->party[o->data_owner], &h->generation_settings, &h->batches, &h->runs));
    h->requests = runs_desk(h->runs);
    TF_TRY(gateway_open(&h->http, &h->desk, &h->gateway));
    log_line(LOG_INFO, "listening at %s", gateway_url(h->gateway));
    return TF_OK;
}

/* The parties ------------------------------------------------------------------------------------------------------ */

static tf_status open_party(holdings *h, int i) {
    resident_settings *s = &h->settings[i];
    *s = settings_of_resident(h->options, i, &h->generation_settings);
    s->rests = true;
    if (i != h->options->data_owner) s->ready_file = NULL;
    s->model.may_chat = true;
    h->plays[i] = true;
    return resident_open(s, &h->requests, &h->party[i]);
}

static tf_status open_own(holdings *h, int own) {
    for (int i = 0; i < TF_PARTIES; i++)
        if (own < 0 || own == i) TF_TRY(open_party(h, i));
    guard(h->plays[h->options->data_owner] ? &h->desk : NULL);
    return h->plays[h->options->data_owner] ? open_front(h) : TF_OK;
}

static tf_status answer_as(tf_link *link, int id, void *context) {
    holdings *h = context;
    return resident_answer_all(&h->party[id], link, tf_clock());
}

/* One connection, until it ends. */
static tf_status connect(holdings *h, int own, bool *fatal) {
    tf_link *link[TF_PARTIES];
    if (own >= 0) return resident_connect(&h->party[own], &h->options->links, fatal);
    TF_TRY(tf_link_memory(link));
    tf_status status = tf_run_on_links(link, answer_as, h, NULL);
    for (int i = 0; i < TF_PARTIES; i++) tf_link_close(link[i]);
    return status;
}

/* Connections follow each other until a signal comes; an MPI job has one alone. */
static tf_status stay(holdings *h, int own) {
    bool job = own >= 0 && h->options->links.id < 0;
    for (;;) {
        bool fatal = false;
        tf_status status = connect(h, own, &fatal);
        if (h->runs) runs_lost(h->runs, status);
        if (stopped) return TF_OK;
        if (job || fatal || (h->runs && runs_unfit(h->runs))) return status;
        if (status != TF_OK) log_line(LOG_ERROR, "%s", tf_error());
        sleep(1); /* so that a lasting fault does not fill the log */
    }
}

static tf_status run(const command_line *given) {
    command_line o = *given;
    if (o.links.wait == 0) o.links.wait = INFINITY;
    holdings h = {.options = &o, .form = settings_of_report(&o)};
    int processes, rank;
    launch_place(&processes, &rank);
    int own = o.links.local ? -1 : o.links.id >= 0 ? o.links.id : rank;
    h.generation_settings = settings_of_generation(&o, &h.form);
    log_party(own);
    body_leave_no_trace();
    tf_status status = open_own(&h, own);
    if (status == TF_OK) status = stay(&h, own);
    release(&h);
    return status;
}

static tf_status check(const command_line *o) {
    int processes, rank;
    launch_place(&processes, &rank);
    bool apart = o->links.id >= 0;
    if (apart && !o->links.parties) return tf_fail(TF_INVALID, "--id goes with --parties and --identity (see --help)");
    if (!apart && !o->links.local && processes != TF_PARTIES)
        return tf_fail(TF_INVALID, "three parties are needed: --id with --parties, --local, or mpirun -n 3");
    if (apart && o->links.id != o->data_owner)
        return tf_fail(TF_INVALID, "the gateway is the data owner's, party %d: the others run trefoil party --serve",
                       o->data_owner);
    if (o->model_owner == o->data_owner && !o->model)
        return tf_fail(TF_INVALID, "party %d owns the model too: it needs --model (see --help)", o->data_owner);
    if (!apart && !o->model && !o->model_shares)
        return tf_fail(TF_INVALID, "gateway needs --model or --model-shares (see --help)");
    if (o->fill_mask) TF_TRY(settings_check_masks(o));
    TF_TRY(settings_check_shares(o));
    return settings_check_generation(o);
}

const trefoil_command command_gateway = {
    .name = "gateway",
    .summary = "answer clients of HTTP as the data owner's party",
    .description =
        "Is the data owner's party with a front that existing clients speak to: OpenAI's (embeddings, completions, "
        "conversations) and text-embeddings-inference's (embed, predict, rerank), with entities, answers and words for "
        "masks as Hugging Face's endpoints find them. The other two parties run trefoil "
        "party --serve, and see lengths alone. With --local all three are threads of this process, to try it out; "
        "under mpirun -n 3 they are its processes. GET / is a page to try it with. Beyond this host clients need a "
        "token and TLS.",
    .example = {"trefoil gateway --local --model DIR",
                "trefoil gateway --id 1 --parties parties.json --identity id1 --http 0.0.0.0:7380 --token FILE "
                "--tls DIR"},
    .accepts =
        (const char[]){
            OPTION_DRAFT,
            OPTION_DRAFT_TOKENS,
            OPTION_QUIET,
            OPTION_VERBOSE,
            OPTION_HTTP,
            OPTION_TOKEN,
            OPTION_TLS,
            OPTION_NAME,
            OPTION_QUEUE,
            OPTION_ID,
            OPTION_LISTEN,
            OPTION_WAIT,
            OPTION_READY_FILE,
            OPTION_MODEL,
            OPTION_TOKENIZER,
            OPTION_TOKENIZER_DIGEST,
            OPTION_PAD_TO,
            OPTION_TRUNCATE,
            OPTION_MAX_LENGTH,
            OPTION_BATCH,
            OPTION_CONTEXT,
            OPTION_PREFILL,
            OPTION_REVEAL,
            OPTION_FILL_MASK,
            OPTION_TEMPERATURE,
            OPTION_TOP_K,
            OPTION_TOP_P,
            OPTION_MIN_P,
            OPTION_APPROX,
            OPTION_FRACTION_BITS,
            OPTION_MODEL_OWNER,
            OPTION_DATA_OWNER,
            OPTION_PUBLIC_WEIGHTS,
            OPTION_PLUGIN,
            OPTION_MODEL_SHARES,
            OPTION_STREAM,
            OPTION_MODEL_ROOT,
            OPTION_NO_RANGES,
            OPTION_NO_GUARD,
            OPTION_CHECK_COPIES,
            OPTION_NETWORK,
            OPTION_LOG_LEVEL,
            OPTION_LOG_JSON,
            LINK_OPTIONS,
            0,
        },
    .defaults = "wait=",
    .requires = "",
    .secrets = true,
    .stays = true,
    .check = check,
    .run = run,
};
