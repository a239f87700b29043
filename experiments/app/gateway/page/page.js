'use strict';
/* A page to try the gateway with. It asks what any client asks, and keeps nothing. */

const at = (id) => document.getElementById(id);
let token = '';
let info = null;
let running = null; // of the request under way

/* Asking ----------------------------------------------------------------------------------------------------------- */

function send(path, body, signal) {
    const headers = { 'Content-Type': 'application/json' };
    if (token) headers.Authorization = 'Bearer ' + token;
    return fetch(path, body ? { method: 'POST', headers, signal, body: JSON.stringify(body) } : { headers, signal });
}

/* The reason that a refusal gives, in either form. */
async function reason(response) {
    const text = await response.text();
    try {
        const error = JSON.parse(text).error;
        return typeof error === 'string' ? error : error.message;
    } catch {
        return 'The gateway answered with status ' + response.status;
    }
}

async function ask(path, body, signal) {
    const response = await send(path, body, signal);
    if (!response.ok) throw new Error(await reason(response));
    const run = response.headers.get('Trefoil-Run');
    return { json: await response.json(), run: run ? JSON.parse(run) : null };
}

/* Server-sent events, one by one. */
async function* events(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        rest += value;
        const whole = rest.split('\n\n');
        rest = whole.pop();
        for (const event of whole) yield event.replace(/^data: /, '');
    }
}

/* Showing ---------------------------------------------------------------------------------------------------------- */

function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
}

function bytes(count) {
    const units = ['B', 'kB', 'MB', 'GB', 'TB'];
    let i = 0;
    while (count >= 1000 && i < units.length - 1) {
        count /= 1000;
        i++;
    }
    return (i === 0 ? count : count.toPrecision(3)) + ' ' + units[i];
}

const seconds = (value) => (value < 10 ? value.toFixed(2) : value.toFixed(1)) + ' s';
const several = (count, what) => count + ' ' + what + (count === 1 ? '' : 's');

function barsOf(predictions) {
    const bars = element('div', undefined, 'bars');
    const largest = Math.max(...predictions.map((p) => p.score), 1e-9);
    for (const { label, score } of predictions.slice(0, 10)) {
        const track = element('span', undefined, 'track');
        const bar = element('span');
        bar.style.width = Math.max(0, (100 * score) / Math.max(1, largest)) + '%';
        track.append(bar);
        bars.append(element('span', label, 'name'), track, element('span', score.toFixed(4), 'number'));
    }
    return bars;
}

const showBars = (predictions) => at('answer').replaceChildren(barsOf(predictions));

/* Words for each mask of a text by their scores; without scores, the text with its words. */
function showWords(text, masks) {
    if (masks.every((words) => words.every((word) => word.score))) {
        const shown = masks.map((words, i) => [
            ...(masks.length > 1 ? [element('p', 'mask ' + (i + 1), 'hint')] : []),
            barsOf(words.map((word) => ({ label: word.token_str, score: word.score }))),
        ]);
        at('answer').replaceChildren(...shown.flat());
        return;
    }
    const said = element('p', undefined, 'said');
    text.split(/\[MASK\]|<mask>/).forEach((part, i) => {
        if (i > 0 && masks[i - 1]) said.append(element('mark', masks[i - 1][0].token_str.trim()));
        said.append(part);
    });
    at('answer').replaceChildren(said);
}

/* A text with what was found in it, by its places in characters. */
function showEntities(text, found) {
    const said = element('p', undefined, 'said');
    const characters = [...text];
    let done = 0;
    for (const { start, end, score, entity_group: label } of found) {
        const mark = element('mark', characters.slice(start, end).join(''));
        mark.append(element('small', label + ' ' + score.toFixed(2)));
        said.append(characters.slice(done, start).join(''), mark);
        done = end;
    }
    said.append(characters.slice(done).join(''));
    at('answer').replaceChildren(said);
}

