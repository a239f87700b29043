"""Fails unless each token that a plain model wrote leads by LEAST in its logit: margins.py FILE LEAST, where FILE is what
generate --plain --logprobs 2 --json printed. Of tokens that are about as likely as one another a private run takes either."""
import json
import sys

leads = [step["top"][0]["logprob"] - step["top"][1]["logprob"]
         for result in json.load(open(sys.argv[1]))["results"] for step in result["logprobs"]]
if not leads or min(leads) < float(sys.argv[2]):
    sys.exit("%d tokens, the closest of which leads by %g, not %s" % (len(leads), min(leads, default=0), sys.argv[2]))
