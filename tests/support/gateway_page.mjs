// The gateway's page as its user sees it: gateway_page.mjs CHROMIUM SCRATCH URL KIND [PICTURES], where
// KIND, which is also the model's name, is one of those below. Prints nothing where all is as it should be.
import { Page } from './chromium.mjs';

const [program, scratch, url, kind, pictures] = process.argv.slice(2);
let failures = 0;

function check(right, what) {
    if (right) return;
    failures++;
    console.log('FAILED: ' + kind + ': ' + what);
}

const page = await Page.open(program, scratch);
const text = (selector) => page.evaluate(`document.querySelector('${selector}')?.innerText ?? ''`);
const shown = (id) => page.evaluate(`document.getElementById('${id}').getClientRects().length > 0`);

async function ask(words) {
    await page.evaluate(`document.getElementById('text').value = ${JSON.stringify(words)}; document.getElementById('ask').click()`);
}

const answered = () => page.until(`!document.getElementById('ask').disabled && document.getElementById('cost').getClientRects().length > 0`);

async function take(name) {
    if (!pictures) return;
    for (const [width, dark] of [[360, false], [768, true], [1280, false]]) {
        await page.look(width, 900, dark);
        await page.picture(`${pictures}/gateway-${name}-${width}.png`);
    }
    await page.look(1024, 900);
}

/* Nothing is wider than the window at any width. */
async function fits() {
    for (const width of [320, 360, 480, 768, 1280]) {
        await page.look(width, 900);
        const wide = await page.evaluate('document.documentElement.scrollWidth');
        check(wide <= width, `at a width of ${width} it is ${wide} wide`);
    }
    await page.look(1024, 900);
}

await page.look(1024, 900);
await page.call('Page.navigate', { url });
check(await page.until(`document.getElementById('state').className === 'ready'`), 'the state: ' + (await text('#state')));
if (process.env.TREFOIL_TOKEN) {
    check(await page.until(`!document.getElementById('token-form').hidden`), 'a token is not asked for');
    await page.evaluate(`document.getElementById('token').value = ${JSON.stringify(process.env.TREFOIL_TOKEN)}; document.querySelector('#token-form button').click()`);
    page.faults.length = 0; // the refusal before the token
}
check(await page.until(`document.getElementById('model').textContent === ${JSON.stringify(kind)}`), 'the model: ' + (await text('#model')));
check(await page.until(`document.getElementById('token-form').hidden`), 'the token is still asked for');