function showVectors(vectors) {
    const shown = [];
    if (vectors.length === 2) {
        const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
        const cosine = dot(vectors[0], vectors[1]) / Math.sqrt(dot(vectors[0], vectors[0]) * dot(vectors[1], vectors[1]));
        shown.push(element('p', 'cosine ' + cosine.toFixed(4), 'large number-text'));
    }
    for (const vector of vectors) {
        const first = vector.slice(0, 8).map((x) => x.toFixed(4));
        shown.push(element('p', '[' + first.join(', ') + (vector.length > 8 ? ', …' : '') + ']  ' + several(vector.length, 'value'), 'vector'));
    }
    at('answer').replaceChildren(...shown);
}

function showCost(run, start, told) {
    if (!run) return;
    const figures = [
        ['answered after', seconds((performance.now() - start) / 1000)],
        ['waiting', seconds(run.seconds.queue)],
        ['set-up', seconds(run.seconds.setup)],
        ['computing', seconds(run.seconds.online)],
        ['between the parties', bytes(run.bytes.online)],
        ['of set-up', bytes(run.bytes.setup + run.bytes.encryption)],
        ['rounds', run.rounds.toLocaleString('en')],
        ['in the same run', several(run.requests, 'request')],
    ];
    at('figures').replaceChildren(
        ...figures.map(([name, value]) => {
            const pair = element('div');
            pair.append(element('dt', name), element('dd', value));
            return pair;
        }),
    );
    showParties(run, told);
    at('cost').hidden = false;
}

/* What each party saw: lengths, and random numbers. */
function showParties(run, told) {
    const others = 'the length of the text (' + told + '), and random numbers';
    const rows = [0, 1, 2].map((party) => {
        const owns = [];
        if (party === info.model_owner) owns.push('model owner');
        if (party === info.data_owner) owns.push('data owner, this gateway');
        const name = element('th');
        name.scope = 'row';
        name.append('party ' + party, element('small', owns.join(', ') || 'helper'));
        const saw = party === info.data_owner ? 'the text and the answer' : party === info.model_owner ? 'its weights, ' + others : others;
        const row = element('tr', undefined, party === info.data_owner ? 'own' : '');
        row.append(name, element('td', saw), element('td', bytes(run.sent[party]), 'number'), element('td', bytes(run.received[party]), 'number'));
        return row;
    });
    document.querySelector('#parties tbody').replaceChildren(...rows);
}

function showError(message) {
    at('error').textContent = message;
    at('error').hidden = !message;
}

/* What each kind of model is asked --------------------------------------------------------------------------------- */

async function classify(text, signal, start) {
    const { json, run } = await ask('predict', { inputs: text }, signal);
    showBars(json);
    showCost(run, start, several(run.prompt_tokens, 'token'));
}

async function tag(text, signal, start) {
    const { json, run } = await ask('predict', { inputs: text }, signal);
    showEntities(text, json);
    showCost(run, start, several(run.prompt_tokens, 'token'));
}

async function answer(text, signal, start) {
    const { json, run } = await ask('predict', { inputs: { question: at('second').value, context: text }, parameters: { top_k: 3 } }, signal);
    showBars(json.map((found) => ({ label: found.answer, score: found.score })));
    showCost(run, start, several(run.prompt_tokens, 'token'));
}

async function fill(text, signal, start) {
    const { json, run } = await ask('predict', { inputs: text }, signal);
    showWords(text, Array.isArray(json[0]) ? json : [json]);
    showCost(run, start, several(run.prompt_tokens, 'token'));
}

async function embed(text, signal, start) {
    const second = at('second').value;
    const { json, run } = await ask('v1/embeddings', { input: second ? [text, second] : [text] }, signal);
    showVectors(json.data.map((item) => item.embedding));
    showCost(run, start, several(run.prompt_tokens, 'token'));
}

