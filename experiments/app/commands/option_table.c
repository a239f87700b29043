#include "experiments/app/commands/option_table.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define AT(member)          .offset = offsetof(command_line, member)
#define FLAG(member)        .type = OPTION_FLAG, AT(member)
#define TEXT(member, what)  .type = OPTION_STRING, AT(member), .placeholder = (what)
#define COUNT(member, what) .type = OPTION_COUNT, AT(member), .placeholder = (what), .low = 1, .high = 0x1p32
#define WHOLE(member, what, from, to)                                                                                  \
    .type = OPTION_WHOLE, AT(member), .placeholder = (what), .low = (from), .high = (to)
#define LIST(member, count, what)                                                                                      \
    .type = OPTION_STRINGS, AT(member), .companion = offsetof(command_line, count), .placeholder = (what)
#define NUMBER(member, from, to) .type = OPTION_NUMBER, AT(member), .placeholder = "NUMBER", .low = (from), .high = (to)
#define A_NETWORK(member, given)                                                                                       \
    .type = OPTION_NETWORKS, AT(member), .companion = offsetof(command_line, given), .placeholder = "NETWORK",         \
    .source = FROM_CHOICES, .choices = "lan wan measured"

enum { LAST_PARTY = TF_PARTIES - 1, FEWEST_BITS = 8, MOST_BITS = 24, MOST_THREADS = 1024 };

#define NETWORKS                                                                                                       \
    "lan (1 ms, 5 Gbit/s), wan (40 ms, 400 Mbit/s) or DELAYms,RATEmbit: round-trip time, and rate of each "            \
    "direction of each pair"

