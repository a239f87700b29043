// OpenAI's own client against a gateway: client.mjs DIR URL embedding|writer. Prints nothing where all is as it should be.
import { createRequire } from 'node:module';

const [directory, url, kind] = process.argv.slice(2);
const OpenAI = createRequire(import.meta.url)(directory);
const client = new OpenAI({ apiKey: process.env.TREFOIL_TOKEN, baseURL: url + '/v1', maxRetries: 0 });
let failures = 0;

function check(right, what) {
    if (right) return;
    failures++;
    console.log('FAILED: ' + what);
}

// The error that a call throws.
async function refused(call) {
    try {
        await call();
    } catch (error) {
        return error;
    }
    return { status: 200 };
}

const close = (a, b) => a.every((x, i) => Math.abs(x - b[i]) < 0.02);

async function embedding(model) {
    const input = ['good film', 'hello world'];
    const encoded = await client.embeddings.create({ model, input }); // the client asks for base64, and decodes it
    const plain = await client.embeddings.create({ model, input, encoding_format: 'float' });
    check(encoded.data.length === 2 && encoded.data[1].index === 1, 'two embeddings');
    check(Array.isArray(encoded.data[0].embedding) && encoded.data[0].embedding.length === 8, 'base64 is decoded to numbers');
    check(encoded.data.every((item, i) => close(item.embedding, plain.data[i].embedding)), 'both forms say the same');
    check(plain.usage.prompt_tokens === 8 && plain.usage.total_tokens === 8, 'usage: ' + JSON.stringify(plain.usage));
    const short = await client.embeddings.create({ model, input: 'good film', dimensions: 4, encoding_format: 'float' });
    check(short.data[0].embedding.length === 4, 'dimensions');
    const tokens = await refused(() => client.embeddings.create({ model, input: [[1, 2, 3]] }));
    check(tokens instanceof OpenAI.BadRequestError && tokens.code === 'tokens_not_supported' && tokens.param === 'input', 'ids of tokens: ' + tokens);
    const missing = await refused(() => client.embeddings.create({ model: 'other', input: 'x' }));
    check(missing instanceof OpenAI.NotFoundError && missing.code === 'model_not_found', 'another model: ' + missing);
}

async function writer(model) {
    const prompt = 'once upon a time';
    const whole = await client.completions.create({ model, prompt, max_tokens: 6 });
    check(whole.choices[0].text === 'wqoqoq' && whole.choices[0].finish_reason === 'length', 'a completion: ' + JSON.stringify(whole));
    check(whole.usage.completion_tokens === 6 && whole.usage.prompt_tokens === 16, 'usage: ' + JSON.stringify(whole.usage));
    let text = '', usage = null, pieces = 0;
    for await (const chunk of await client.completions.create({ model, prompt, max_tokens: 6, stream: true, stream_options: { include_usage: true } })) {
        for (const choice of chunk.choices) text += choice.text;
        pieces += chunk.choices.length;
        usage = chunk.usage ?? usage;
    }
    check(text === 'wqoqoq' && pieces >= 6 && usage?.total_tokens === 22, 'a stream: ' + text + ' ' + JSON.stringify(usage));

    const messages = [{ role: 'system', content: 'so' }, { role: 'user', content: 'hi' }];
    const said = await client.chat.completions.create({ model, messages, max_tokens: 5, stop: ['zz'] });
    check(said.choices[0].message.role === 'assistant' && said.choices[0].message.content.length > 0, 'a conversation: ' + JSON.stringify(said));
    const stream = client.chat.completions.stream({ model, messages, max_tokens: 5, stop: ['zz'] });
    let grown = '';
    stream.on('content', (delta) => (grown += delta));
    const last = await stream.finalChatCompletion();
    check(grown === said.choices[0].message.content && last.choices[0].finish_reason === 'length', 'a conversation that streams: ' + grown);
    const drawn = await client.chat.completions.create({ model, messages, max_tokens: 4, temperature: 0.7, top_p: 0.9, n: 3 });
    check(drawn.choices.length === 3 && drawn.choices.every((choice, i) => choice.index === i), 'three draws: ' + JSON.stringify(drawn));

    // What says how or for whom is taken; what asks for something that is not done is refused by its name.
    const hints = { safety_identifier: 'a', prompt_cache_key: 'b', service_tier: 'auto', modalities: ['text'], prediction: { type: 'content', content: 'so' }, metadata: { a: 'b' }, user: 'c', verbosity: 'medium', reasoning_effort: 'none', response_format: { type: 'text' }, presence_penalty: 0, logit_bias: {}, tools: [], store: false };
    const hinted = await client.chat.completions.create({ model, messages, max_tokens: 5, stop: ['zz'], ...hints });
    check(hinted.choices[0].message.content === said.choices[0].message.content, 'hints change an answer: ' + JSON.stringify(hinted));
    const wishes = { tools: [{ type: 'function', function: { name: 'f' } }], tool_choice: 'required', function_call: 'auto', logprobs: true, logit_bias: { 5: 1 }, presence_penalty: 1, frequency_penalty: -1, response_format: { type: 'json_schema', json_schema: { name: 'a' } }, modalities: ['text', 'audio'], audio: { voice: 'alloy', format: 'wav' }, reasoning_effort: 'high', verbosity: 'low', web_search_options: { search_context_size: 'low' }, store: true, n: 99 };
    for (const [name, value] of Object.entries(wishes)) {
        const error = await refused(() => client.chat.completions.create({ model, messages, max_tokens: 1, [name]: value }));
        check(error instanceof OpenAI.BadRequestError && error.param === name, name + ': ' + error);
    }
    const elsewhere = await refused(() => client.responses.create({ model, input: 'hi' }));
    check(elsewhere instanceof OpenAI.NotFoundError && elsewhere.code === 'unknown_url', 'another interface: ' + elsewhere);
    check(/\/v1\/chat\/completions/.test(elsewhere.message), 'it is not told what there is: ' + elsewhere);

    const seed = await refused(() => client.chat.completions.create({ model, messages, temperature: 1, seed: 1 }));
    check(seed instanceof OpenAI.BadRequestError && seed.param === 'seed', 'a seed: ' + seed);
    const long = await refused(() => client.completions.create({ model, prompt: 'a'.repeat(100), max_tokens: 1, stream: true }));
    check(long instanceof OpenAI.BadRequestError, 'too long: ' + long);
    const abort = new AbortController();
    const cut = await client.completions.create({ model, prompt, max_tokens: 40, stream: true }, { signal: abort.signal });
    for await (const chunk of cut) if (chunk) abort.abort();
    check(cut.controller.signal.aborted || abort.signal.aborted, 'a stream that is given up');
}

const models = [];
for await (const model of client.models.list()) models.push(model.id);
check(models.length === 1, 'models: ' + models);
check((await client.models.retrieve(models[0])).object === 'model', 'one model');
const stranger = new OpenAI({ apiKey: 'another token', baseURL: url + '/v1', maxRetries: 0 });
const unknown = await refused(() => stranger.models.list());
check(unknown instanceof OpenAI.AuthenticationError && unknown.code === 'invalid_api_key', 'a wrong token: ' + unknown);
await (kind === 'writer' ? writer : embedding)(models[0]);
process.exit(failures ? 1 : 0);
