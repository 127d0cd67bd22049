// What a person does who got a mail: opens its link on a phone, and is told what is next.
import fs from "node:fs";
import path from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshAdmin } from "./support/admin.ts";
import { openBrowser } from "./support/browser.ts";
import { Client, signIn } from "./support/client.ts";
import { ops } from "./support/ops.ts";
import { registerPatient } from "./support/people.ts";

let browser: Browser;
let page: Page;
/** What the browser reports: a violation of the policy, a script that fails. */
const complaints: string[] = [];
/** Addresses that were asked for; a token in one would be in the logs of any server in between. */
const asked: string[] = [];

beforeAll(async () => {
  browser = await openBrowser();
  page = await browser.newPage({ viewport: { width: 320, height: 640 }, isMobile: true });
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => asked.push(request.url()));
}, 360_000);
afterAll(() => browser?.close());

const mailText = (name: string) =>
  fs
    .readFileSync(path.join(ops().dirs.mail, name), "utf8")
    .replace(/=\r?\n/g, "")
    .replace(/=3D/g, "=");
const mails = () =>
  fs
    .readdirSync(ops().dirs.mail)
    .filter((name) => name.endsWith(".eml"))
    .sort()
    .map(mailText);
/** Of its text: its headers are for mail programs. */
const linksIn = (mail: string) => mail.slice(mail.search(/\r?\n\r?\n/)).match(/https?:\/\/\S+/g) ?? [];

/** The newest mail to this address whose link leads to that page. */
async function linkTo(address: string, name: string): Promise<string> {
  let link: string | undefined;
  await expect
    .poll(
      () => {
        const own = mails().filter((mail) => mail.includes(`To: ${address}`));
        link = own.flatMap(linksIn).findLast((one) => one.includes(`/${name}#token=`));
        return link;
      },
      { timeout: 10_000 },
    )
    .toBeDefined();
  return link ?? "";
}

/** What is shown after the form was sent, from the keyboard. */
async function sent(): Promise<string> {
  await page.keyboard.press("Enter");
  await page.locator("#done:visible, #problem p").first().waitFor();
  return page.locator("main").innerText();
}

test("an invited person chooses a password by the link, is told why one is refused, and signs in", async () => {
  const { client: admin } = await freshAdmin(ops());
  const [username, email] = ["doctor-by-link", "doctor-by-link@clinic.example"];
  await admin.api.call("POST /v1/users", { body: { username, email, role: "doctor" } });
  const link = await linkTo(email, "invitation");
  const token = new URL(link).hash.slice("#token=".length);
  await page.goto(link);
  expect(page.url()).not.toContain(token);
  await page.getByLabel("New password").fill("short");
  expect(await sent()).toMatch(/It is too short\.\s+It needs a capital letter\./);
  await page.getByLabel("Show the password").check();
  expect(await page.getByLabel("New password").getAttribute("type")).toBe("text");
  const password = "Kestrel-over-9-fjords!";
  await page.getByLabel("New password").fill(password);
  expect(await sent()).toMatch(/Your password is set\.[\s\S]*Sign in with your user name/);
  expect(await page.evaluate("document.activeElement.id")).toBe("done");
  const { data } = await new Client(ops().gateway).api.call("POST /v1/auth/login", {
    body: { identifier: username, password },
  });
  expect(data).toHaveProperty("mfaEnrollmentRequired", true);
  await page.goto("about:blank");
  await page.goto(link);
  await page.getByLabel("New password").fill(password);
  expect(await sent()).toContain("This link is no longer valid. Ask for a new one.");
  expect(asked.filter((url) => url.includes(token) && !new URL(url).hash)).toEqual([]);
});

test("someone who forgot a password asks for a mail, and chooses a new one by its link", async () => {
  const person = await registerPatient(ops());
  await page.goto(`${ops().gateway}/forgot-password`);
  await page.getByLabel("Address").fill(person.email);
  expect(await sent()).toContain("If an account has this address, a mail is on its way.");
  await page.goto(await linkTo(person.email, "reset-password"));
  const password = "Otters-sleep-7-afloat!";
  await page.getByLabel("New password").fill(password);
  expect(await sent()).toContain("Your new password is set, and all sessions have ended.");
  await signIn(ops().gateway, { ...person, password });
  expect(complaints.filter((text) => !/status of 400/.test(text))).toEqual([]);
});

test("without JavaScript someone pastes the link, is told why a password is refused, and chooses a new one", async () => {
  const person = await registerPatient(ops());
  const context = await browser.newContext({ javaScriptEnabled: false });
  const plain = await context.newPage();
  await plain.goto(`${ops().gateway}/forgot-password`);
  await plain.getByLabel("Address").fill(person.email);
  await plain.getByRole("button").click();
  await plain.getByText("If an account has this address, a mail is on its way.").waitFor();
  const link = await linkTo(person.email, "reset-password");
  await plain.goto(link);
  const send = async (newPassword: string) => {
    await plain.getByLabel("The link in the mail").fill(link);
    await plain.getByLabel("New password").fill(newPassword);
    await plain.getByRole("button").click();
  };
  await send("short");
  await plain.getByRole("alert").getByText("It is too short.").waitFor();
  const password = "Otters-sleep-8-afloat!";
  await send(password);
  await plain.getByText("Your new password is set, and all sessions have ended.").waitFor();
  expect(plain.url()).toBe(`${ops().gateway}/reset-password`);
  await signIn(ops().gateway, { ...person, password });
  await context.close();
});

test("a page that is opened without its token says so, and fits a phone", async () => {
  for (const name of ["invitation", "reset-password", "confirm-address", "keep-address"]) {
    await page.goto(`${ops().gateway}/${name}`);
    await page.getByRole("alert").getByText("Open the link in the mail once more").waitFor();
    expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
  }
});

test("no link of any mail leads nowhere", async () => {
  const links = [
    ...new Set(
      mails()
        .flatMap(linksIn)
        .map((link) => link.split("#")[0] ?? ""),
    ),
  ];
  expect(links.length).toBeGreaterThan(1);
  for (const link of links) {
    const answer = await fetch(link);
    expect([link, answer.status, answer.headers.get("content-type")]).toEqual([
      link,
      200,
      "text/html; charset=utf-8",
    ]);
  }
});
