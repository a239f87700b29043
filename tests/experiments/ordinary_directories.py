"""Directories as they stand on Hugging Face's hub, small and random: ordinary_directories.py TREFOIL WORK ORACLE.

Each has the keys and files of a well-known model; what the program makes of a text is compared with the float64
implementation in ORACLE, and nothing may be warned of. Others are to be refused, by file and key.
"""
import importlib.util
import json
import os
import subprocess
import sys

import numpy as np

TREFOIL, WORK = sys.argv[1:3]
spec = importlib.util.spec_from_file_location("family_oracle", sys.argv[3])
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)
failures = 0

TEXT, SECOND = "anna lives in new york", "who lives in berlin ?"
SIZES = dict(hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=24, vocab_size=40)
TRAINING = dict(attention_probs_dropout_prob=0.1, hidden_dropout_prob=0.1, initializer_range=0.02,
                gradient_checkpointing=False, classifier_dropout=None)
LATELY = dict(_name_or_path="/root/.cache/x", transformers_version="4.28.1", torch_dtype="float32", use_cache=True)
BERT = dict(SIZES, **TRAINING, **LATELY, model_type="bert", hidden_act="gelu", layer_norm_eps=1e-12,
            max_position_embeddings=32, pad_token_id=0, position_embedding_type="absolute", type_vocab_size=2)
ROBERTA = dict(SIZES, **TRAINING, model_type="roberta", hidden_act="gelu", layer_norm_eps=1e-5, bos_token_id=0,
               eos_token_id=2, pad_token_id=1, max_position_embeddings=34, type_vocab_size=1)
MODULES = ["Transformer", "Pooling", "Normalize"]


def expect(condition, *what):
    global failures
    if not condition:
        failures += 1
        print("FAILED:", *what)


def write(folder, name, content):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(content if isinstance(content, str) else json.dumps(content))


# ---- Files of tokenizers and of sentence-transformers ----

WORDS = "anna lives in new york who berlin ? ##s cat dog ##ia".split()


def word_pieces(folder, special="[PAD] [UNK] [CLS] [SEP] [MASK]", **config):
    words = special.split() + WORDS
    write(folder, "vocab.txt", "\n".join(words + [f"[unused{i}]" for i in range(40 - len(words))]) + "\n")
    write(folder, "tokenizer_config.json", dict(
        do_lower_case=True, unk_token="[UNK]", sep_token="[SEP]", pad_token="[PAD]", cls_token="[CLS]",
        mask_token="[MASK]", tokenize_chinese_chars=True, strip_accents=None, model_max_length=512,
        tokenizer_class="BertTokenizer", never_split=None, do_basic_tokenize=True) | config)
    write(folder, "special_tokens_map.json", {"unk_token": "[UNK]"} | {
        k: config[k] for k in ("cls_token", "sep_token") if k in config})


