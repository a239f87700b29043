// A page in Chromium, without a window: open, evaluate, wait, take pictures. It speaks to the browser over a pipe.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';

export class Page {
    #answers = new Map();
    #number = 0;
    #rest = '';

    /** Starts the browser with a directory of its own, and opens an empty page. */
    static async open(program, directory) {
        const page = new Page();
        const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--remote-debugging-pipe', '--user-data-dir=' + directory];
        page.browser = spawn(program, flags, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
        page.faults = [];
        page.browser.stdio[4].on('data', (data) => page.#take(data));
        const { targetId } = await page.#send('Target.createTarget', { url: 'about:blank' });
        page.session = (await page.#send('Target.attachToTarget', { targetId, flatten: true })).sessionId;
        for (const domain of ['Page', 'Runtime', 'Log']) await page.call(domain + '.enable');
        return page;
    }

    #take(data) {
        const messages = (this.#rest + data).split('\0');
        this.#rest = messages.pop();
        for (const text of messages) {
            const message = JSON.parse(text);
            if (message.method === 'Runtime.exceptionThrown') this.faults.push(message.params.exceptionDetails.exception?.description ?? message.params.exceptionDetails.text);
            if (message.method === 'Log.entryAdded' && message.params.entry.level === 'error') this.faults.push(message.params.entry.text + ' ' + (message.params.entry.url ?? ''));
            this.#answers.get(message.id)?.(message);
            this.#answers.delete(message.id);
        }
    }

    #send(method, params = {}, sessionId = undefined) {
        const id = ++this.#number;
        this.browser.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + '\0');
        return new Promise((resolve, reject) => this.#answers.set(id, (m) => (m.error ? reject(new Error(method + ': ' + m.error.message)) : resolve(m.result))));
    }

    call(method, params) {
        return this.#send(method, params, this.session);
    }

    async evaluate(expression) {
        const { result, exceptionDetails } = await this.call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
        if (exceptionDetails) throw new Error(expression + ': ' + exceptionDetails.exception?.description);
        return result.value;
    }

    /** Waits until an expression is true. */
    async until(expression, seconds = 20) {
        for (const end = Date.now() + 1000 * seconds; Date.now() < end; ) {
            if (await this.evaluate(expression).catch(() => false)) return true;
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
        return false;
    }

    /** The size of the window in pixels, and whether the user's colours are dark. */
    async look(width, height, dark = false) {
        await this.call('Emulation.setScrollbarsHidden', { hidden: true });
        await this.call('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
        await this.call('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }] });
    }

    async picture(path) {
        const { data } = await this.call('Page.captureScreenshot', { captureBeyondViewport: true });
        writeFileSync(path, Buffer.from(data, 'base64'));
    }

    close() {
        this.browser.kill();
    }
}
