// How does a Python test drive a browser? One JSON command a line on stdin, one JSON answer a line on stdout.
//
// The browser is the system's Chromium; every name but this machine's own is kept from resolving, and what it
// connects to all the same is in the net log that the test reads. See tests/e2e/chromium.py.

import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { chromium } from "playwright-core";

const { executablePath, netLog } = JSON.parse(process.argv[2]);
const browser = await chromium.launch({
  executablePath,
  args: [`--log-net-log=${netLog}`, "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
});
const context = await browser.newContext({
  viewport: { width: 1440, height: 900 },
  locale: "en",
  colorScheme: "light",
});
const page = await context.newPage();
page.setDefaultTimeout(20_000);

const requests = [];
const complaints = [];
const frames = [];
context.on("request", (request) => requests.push(request.url()));
context.on("console", (message) => {
  if (["error", "warning"].includes(message.type())) complaints.push(message.text());
});
context.on("weberror", (error) => complaints.push(String(error.error())));
page.on("requestfailed", (request) => {
  const reason = request.failure()?.errorText;
  // A page that is left stops what it was loading.
  if (reason !== "net::ERR_ABORTED") complaints.push(`${request.url()} ${reason}`);
});
page.on("websocket", (socket) => {
  requests.push(socket.url());
  socket.on("framesent", ({ payload }) => frames.push(String(payload)));
});
await context.exposeBinding("reportViolation", (_source, violation) => complaints.push(violation));
await context.addInitScript(() => {
  document.addEventListener("securitypolicyviolation", (event) =>
    window.reportViolation(`CSP ${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}`),
  );
});

const commands = {
  goto: ({ url }) => page.goto(url).then((response) => response.status()),
  reload: () => page.reload().then((response) => response.status()),
  click: ({ selector }) => page.click(selector),
  fill: ({ selector, text }) => page.fill(selector, text),
  choose: ({ selector, value }) => page.selectOption(selector, value),
  appears: ({ selector }) => page.waitForSelector(selector).then(() => true),
  text: ({ selector }) => page.innerText(selector),
  evaluate: ({ expression }) => page.evaluate(expression),
  until: async ({ expression, seconds }) => {
    // Not waitForFunction: it has the page evaluate a text, which the page's policy refuses.
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await setTimeout(50)) {
      if (await page.evaluate(expression)) return true;
    }
    return false;
  },
  screenshot: async ({ path }) => {
    // Away from the editor, which shows its scrollbars under the pointer.
    await page.mouse.move(0, 0);
    await setTimeout(1000);
    await page.screenshot({ path, animations: "disabled" });
    return true;
  },
  told: () => ({ requests, complaints, frames }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...given } = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await commands[command](given)) ?? null };
  } catch (error) {
    answer = { error: String(error) };
  }
  console.log(JSON.stringify(answer));
}
await browser.close();