def unigram(folder, length=40):
    first = ["<s>", "<pad>", "</s>", "<unk>"]
    vocabulary = [[w, 0.0] for w in first] + [["\u2581" + w, -2.0 - i / 8] for i, w in enumerate(WORDS)]
    vocabulary += [[c, -9.0] for c in "\u2581abeilnorsvwyk?"]
    vocabulary += [["<mask>", 0.0]]
    added = [dict(id=i, content=w, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
             for i, w in list(enumerate(first)) + [(len(vocabulary) - 1, "<mask>")]]
    begin, end, a, b = ({"SpecialToken": {"id": "<s>", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}},
                        {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}})
    write(folder, "tokenizer.json", dict(
        version="1.0", truncation=None, padding=None, added_tokens=added, normalizer={"type": "NFKC"},
        pre_tokenizer={"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
        post_processor={"type": "TemplateProcessing", "single": [begin, a, end], "pair": [begin, a, end, end, b, end],
                        "special_tokens": {t: {"id": t, "ids": [i], "tokens": [t]} for i, t in ((0, "<s>"), (2, "</s>"))}},
        decoder={"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
        model={"type": "Unigram", "unk_id": 3, "vocab": vocabulary, "byte_fallback": False}))
    write(folder, "tokenizer_config.json", dict(
        bos_token="<s>", cls_token="<s>", eos_token="</s>", mask_token={"__type": "AddedToken", "content": "<mask>",
        "lstrip": True, "normalized": True, "rstrip": False, "single_word": False}, model_max_length=512,
        pad_token="<pad>", sep_token="</s>", unk_token="<unk>", tokenizer_class="XLMRobertaTokenizer"))


def bytes_level(folder, special, post, **config):
    """Byte pairs of single bytes, as RoBERTa and ModernBERT have them."""
    letters = list("abcdefghiklnorstuvwy?\u0120")
    vocabulary = {t: i for i, t in enumerate(special + letters)}
    added = [dict(id=vocabulary[t], content=t, single_word=False, lstrip=False, rstrip=False, normalized=False,
                  special=True) for t in special]
    write(folder, "tokenizer.json", dict(
        version="1.0", truncation=None, padding=None, added_tokens=added, normalizer=None,
        pre_tokenizer={"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        post_processor=post(vocabulary), decoder={"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True,
                                                  "use_regex": True},
        model=dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix="", end_of_word_suffix="",
                   fuse_unk=False, byte_fallback=False, vocab=vocabulary, merges=[])))
    write(folder, "tokenizer_config.json", config)


def roberta_tokenizer(folder):
    bytes_level(folder, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
                lambda v: {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True,
                           "add_prefix_space": False}, model_max_length=512)
    write(folder, "vocab.json", "{}")
    write(folder, "merges.txt", "#version: 0.2\n")


def modernbert_tokenizer(folder):
    item = lambda kind, name, of=0: {kind: {"id": name, "type_id": of}}
    begin, end = item("SpecialToken", "[CLS]"), item("SpecialToken", "[SEP]")
    bytes_level(folder, ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"],
                lambda v: {"type": "TemplateProcessing", "single": [begin, item("Sequence", "A"), end],
                           "pair": [begin, item("Sequence", "A"), end, item("Sequence", "B", 1), item("SpecialToken", "[SEP]", 1)],
                           "special_tokens": {t: {"id": t, "ids": [v[t]], "tokens": [t]} for t in ("[CLS]", "[SEP]")}},
                clean_up_tokenization_spaces=True, cls_token="[CLS]", mask_token="[MASK]", sep_token="[SEP]",
                pad_token="[PAD]", unk_token="[UNK]", model_max_length=8192,
                model_input_names=["input_ids", "attention_mask"], tokenizer_class="PreTrainedTokenizerFast")


def sentences(folder, mode, modules=MODULES, longest=256):
    write(folder, "modules.json", [dict(idx=i, name=str(i), path=f"{i}_{n}" if i else "",
                                        type="sentence_transformers.models." + n) for i, n in enumerate(modules)])
    write(folder, "1_Pooling/config.json", dict(
        word_embedding_dimension=16, pooling_mode_cls_token=mode == "cls", pooling_mode_mean_tokens=mode == "mean",
        pooling_mode_max_tokens=False, pooling_mode_mean_sqrt_len_tokens=False))
    write(folder, "sentence_bert_config.json", dict(max_seq_length=longest, do_lower_case=False))
    write(folder, "config_sentence_transformers.json", dict(__version__=dict(
        sentence_transformers="2.2.2", transformers="4.28.1", pytorch="1.13.0+cu117")))
    write(folder, "2_Normalize/.keep", "")
    write(folder, "README.md", "---\npipeline_tag: sentence-similarity\n---\n")


# ---- Running ----

def tokens_of(folder, pair):
    source = os.path.join(WORK, "text.jsonl")
    write(WORK, "text.jsonl", json.dumps([TEXT, SECOND] if pair else TEXT) + "\n")
    done = subprocess.run([TREFOIL, "tokenize", "--model", folder, "--input", source], capture_output=True, text=True)
    expect(done.returncode == 0, folder, done.stderr)
    return np.array(json.loads(done.stdout) if done.returncode == 0 else [0])


def program(folder, *options):
    return subprocess.run([TREFOIL, "plain", "--model", folder, "--input", os.path.join(WORK, "text.jsonl"), "--json",
                           *options], capture_output=True, text=True)


def second_types(ids, end):
    """Types of a pair of BERT's: 1 after the first separator."""
    first = list(ids).index(end)
    return np.array([int(i > first) for i in range(len(ids))])


def check(name, config, files, run, heads, values, pair=False, options=(), types=lambda ids: ids * 0):
    folder = os.path.join(WORK, name)
    os.makedirs(folder)
    write(folder, "config.json", config)
    files(folder)
    ids = tokens_of(folder, pair)
    model = oracle.Model(len(name))
    wanted = run(model, config, heads, ids, types(ids))
    oracle.write_tensors(os.path.join(folder, "model.safetensors"), model.tensors)
    done = program(folder, *options)
    expect(done.returncode == 0 and "warning" not in done.stderr, name, done.stderr)
    if done.returncode == 0:
        got = values(json.loads(done.stdout)["results"][0])
        wanted = heads.get("of", lambda w: w)(np.array(wanted))
        expect(np.size(got) and np.shape(got) == np.shape(wanted) and np.allclose(got, wanted, atol=1e-4), name, got, wanted)
        print(f"{name}: {np.abs(np.array(got) - wanted).max():.1e} from float64")


def refuse(name, config, *words, files=word_pieces):
    folder = os.path.join(WORK, name)
    os.makedirs(folder)
    write(folder, "config.json", config)
    files(folder)
    oracle.write_tensors(os.path.join(folder, "model.safetensors"), {"x": np.zeros(1)})
    done = program(folder)
    expect(done.returncode == 1 and all(w in done.stderr for w in words), name, done.stderr)
    print(f"{name}: {done.stderr.strip()}")


embedding, logits = lambda r: r["embedding"], lambda r: r["logits"]
mean, cls = dict(oracle.BERT_HEADS, head="embedding", pooling="mean"), dict(oracle.BERT_HEADS, head="embedding", pooling="cls")


def bert_like(folder, mode):
    word_pieces(folder)
    sentences(folder, mode, longest=512)


def unprefixed(run):
    """BertModel's own files have no prefix."""
    def renamed(m, c, h, ids, types):
        y = run(m, c, h, ids, types)
        m.tensors = {k.split(".", 1)[1]: v for k, v in m.tensors.items()}
        m.tensors["embeddings.position_ids"] = np.arange(32, dtype=np.float32)[None]
        m.tensors["pooler.dense.weight"], m.tensors["pooler.dense.bias"] = np.zeros((16, 16)), np.zeros(16)
        return y
    return renamed


def bert(m, c, h, ids, types):
    """As the oracle's, with 32 positions."""
    x, words = oracle.embed(m, "bert.", ids, types, 16, c["max_position_embeddings"], 2, 0, c["layer_norm_eps"])
    for i in range(3):
        x = oracle.post_norm(m, x, oracle.bert_names("bert.", i), c["hidden_act"], c["layer_norm_eps"])
    return oracle.head_of(m, x, words, h, c["hidden_act"], c["layer_norm_eps"])


def roberta(m, c, h, ids, types):
    x, words = oracle.embed(m, "roberta.", ids, types * 0, 16, 34, 1, 2, c["layer_norm_eps"])
    for i in range(3):
        x = oracle.post_norm(m, x, oracle.bert_names("roberta.", i), c["hidden_act"], c["layer_norm_eps"])
    return oracle.head_of(m, x, words, h, c["hidden_act"], c["layer_norm_eps"])


def electra(m, c, h, ids, types):
    x, words = oracle.embed(m, "electra.", ids, types, 12, 32, 2, 0, c["layer_norm_eps"])
    x = m.dense("electra.embeddings_project", x, 16)
    for i in range(3):
        x = oracle.post_norm(m, x, oracle.bert_names("electra.", i), c["hidden_act"], c["layer_norm_eps"])
    return oracle.head_of(m, x, words, h, c["hidden_act"], c["layer_norm_eps"])


def softmax_rows(y):
    e = np.exp(y - y.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def check_embeddings():
    config = dict(BERT, architectures=["BertModel"], id2label={"0": "LABEL_0"}, label2id={"LABEL_0": 0})
    check("bge-small-en-v1.5", config, lambda f: bert_like(f, "cls"), unprefixed(bert), cls, embedding)
    check("e5-small-v2", dict(BERT, architectures=["BertModel"], tokenizer_class="BertTokenizer"),
          lambda f: bert_like(f, "mean"), unprefixed(bert), mean, embedding)
    check("gte-small", dict(BERT, architectures=["BertModel"], torch_dtype="float16"), lambda f: bert_like(f, "mean"),
          unprefixed(bert), mean, embedding)
    check("multilingual-e5-small", dict(BERT, architectures=["BertModel"], tokenizer_class="XLMRobertaTokenizer"),
          lambda f: (unigram(f), sentences(f, "mean", longest=512)), unprefixed(bert), mean, embedding)
    mpnet = dict(ROBERTA, model_type="mpnet", architectures=["MPNetForMaskedLM"], relative_attention_num_buckets=32,
                 max_position_embeddings=34)
    del mpnet["type_vocab_size"]
    check("all-mpnet-base-v2", mpnet,
          lambda f: (word_pieces(f, "<s> <pad> </s> [UNK] <mask>", tokenizer_class="MPNetTokenizer", cls_token="<s>",
                                 sep_token="</s>", bos_token="<s>", eos_token="</s>", pad_token="<pad>",
                                 mask_token="<mask>"), sentences(f, "mean", longest=384)),
          unprefixed(oracle.run_mpnet), dict(mean, head="embedding"), embedding)


def check_classifiers():
    pairs = lambda ids: second_types(ids, 3)
    one = dict(BERT, architectures=["BertForSequenceClassification"], id2label={"0": "LABEL_0"},
               label2id={"LABEL_0": 0}, sentence_transformers={"activation_fn": "torch.nn.modules.linear.Identity",
                                                               "version": "4.1.0.dev0"})
    check("ms-marco-MiniLM-L6-v2", one, word_pieces, bert, dict(oracle.BERT_HEADS, head="classifier", labels=1), logits,
          pair=True, types=pairs)
    distil = dict(activation="gelu", architectures=["DistilBertForSequenceClassification"], attention_dropout=0.1, dim=16,
                  dropout=0.1, finetuning_task="sst-2", hidden_dim=24, id2label={"0": "NEGATIVE", "1": "POSITIVE"},
                  initializer_range=0.02, label2id={"NEGATIVE": 0, "POSITIVE": 1}, max_position_embeddings=9,
                  model_type="distilbert", n_heads=2, n_layers=3, output_past=True, pad_token_id=0, qa_dropout=0.1,
                  seq_classif_dropout=0.2, sinusoidal_pos_embds=False, tie_weights_=True, vocab_size=40)
    check("distilbert-sst-2", distil, word_pieces, oracle.run_distilbert,
          dict(oracle.DISTILBERT_HEADS, head="classifier", labels=2), logits)
    mnli = dict(ROBERTA, architectures=["RobertaForSequenceClassification"], _num_labels=3, output_past=True,
                id2label={"0": "CONTRADICTION", "1": "NEUTRAL", "2": "ENTAILMENT"},
                label2id={"CONTRADICTION": 0, "NEUTRAL": 1, "ENTAILMENT": 2})
    global TEXT, SECOND
    TEXT, SECOND = "anna lives", "who ?"
    check("roberta-large-mnli", mnli, roberta_tokenizer, roberta, dict(oracle.ROBERTA_HEADS, head="classifier"), logits,
          pair=True)
    TEXT, SECOND = "anna lives in new york", "who lives in berlin ?"


def check_tokens():
    ner = dict(ROBERTA, **LATELY, model_type="xlm-roberta", architectures=["XLMRobertaForTokenClassification"],
               id2label={"0": "O", "1": "B-PER", "2": "I-LOC"}, output_past=True, adapters=None,
               position_embedding_type="absolute")
    # The label of each token is the largest logit's; its score the softmax of it.
    check("xlm-roberta-ner", ner, unigram, roberta, dict(oracle.ROBERTA_HEADS, head="tokens", of=lambda y: np.array(
        [p.max() for p in softmax_rows(y)[1:-1] if p.argmax() > 0])), lambda r: [e["score"] for e in r["entities"]],
          options=("--aggregation", "none"))
    qa = dict(SIZES, **TRAINING, architectures=["ElectraForQuestionAnswering"], embedding_size=12, hidden_act="gelu",
              layer_norm_eps=1e-12, max_position_embeddings=32, model_type="electra", pad_token_id=0, language="english",
              name="Electra", summary_activation="gelu", summary_last_dropout=0.1, summary_type="first",
              summary_use_proj=True, type_vocab_size=2, position_embedding_type="absolute")

    def best(y):
        context = [i for i in range(len(y)) if i == 0 or 7 <= i < len(y) - 1]
        s, e = softmax_rows(y[context, 0]), softmax_rows(y[context, 1])
        return max(s[i] * e[j] for i in range(1, len(context)) for j in range(i, len(context)))
    check("electra-base-squad2", qa, word_pieces, electra, dict(oracle.ELECTRA_HEADS, head="span", of=best),
          lambda r: r["answers"][0]["score"], pair=True, types=lambda ids: second_types(ids, 3))
    modern = dict(SIZES, **LATELY, architectures=["ModernBertForMaskedLM"], attention_bias=False, attention_dropout=0.0,
                  bos_token_id=1, classifier_activation="gelu", classifier_bias=False, classifier_dropout=0.0,
                  classifier_pooling="mean", cls_token_id=1, decoder_bias=True, deterministic_flash_attn=False,
                  embedding_dropout=0.0, eos_token_id=2, global_attn_every_n_layers=3, global_rope_theta=160000.0,
                  gradient_checkpointing=False, hidden_activation="gelu", initializer_cutoff_factor=2.0,
                  initializer_range=0.02, layer_norm_eps=1e-05, local_attention=4, local_rope_theta=10000.0,
                  max_position_embeddings=64, mlp_bias=False, mlp_dropout=0.0, model_type="modernbert", norm_bias=False,
                  norm_eps=1e-05, pad_token_id=3, position_embedding_type="absolute", sep_token_id=2,
                  tie_word_embeddings=True, reference_compile=None, repad_logits_with_grad=False,
                  sparse_pred_ignore_index=-100, sparse_prediction=False)
    global TEXT
    TEXT = "anna lives in [MASK]"
    check("ModernBERT-base", modern, modernbert_tokenizer, oracle.run_modernbert, dict(
        head="masked", of=lambda y: np.sort(softmax_rows(y[-2]))[::-1][:5]),
          lambda r: [w["score"] for w in r["masks"][0]], options=("--fill-mask",))
    TEXT = "anna lives in new york"


def check_refusals():
    refuse("deberta-v3-base", dict(SIZES, model_type="deberta-v2", architectures=["DebertaV2Model"], hidden_act="gelu",
                                   pos_att_type="p2c|c2p", relative_attention=True, position_biased_input=False),
           "config.json", "\"model_type\" is \"deberta-v2\"; supported are")
    refuse("nomic-embed-text-v1.5", dict(model_type="nomic_bert", n_embd=16, architectures=["NomicBertModel"]),
           "config.json", "\"model_type\" is \"nomic_bert\"")
    refuse("jina-embeddings-v2", dict(BERT, architectures=["BertModel"], position_embedding_type="alibi",
                                      auto_map={"AutoConfig": "x--configuration_bert.JinaBertConfig"}),
           "config.json", "\"position_embedding_type\" is \"alibi\"")
    refuse("bert-awq", dict(BERT, architectures=["BertModel"], quantization_config={"bits": 4, "quant_method": "awq"}),
           "config.json", "\"quantization_config\"")
    refuse("bigbird", dict(BERT, model_type="big_bird"), "\"model_type\" is \"big_bird\"")
    refuse("mixtral", dict(model_type="mixtral", architectures=["MixtralForCausalLM"]), "\"model_type\" is \"mixtral\"")


check_embeddings()
check_classifiers()
check_tokens()
check_refusals()
sys.exit(failures > 0)