const option_row option_table[] = {
    {OPTION_MODEL, "model", TEXT(model, "DIR"), .source = FROM_DIRECTORIES,
     .help = "Model directory: config.json, model.safetensors, tokenizer.json or vocab.txt"},
    {OPTION_TOKENIZER, "tokenizer", TEXT(tokenizer, "DIR"), .source = FROM_DIRECTORIES,
     .help = "The data owner's own copy of the tokenizer, in place of the model owner's, which must be the same"},
    {OPTION_TOKENIZER_DIGEST, "tokenizer-digest", TEXT(tokenizer_digest, "HEX"),
     .help = "The digest of the tokenizer that the data owner trusts: no other is used"},
    {OPTION_TEXT, "text", LIST(text, texts, "TEXT"), .secret = true,
     .help =
         "A text; may be given several times. It leaves the process list at once, but a launcher's own arguments show: "
         "texts that matter go into --input"},
    {OPTION_INPUT, "input", TEXT(input, "FILE"), .source = FROM_FILES,
     .help =
         "Texts from a file: .jsonl, .ndjson or .json (strings, pairs of strings, or objects with \"text\" or a usual "
         "pair such as \"question\" and \"context\"), .csv or .tsv (with such a header, and maybe \"label\"), "
         "otherwise one a line; - for standard input"},
    {OPTION_FORMAT, "format", TEXT(format, "NAME"), .source = FROM_CHOICES, .choices = "lines jsonl json csv tsv",
     .fallback = "by the file's ending", .setting = true,
     .help = "How texts are given: lines, jsonl, json, csv or tsv"},
    {OPTION_STRICT, "strict", FLAG(strict), .setting = true,
     .help = "Stop at an empty text, which otherwise is marked (of labelled texts: left out with a warning)"},
    {OPTION_TRUNCATE, "truncate", FLAG(truncate), .setting = true,
     .help = "Cut texts that are longer than the model's positions"},
    {OPTION_MAX_LENGTH, "max-length", COUNT(max_length, "N"), .fallback = "the model's max_seq_length, or positions",
     .setting = true, .help = "Cut texts to N tokens, special ones included"},
    {OPTION_PAD_TO, "pad-to", TEXT(pad_to, "N|bucket"), .source = FROM_CHOICES, .choices = "bucket", .setting = true,
     .help = "Hide the texts' lengths: the other parties see N tokens each, or the smallest of 16, 32, 64, 96, 128, "
             "192, 256, 384, 512 that they fit. Given by the data owner alone"},
    {OPTION_DECOYS, "decoys", COUNT(decoys, "K"), .setting = true,
     .help = "Mix K texts from --certified among the data owner's own, and show no result unless theirs are right. "
             "Whoever tampers with one of B texts is caught with probability K / (K + B). Needs --pad-to N"},
    {OPTION_CERTIFIED, "certified", TEXT(certified, "FILE"), .source = FROM_FILES,
     .help = "Texts and results that the model's owner has certified (trefoil certify), for --decoys"},
    {OPTION_TOLERANCE, "tolerance", NUMBER(tolerance, 0, 1e6), .fallback = "0.05", .setting = true,
     .help = "How far a decoy's result may be off"},
    {OPTION_LIMIT, "limit", COUNT(limit, "N"), .setting = true, .help = "Use the first N texts only"},
    {OPTION_FILL_MASK, "fill-mask", FLAG(fill_mask), .setting = true,
     .help = "Guess the words that [MASK] stands for, with a model that was trained to; otherwise it gives embeddings"},
    {OPTION_AGGREGATION, "aggregation", TEXT(aggregation, "NAME"), .source = FROM_CHOICES,
     .choices = "none simple first average max", .fallback = "simple", .setting = true,
     .help = "How labels of tokens become those of words: none, simple, first, average or max, as in Hugging Face's "
             "pipeline"},
    {OPTION_TOP, "top", COUNT(top, "K"), .fallback = "1 answer, 5 words for a mask", .setting = true,
     .help = "Show the K best answers, words for a mask, or texts found"},
    {OPTION_QUERY, "query", LIST(query, queries, "TEXT"), .secret = true,
     .help = "What to search for; may be given several times. It leaves the process list at once"},
    {OPTION_VECTORS, "vectors", TEXT(vectors, "FILE"), .source = FROM_FILES,
     .help = "Embeddings of the texts of --input, as embed wrote them with the same model"},
    {OPTION_DIMENSIONS, "dimensions", COUNT(dimensions, "N"), .fallback = "all", .setting = true,
     .help = "Only the first N values of each embedding, for models that were trained for that (Matryoshka)"},
    {OPTION_BATCH, "batch", COUNT(batch, "N"), .setting = true,
     .fallback = "at most 32, and 4096 tokens, packed so that padding and rounds cost least",
     .help =
         "Texts computed together. Similar lengths come together, and a batch is as long as its longest text; memory "
         "grows with texts and tokens, with the square of the tokens in attention"},
    {OPTION_APPROX, "approx", TEXT(approx, "LIST"), .source = FROM_CHOICES, .choices = "exact paper puma mpcformer",
     .fallback = "what the model was trained for, or exact", .setting = true,
     .help = "exact, paper, puma, mpcformer, or a list such as "
             "gelu=relu,softmax=power:4,layernorm@11=exact,layernorm1@3=exact; trefoil ops lists the variants"},
    {OPTION_PUBLIC_WEIGHTS, "public-weights", FLAG(public_weights), .setting = true,
     .help = "The weights of linear layers are public: cheaper"},
    {OPTION_FRACTION_BITS, "frac-bits", WHOLE(fraction_bits, "BITS", FEWEST_BITS, MOST_BITS), .fallback = "16",
     .setting = true, .help = "Fractional bits of fixed-point numbers"},
    {OPTION_MODEL_OWNER, "model-owner", WHOLE(model_owner, "PARTY", 0, LAST_PARTY), .fallback = "0",
     .source = FROM_CHOICES, .choices = "0 1 2", .setting = true, .help = "The party that holds the weights"},
    {OPTION_DATA_OWNER, "data-owner", WHOLE(data_owner, "PARTY", 0, LAST_PARTY), .fallback = "1",
     .source = FROM_CHOICES, .choices = "0 1 2", .setting = true,
     .help = "The party that holds the texts and gets the result"},
    {OPTION_CHECK, "check", FLAG(check), .setting = true,
     .help = "Compare with the plain model afterwards, for development: the data owner then opens the weights too"},
    {OPTION_MODEL_SHARES, "model-shares", TEXT(model_shares, "DIR"), .source = FROM_DIRECTORIES,
     .help =
         "Weights from share files, so that no party knows the model: what share-model wrote, or this party's part of "
         "it"},
    {OPTION_MODEL_ROOT, "model-root", TEXT(model_root, "HEX"),
     .help = "Which shared model is wanted, by the root that share-model and verify tell: no other is used"},
    {OPTION_INPUT_SHARES, "input-shares", TEXT(input_shares, "DIR"), .source = FROM_DIRECTORIES,
     .help = "Texts from share files, so that no party knows them: what share-input wrote, or this party's part of it"},
    {OPTION_RESULT_SHARES, "result-shares", LIST(result_shares, results, "DIR"), .source = FROM_DIRECTORIES,
     .help = "Where results are kept as share files; may be given twice to reveal, for the directories of two parties"},
    {OPTION_STREAM, "stream", FLAG(stream), .setting = true,
     .help = "Take weights from the share files each time they are used: little memory"},
    {OPTION_PACKED, "packed", FLAG(packed),
     .help = "Keep matrices as each party's operand of products, which a run maps as it is: it starts at once"},
    {OPTION_NO_RANGES, "no-ranges", FLAG(no_ranges), .setting = true, .help = "Do not use the model's ranges.json"},
    {OPTION_NO_GUARD, "no-guard", FLAG(no_guard), .setting = true,
     .help =
         "Do not find out whether values exceed the model's ranges.json: a result may then be wrong, and nobody told"},
    {OPTION_CHECK_COPIES, "check-copies", FLAG(check_copies), .setting = true,
     .help = "Compare what two parties hold alike, step by step, before a result opens: faults are found and named"},
    {OPTION_CHECK_RANGES, "check-ranges", FLAG(check_ranges), .setting = true,
     .help = "With --local, for development: put every value together and stop at the first that leaves its range"},
    {OPTION_REPORT, "report", TEXT(report, "FILE"), .source = FROM_FILES,
     .help = "Write what --check-ranges saw at each node as JSON"},
    {OPTION_PROFILE, "report", FLAG(profile), .help = "With --arch or --model: where the time goes, op by op"},
    {OPTION_FACTOR, "factor", .type = OPTION_NUMBER, AT(factor), .placeholder = "NUMBER", .low = 1, .high = 1e6,
     .fallback = "2", .setting = true, .help = "By how much values may exceed those of the calibration"},
    {OPTION_DATA, "data", TEXT(data, "FILE"), .source = FROM_FILES,
     .help = "Labelled texts in the forms of --input; without such an ending a tab-separated table with a header as in "
             "GLUE, or CoLA's"},
    {OPTION_COLUMNS, "columns", TEXT(columns, "LIST"), .setting = true,
     .help = "Which columns of a table, or keys of objects, to take: text=NAME,text_b=NAME,label=NAME; or by numbers "
             "from 1 "
             "where a table has no header"},
    {OPTION_METRIC, "metric", TEXT(metric, "LIST"), .source = FROM_CHOICES,
     .choices = "accuracy f1 precision recall macro_f1 micro_f1 exact_match matthews pearson spearman perplexity",
     .fallback = "the usual ones of the task", .setting = true,
     .help = "One or several, with commas: accuracy, f1 (of label 1; of entities; of the words of answers), precision, "
             "recall (of entities), macro_f1, micro_f1, exact_match, matthews, pearson, spearman, perplexity"},
    {OPTION_PLAIN, "plain", FLAG(plain), .setting = true, .help = "In floating point in this process, without parties"},
    {OPTION_OUT, "out", TEXT(out, "PATH"), .source = FROM_FILES, .help = "What to write"},
    {OPTION_DRY_RUN, "dry-run", FLAG(dry_run),
     .help = "Check options, data and labels, forecast bytes, rounds and memory, and run nothing"},
    {OPTION_FORCE, "force", FLAG(force), .help = "Replace share files that are there already"},
    {OPTION_PARTY, "party", WHOLE(party, "PARTY", 0, LAST_PARTY), .source = FROM_CHOICES, .choices = "0 1 2",
     .help = "The party's number, 0 to 2"},
    {OPTION_ID, "id", WHOLE(links.id, "PARTY", 0, LAST_PARTY), .source = FROM_CHOICES, .choices = "0 1 2",
     .help = "Which party this is, 0 to 2"},
    {OPTION_SERVE, "serve", FLAG(serve),
     .help = "Stay: answer one request after another. The data owner reads texts from --input or standard input, and "
             "prints a line for each"},
    {OPTION_HTTP, "http", TEXT(http, "HOST:PORT"), .fallback = "127.0.0.1:7380",
     .help = "Where clients are answered: an address of this host alone, unless there are --token and --tls"},
    {OPTION_TOKEN, "token", TEXT(token, "FILE"), .source = FROM_FILES,
     .fallback = "that of TREFOIL_TOKEN, if it is set",
     .help =
         "The token that clients must bring (Authorization: Bearer), of 16 characters at least, in a file that nobody "
         "else may read"},
    {OPTION_TLS, "tls", TEXT(tls, "DIR"), .source = FROM_DIRECTORIES,
     .help = "Clients are answered by HTTPS, with cert.pem and key.pem of this directory"},
    {OPTION_NAME, "name", TEXT(name, "NAME"), .fallback = "that of the model's directory",
     .help = "What clients call the model"},
    {OPTION_QUEUE, "queue", COUNT(queue, "N"), .fallback = "64",
     .help = "Requests that may wait; more are told to come again"},
    {OPTION_READY_FILE, "ready-file", TEXT(ready_file, "FILE"), .source = FROM_FILES,
     .help = "With --serve: a file that is there while all three parties are connected and requests can be answered"},
    {OPTION_LISTEN, "listen", TEXT(links.listen, "HOST:PORT"),
     .help = "Where to listen, if not at this party's address in the parties file"},
    {OPTION_WAIT, "wait", .type = OPTION_SECONDS, AT(links.wait), .placeholder = "SECONDS",
     .fallback = "60; with --serve for ever", .help = "How long to wait for the other parties"},
    {OPTION_NETWORK, "network", A_NETWORK(network, is_network), .setting = true,
     .fallback = "measured where the parties are on several hosts",
     .help = "Choose what takes the least time on this network, the same for all parties; cost tells how long a run "
             "takes: measured (runs only), " NETWORKS
             "; a third number, such as ,5ns, is what a byte more costs in computing"},
    {OPTION_EACH, "each", TEXT(each, "FILE"), .source = FROM_FILES,
     .help =
         "A forecast a line, as JSON, for each line of FILE (- for standard input): a JSON object with some of model, "
         "arch, layers, approx, frac_bits, seq, batch and tokens, and the other options for all of them"},
    {OPTION_STEP, "step", TEXT(step, "NAME"), .source = FROM_CHOICES,
     .choices =
         "multiply multiply_wide truncate truncate_wide lift sign sign_low bit_to_share relu multiply_relu maximum "
         "exp2 exponential lookup reciprocal rsqrt",
     .setting = true, .help = "A protocol step"},
    {OPTION_OP, "op", TEXT(op, "KIND=VARIANT"), .setting = true,
     .help = "An op by itself, such as gelu=exact (trefoil ops lists them); --shape 128x3072 says of what shape its "
             "input is (default that of BERT-tiny on 4 texts of 128 tokens)"},
    {OPTION_ELEMENTS, "n", COUNT(elements, "N"), .fallback = "65536", .setting = true,
     .help = "Elements of the step's input; with --link the bytes of a message"},
    {OPTION_MATMUL, "matmul", .type = OPTION_PRODUCT, AT(matmul), .placeholder = "MxKxN", .setting = true,
     .help = "A matrix product of these dimensions"},
    {OPTION_ARCH, "arch", TEXT(arch, "NAME"), .source = FROM_CHOICES,
     .choices =
         "bert-tiny bert-mini bert-small bert-medium bert-base bert-large gpt2 gpt2-medium gpt2-large stories15m "
         "tinyllama-1.1b llama-7b llama-13b",
     .setting = true, .help = "An architecture with random weights"},
    {OPTION_LINK, "link", FLAG(link),
     .help = "The link itself: bytes a second between two parties, and the time of a round"},
    {OPTION_SEQUENCE, "seq", COUNT(sequence, "N"), .fallback = "128", .setting = true, .help = "Tokens a text"},
    {OPTION_LAYERS, "layers", COUNT(layers, "N"), .setting = true,
     .help = "Only the first N layers of the architecture"},
    {OPTION_RUNS, "runs", COUNT(runs, "N"), .fallback = "5; with --arch 1", .setting = true,
     .help = "Measured runs; medians are reported"},
    {OPTION_OPS, "ops", FLAG(ops), .help = "Every op by itself"},
    {OPTION_CRITICAL, "critical", FLAG(critical),
     .help =
         "The chain of steps that decides the number of rounds: which follows which, and the rounds that each takes; "
         "of several passes the last one's"},
    {OPTION_FIDELITY, "fidelity", FLAG(fidelity),
     .help = "Measure every op's errors over its range, in floating point and between three parties in this process; "
             "prints Markdown"},
    {OPTION_PROMPT, "prompt", LIST(text, texts, "TEXT"), .secret = true,
     .help = "A prompt; may be given several times. It leaves the process list at once"},
    {OPTION_MAX_TOKENS, "max-tokens", COUNT(generate.max_tokens, "N"), .fallback = "what the model says, or 128",
     .setting = true, .help = "Generate at most N tokens"},
    {OPTION_CONTEXT, "context", COUNT(generate.context, "N"), .fallback = "the model's", .setting = true,
     .help = "The most tokens of a text, prompt included"},
    {OPTION_PREFILL, "prefill", COUNT(generate.piece, "N"), .fallback = "all at once", .setting = true,
     .help = "Read prompts in pieces of N tokens: less memory, more rounds"},
    {OPTION_KEEP, "keep", COUNT(generate.keep, "N"), .fallback = "all", .setting = true,
     .help =
         "Once a prompt is read, keep in each layer the N tokens that its end looked at most; which, nobody learns"},
    {OPTION_CHAT, "chat", FLAG(generate.chat), .setting = true,
     .help = "A prompt is what a user says to the model: the model's chat template makes the conversation of it"},
    {OPTION_DRAFT, "draft", TEXT(generate.draft, "ngram|FILE|DIR"), .source = FROM_CHOICES, .choices = "ngram",
     .setting = true,
     .help =
         "Propose the next tokens, of which a pass then brings several: by what followed the last ones before, in the "
         "text or also in those of FILE, or by the smaller model in DIR, which has the same tokenizer and runs at "
         "the data owner. The text stays the same; the other parties see how many each pass brings, which tells "
         "how predictable the text is"},
    {OPTION_DRAFT_TOKENS, "draft-tokens", COUNT(generate.draft_tokens, "K"), .fallback = "4 with --draft",
     .setting = true, .help = "Propose K tokens a pass, at most 32; without --draft by ngram"},
    {OPTION_REVEAL, "reveal", TEXT(generate.reveal, "WHAT"), .source = FROM_CHOICES, .choices = "token logits",
     .fallback = "token", .setting = true,
     .help = "What the data owner learns of each step, or of each masked word: the token alone, or all logits"},
    {OPTION_TEMPERATURE, "temperature", NUMBER(generate.temperature, 0, 100), .fallback = "0, the likeliest",
     .setting = true, .help = "Draw tokens; the higher, the more evenly"},
    {OPTION_TOP_K, "top-k", WHOLE(generate.top_k, "N", 0, 1 << 24), .fallback = "40", .setting = true,
     .help = "Draw among the N likeliest tokens; 0: among all"},
    {OPTION_TOP_P, "top-p", NUMBER(generate.top_p, 0, 1), .fallback = "0.95", .setting = true,
     .help = "Draw among the likeliest tokens that make up so much"},
    {OPTION_MIN_P, "min-p", NUMBER(generate.min_p, 0, 1), .fallback = "0.05", .setting = true,
     .help = "Draw among tokens that are so likely, relative to the likeliest"},
    {OPTION_REPEAT, "repeat-penalty", NUMBER(generate.repeat_penalty, 0, 100), .fallback = "1", .setting = true,
     .help = "Divide the logits of tokens that are in the text, and multiply negative ones"},
    {OPTION_SEED, "seed", COUNT(generate.seed, "N"), .setting = true,
     .help = "With --plain: draw the same tokens again"},
    {OPTION_STOP, "stop", LIST(generate.stop, generate.stops, "TEXT"),
     .help = "End a text before this string; may be given several times"},
    {OPTION_IGNORE_END, "ignore-eos", FLAG(generate.ignore_end), .help = "Go on after tokens that end texts"},
    {OPTION_LOGPROBS, "logprobs", COUNT(generate.logprobs, "K"),
     .help = "With --json: log-probabilities of each token and of the K likeliest"},
    {OPTION_TOKENS, "tokens", COUNT(tokens, "N"), .fallback = "1", .setting = true,
     .help = "Tokens that a decoder generates after a prompt of --seq tokens"},
    {OPTION_PLUGIN, "plugin", LIST(plugin, plugins, "FILE"), .source = FROM_FILES,
     .help = "Load more ops from a shared object; may be given several times"},
    {OPTION_LOCAL, "local", FLAG(links.local), .setting = true,
     .help = "Run the three parties as threads of this process, without mpirun"},
    {OPTION_PARTIES, "parties", TEXT(links.parties, "FILE"), .source = FROM_FILES,
     .help = "The parties file: who the parties are and what they own. Needed when they are on several hosts"},
    {OPTION_IDENTITY, "identity", TEXT(links.identity, "DIR"), .source = FROM_DIRECTORIES,
     .help = "This party's key and certificate, as trefoil keygen made them"},
    {OPTION_PLAINTEXT, "plaintext-links", FLAG(links.plaintext), .setting = true,
     .help = "Do not encrypt what the parties send each other, to measure"},
    {OPTION_SHAPE, "shape", A_NETWORK(links.network, links.shaped), .setting = true,
     .help = "Simulate a network, on one machine only; cost tells how long a run over it takes: " NETWORKS},
    {OPTION_TIMEOUT, "timeout", .type = OPTION_SECONDS, AT(links.timeout), .placeholder = "SECONDS", .fallback = "30",
     .help = "How long to wait for a silent party"},
    {OPTION_THREADS, "threads", WHOLE(links.threads, "N", 1, MOST_THREADS),
     .fallback = "what Slurm grants a task; otherwise the processors granted here, divided among the parties",
     .setting = true, .help = "Threads of each party"},
    {OPTION_QUIET, "quiet", FLAG(quiet), .help = "No progress on standard error"},
    {OPTION_VERBOSE, "verbose", FLAG(verbose), .help = "Tell more: the log in detail, and of results who saw what"},
    {OPTION_LOG_LEVEL, "log-level", TEXT(log_level, "LEVEL"), .source = FROM_CHOICES,
     .choices = "error warning info debug", .fallback = "info; warning with --quiet, debug with --verbose",
     .help = "What the log on standard error tells: error, warning, info or debug"},
    {OPTION_LOG_JSON, "log-json", FLAG(log_json), .help = "The log on standard error as a JSON object a line"},
    {OPTION_JSON, "json", FLAG(json), .help = "Print JSON"},
    {OPTION_HELP, "help", FLAG(help), .help = "Print this help"},
};
const size_t option_rows = sizeof option_table / sizeof option_table[0];

