// Ids of texts by the tokenizers library (Rust, through Node): tokenizer_oracle.js PACKAGES TOKENIZER.JSON TEXTS.JSONL
const fs = require("fs");
const { Tokenizer } = require(process.argv[2] + "/@anush008/tokenizers");

async function main() {
  const tokenizer = Tokenizer.fromFile(process.argv[3]);
  tokenizer.disablePadding();
  tokenizer.disableTruncation();
  const texts = fs.readFileSync(process.argv[4], "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const lines = [];
  for (const text of texts) lines.push(JSON.stringify(Array.from((await tokenizer.encode(text)).getIds())));
  fs.writeFileSync(1, lines.join("\n") + "\n");
}
main();
