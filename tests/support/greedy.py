"""What a model continues random prompts with: greedy.py TREFOIL MODEL PROMPTS TOKENS prints a JSON line of prompt and text
for each. Of tokens that are about as likely as one another a private run takes either, so only prompts are taken of which
each token's logit leads by 0.01: thirty times what a tiny decoder's private logits are off by."""
import json
import random
import subprocess
import sys
import tempfile

trefoil, model, count, tokens = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
chance = random.Random(1)
prompts = ["".join(chance.choice("abcdefghij") for _ in range(chance.randint(1, 12))) for _ in range(4 * count)]
with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
    file.write("\n".join(prompts) + "\n")
    file.flush()
    run = subprocess.run([trefoil, "generate", "--plain", "--model", model, "--input", file.name, "--max-tokens", tokens,
                          "--logprobs", "2", "--json"], stdout=subprocess.PIPE, check=True)
clear = [(prompt, result["text"]) for prompt, result in zip(prompts, json.loads(run.stdout)["results"])
         if all(step["top"][0]["logprob"] - step["top"][1]["logprob"] >= 0.01 for step in result["logprobs"])]
if len(clear) < count:
    sys.exit("only %d of %d prompts have clear tokens" % (len(clear), len(prompts)))
for prompt, text in clear[:count]:
    print(json.dumps({"prompt": prompt, "text": text}))