bool option_accepted(const trefoil_command *command, const option_row *row) {
    return row->key == OPTION_HELP || (row->key == OPTION_JSON && !command->start) ||
           strchr(command->accepts, row->key);
}

const char *option_fallback(const trefoil_command *command, const option_row *row, char buffer[64]) {
    const char *own = command->defaults ? command->defaults : "";
    size_t length = strlen(row->name);
    while (*own) {
        size_t item = strcspn(own, " ");
        if (item > length && !strncmp(own, row->name, length) && own[length] == '=') {
            snprintf(buffer, 64, "%.*s", (int)(item - length - 1), own + length + 1);
            return buffer[0] ? buffer : NULL;
        }
        own += item + (own[item] == ' ');
    }
    return row->fallback;
}

size_t word_distance(const char *a, const char *b) {
    enum { LONGEST = 32, FAR = 4 };
    size_t n = strlen(a), m = strlen(b), row[LONGEST + 1];
    if (n > LONGEST || m > LONGEST) return FAR;
    for (size_t j = 0; j <= m; j++) row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t changed = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t added = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = changed < added ? changed : added;
        }
    }
    return row[m] < FAR ? row[m] : FAR;
}

const option_row *option_nearest(const trefoil_command *command, const char *typed) {
    const option_row *found = NULL;
    char name[40];
    size_t best = 3;
    typed += strspn(typed, "-");
    snprintf(name, sizeof name, "%.*s", (int)strcspn(typed, "="), typed);
    for (size_t i = 0; i < option_rows && strlen(name) > 2; i++) {
        size_t distance = word_distance(name, option_table[i].name);
        if (!option_accepted(command, &option_table[i]) || distance >= best) continue;
        best = distance;
        found = &option_table[i];
    }
    return found;
}