if (kind === 'classifier') {
    await ask('good film');
    check(await answered(), 'no answer: ' + (await text('#result')));
    check(/red|green|blue/.test(await text('.bars .name')), 'labels: ' + (await text('#answer')));
    check((await page.evaluate(`document.querySelectorAll('.bars .name').length`)) === 3, 'three labels');
    check(!(await shown('tokens')) && !(await shown('second')), 'what is for other models');
    check(/the length of the text \(4 tokens\), and random numbers/.test(await text('#parties')), 'what the helper saw: ' + (await text('#parties')));
    await take(kind);
    await ask('good '.repeat(40));
    check(await page.until(`!document.getElementById('error').hidden`), 'a text that is too long is not refused');
    check(/token/.test(await text('#error')), 'the reason: ' + (await text('#error')));
    page.faults.length = 0; // the browser notes the refusal
}
if (kind === 'embedding') {
    await page.evaluate(`document.getElementById('second').value = 'hello world'`);
    await ask('good film');
    check(await answered(), 'no answer: ' + (await text('#result')));
    check(/cosine -?[01]\.\d{4}/.test(await text('#answer')), 'a cosine: ' + (await text('#answer')));
    await take(kind);
}
if (kind === 'tokens') {
    await ask('Anna lives in New York, Bob in Berlin.');
    check(await answered(), 'no answer: ' + (await text('#result')));
    check((await page.evaluate(`document.querySelectorAll('.said mark small').length`)) > 0, 'no entity: ' + (await text('#answer')));
    const said = await page.evaluate(`[...document.querySelectorAll('.said')].map((p) => { p = p.cloneNode(true); p.querySelectorAll('small').forEach((s) => s.remove()); return p.textContent; }).join()`);
    check(said === 'Anna lives in New York, Bob in Berlin.', 'the text around the entities: ' + said);
    await take(kind);
}
if (kind === 'answers') {
    check((await text('#second-label')) === 'Question' && (await text('#text-label')) === 'Context', 'labels: ' + (await text('#ask-form')));
    await ask('anna lives in new york, bob in berlin.');
    check(await page.evaluate(`document.getElementById('result').getClientRects().length === 0`), 'it is asked without a question');
    await page.evaluate(`document.getElementById('second').value = 'who lives in berlin?'`);
    await ask('anna lives in new york, bob in berlin.');
    check(await answered(), 'no answer: ' + (await text('#result')));
    check((await page.evaluate(`document.querySelectorAll('.bars .name').length`)) === 3, 'three answers: ' + (await text('#answer')));
    await take(kind);
}
if (kind === 'masks' || kind === 'mask') {
    await ask('anna lives in [MASK], bob in [MASK].');
    check(await answered(), 'no answer: ' + (await text('#result')));
    const words = await page.evaluate(`document.querySelectorAll('.bars .name, .said mark').length`);
    check(words === (kind === 'masks' ? 10 : 2), words + ' words: ' + (await text('#answer')));
    check(kind === 'masks' ? /mask 1[^]*mask 2/.test(await text('#answer')) : /^anna lives in [^[]+, bob in [^[]+\.$/.test(await text('.said')), 'what fills them: ' + (await text('#answer')));
    await take(kind);
    await ask('no mask at all');
    check(await page.until(`!document.getElementById('error').hidden`), 'a text without a mask is not refused: ' + (await text('#result')));
    page.faults.length = 0; // the browser notes the refusal
}
if (kind === 'chat') {
    check((await text('#text-label')) === 'Message' && (await text('#path')) === '/v1/chat/completions', 'labels: ' + (await text('main')));
    await page.evaluate(`document.getElementById('tokens').value = 6`);
    await ask('hi');
    check(await answered(), 'no answer: ' + (await text('#result')));
    check(/^[a-z. ]{6}$/.test(await page.evaluate(`document.querySelector('.said').textContent`)), 'an answer: ' + (await text('#answer')));
    await take(kind);
    await page.evaluate(`document.getElementById('tokens').value = 5000; document.getElementById('tokens').removeAttribute('max')`);
    await ask('hi');
    check(await page.until(`/max_tokens/.test(document.getElementById('error').innerText)`), 'too many tokens: ' + (await text('#error')));
    page.faults.length = 0;
}
if (kind === 'writer') {
    check(await shown('temperature'), 'how tokens are drawn');
    await page.evaluate(`
        window.seen = new Set();
        new MutationObserver(() => window.seen.add(document.getElementById('answer').innerText)).observe(document.getElementById('answer'), { childList: true, subtree: true, characterData: true })`);
    await page.evaluate(`document.getElementById('tokens').value = 6`);
    await ask('once upon a time');
    check(await answered(), 'no answer: ' + (await text('#result')));
    check((await text('#answer')) === 'once upon a timewqoqoq', 'a continuation: ' + (await text('#answer')));
    check((await page.evaluate('window.seen.size')) >= 5, 'it does not grow');
    check(/16 tokens, and 6 that follow/.test(await text('#parties')), 'what the helper saw: ' + (await text('#parties')));
    check(!/sent\s+0 B/.test(await text('#parties')), 'bytes: ' + (await text('#parties')));
    await take(kind);
    await page.evaluate(`document.getElementById('tokens').value = 40`);
    await ask('a');
    check(await page.until(`document.querySelector('.said')?.innerText.length > 2`), 'no text grows');
    await page.evaluate(`document.getElementById('stop').click()`);
    check(await page.until(`document.getElementById('error').innerText === 'Stopped.'`), 'it does not stop: ' + (await text('#error')));
}
await fits();
check(page.faults.length === 0, 'the page complains: ' + page.faults.join('; '));
page.close();
process.exit(failures ? 1 : 0);