async function complete(text, signal, start) {
    const body = { max_tokens: Number(at('tokens').value), temperature: Number(at('temperature').value), stream: true, stream_options: { include_usage: true } };
    if (info.chat) body.messages = [{ role: 'user', content: text }];
    else body.prompt = text;
    const said = element('p', undefined, 'said growing');
    if (!info.chat) said.append(element('span', text, 'given'));
    at('answer').replaceChildren(said);
    try {
        const response = await send(info.chat ? 'v1/chat/completions' : 'v1/completions', body, signal);
        if (!response.ok) throw new Error(await reason(response));
        for await (const event of events(response)) {
            if (event === '[DONE]') break;
            const chunk = JSON.parse(event);
            if (chunk.error) throw new Error(chunk.error.message);
            for (const choice of chunk.choices) said.append(choice.text ?? choice.delta?.content ?? '');
            if (chunk.trefoil) showCost(chunk.trefoil, start, several(chunk.usage.prompt_tokens, 'token') + ', and ' + chunk.usage.completion_tokens + ' that follow');
        }
    } finally {
        said.classList.remove('growing');
        if (!said.textContent) said.remove();
    }
}

const kinds = {
    classifier: { about: 'classifies texts', label: 'Text', path: '/predict', ask: classify },
    embedding: { about: 'embeds texts', label: 'Text', path: '/v1/embeddings', ask: embed, second: 'Compared with' },
    'token-classification': { about: 'finds entities in texts', label: 'Text', path: '/predict', ask: tag },
    'question-answering': { about: 'finds answers in texts', label: 'Context', path: '/predict', ask: answer, second: 'Question', needsSecond: true },
    'fill-mask': { about: 'fills the masks of texts', label: 'Text with [MASK] or <mask>', path: '/predict', ask: fill },
    'text-generation': { about: 'continues texts', label: 'Prompt', path: '/v1/completions', ask: complete, draws: true },
};

async function submit(event) {
    event.preventDefault();
    const kind = info && kinds[info.model_type];
    const text = at('text').value;
    if (running || !kind || !text) return;
    running = new AbortController();
    const start = performance.now();
    showError('');
    at('answer').replaceChildren();
    at('cost').hidden = true;
    at('result').hidden = false;
    at('result').setAttribute('aria-busy', 'true');
    at('ask').disabled = true;
    at('stop').hidden = false;
    try {
        await kind.ask(text, running.signal, start);
    } catch (error) {
        showError(error.name === 'AbortError' ? 'Stopped.' : error.message);
    }
    running = null;
    at('result').removeAttribute('aria-busy');
    at('ask').disabled = false;
    at('stop').hidden = true;
}

/* The gateway's state ---------------------------------------------------------------------------------------------- */

function showModel() {
    const kind = kinds[info.model_type];
    at('model').textContent = info.model_id;
    document.title = info.model_id + ' – trefoil';
    if (!kind) return;
    at('kind').textContent = 'A model that ' + kind.about + ' without seeing them: three parties compute on shares, and only this one has the text.';
    at('text-label').textContent = info.chat ? 'Message' : kind.label;
    at('second-part').hidden = !kind.second;
    if (kind.second) at('second-label').textContent = kind.second;
    at('second').required = Boolean(kind.needsSecond);
    at('tokens-part').hidden = at('temperature-part').hidden = !kind.draws;
    at('path').textContent = info.chat ? '/v1/chat/completions' : kind.path;
}

async function look() {
    let state = 'away', text = 'the gateway does not answer';
    try {
        const health = await fetch('health');
        text = (await health.json()).status;
        state = health.ok ? 'ready' : 'away';
        if (health.ok && (!info || !info.model_type)) {
            const response = await send('info');
            at('token-form').hidden = response.status !== 401;
            if (response.ok) {
                info = await response.json();
                showModel();
            } else if (token) {
                text = await reason(response);
            }
        }
    } catch {
        /* as it stands above */
    }
    at('state').className = state;
    at('state-text').textContent = text;
}

at('ask-form').addEventListener('submit', submit);
at('stop').addEventListener('click', () => running && running.abort());
at('text').addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) at('ask-form').requestSubmit();
});
at('token-form').addEventListener('submit', (event) => {
    event.preventDefault();
    token = at('token').value;
    look();
});
look();
setInterval(look, 3000);
