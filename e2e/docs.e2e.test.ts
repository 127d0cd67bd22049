import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBrowser } from "./support/browser.ts";
import { operations } from "./support/openapi.ts";
import { ops } from "./support/ops.ts";
import { registerPatient } from "./support/people.ts";

let browser: Browser;
let page: Page;
/** What the browser reports: a violation of the policy, a script that fails. */
const complaints: string[] = [];
const requested = new Set<string>();

beforeAll(async () => {
  browser = await openBrowser();
  page = await browser.newPage({ colorScheme: "dark" });
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => requested.add(new URL(request.url()).origin));
  await page.goto(`${ops().gateway}/docs`);
}, 360_000);
afterAll(() => browser?.close());

/** Finds an operation by the filter, opens it from the keyboard, and sends its form as it is. */
async function trying(words: string): Promise<string> {
  await page.getByLabel("Filter").fill(words);
  const operation = page.locator("details[data-words]:visible").first();
  await operation.locator("summary").first().focus();
  if ((await operation.getAttribute("open")) === null) await page.keyboard.press("Enter");
  await operation.getByRole("button", { name: "Send" }).focus();
  await page.keyboard.press("Enter");
  const answer = operation.getByRole("status");
  await answer.locator("strong").waitFor();
  return answer.innerText();
}

test("the page shows every operation, under its policy, from this origin alone", async () => {
  await page.locator("section").last().waitFor();
  expect(await page.locator("main details:has(b)").count()).toBe(operations.length);
  expect(await page.locator("h2").allInnerTexts()).toContain("prescriptions");
  expect(complaints).toEqual([]);
  expect([...requested]).toEqual([new URL(ops().gateway).origin]);
});

test("a call is tried from the keyboard, as a guest and with a token that is not stored", async () => {
  expect(await trying("get /healthz")).toMatch(/200 OK[\s\S]*"status": "ok"/);
  expect(await trying("get /v1/auth/me")).toMatch(/401[\s\S]*"unauthenticated"/);
  // A session is bound to the agent that began it: this one begins as the browser.
  const agent = await page.evaluate<string>("navigator.userAgent");
  const asTheBrowser = ((url: string, init: RequestInit) => {
    const headers = new Headers(init.headers);
    headers.set("user-agent", agent);
    return fetch(url, { ...init, headers });
  }) as typeof fetch;
  const { client, username } = await registerPatient(ops(), asTheBrowser);
  await page.getByLabel("Access token").fill(client.token ?? "");
  expect(await trying("get /v1/auth/me")).toMatch(new RegExp(`200 OK[\\s\\S]*"${username}"`));
  expect(
    await page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])"),
  ).toBe('[{},{},""]');
  await page.reload();
  expect(await page.getByLabel("Access token").inputValue()).toBe("");
});
