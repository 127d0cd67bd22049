import { createHash } from "node:crypto";
import { MAILED_PAGES } from "@medvault/contracts";
import { expect, test } from "vitest";
import { givenGateway } from "../../test/harness.ts";
import { PUBLIC } from "../routing/route-table.ts";
import { PAGE_TEXTS } from "./mailed-page.ts";

const edge = await givenGateway({ MEDVAULT_FORGOT_RATE: "1000" });
const sha256 = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const part = (html: string, name: string) =>
  html.match(new RegExp(`<${name}>([\\s\\S]*?)</${name}>`))?.[1] ?? "";

test.each(MAILED_PAGES)(
  "the link of a mail to /%s leads to a page that runs its one script and tells nobody",
  async (name) => {
    const answer = await edge.call(`/${name}`);
    const html = await answer.text();
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    expect(answer.headers.get("referrer-policy")).toBe("no-referrer");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const policy = answer.headers.get("content-security-policy") ?? "";
    expect(policy.split("; ")).toEqual([
      "default-src 'none'",
      `script-src ${sha256(part(html, "script"))}`,
      `style-src ${sha256(part(html, "style"))}`,
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'self'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
    ]);
    expect(html).not.toMatch(/https?:\/\/|\son[a-z]+=|\sstyle=|@import|url\(/i);
    expect(part(html, "script")).not.toMatch(
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|localStorage|sessionStorage|cookie|console/,
    );
  },
);

test.each(MAILED_PAGES)(
  "/%s can be read and used by anyone, and calls an operation that guests may",
  async (name) => {
    const html = await (await edge.call(`/${name}`)).text();
    expect(html).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(html).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">');
    expect(html.match(/<h1>/g)).toHaveLength(1);
    expect(html).toMatch(/<title>[^<]+ – MedVault<\/title>[\s\S]*<main>[\s\S]*role="alert"/);
    const inputs = [...html.matchAll(/<input id="(\w+)"[^>]*>/g)].map(([, id]) => id);
    for (const id of inputs)
      expect(html).toMatch(new RegExp(`<label for="${id}">|<label[^>]*><input id="${id}"`));
    // Password managers fill in and paste; what is typed is hidden.
    expect(html).not.toMatch(/paste|autocomplete="off"/i);
    for (const [field] of html.matchAll(/<input[^>]*name="[^"]*[pP]assword"[^>]*>/g))
      expect(field).toMatch(/type="password" autocomplete="new-password"/);
    expect(PUBLIC.has(PAGE_TEXTS[name].call)).toBe(true);
  },
);

test("a token that comes in a query after all is in no log line, no event and no answer", async () => {
  const own = await givenGateway();
  const secret = "T0ken-that-nobody-may-see-0123456789abcdefgh";
  const answer = await own.call(`/reset-password?token=${secret}`);
  expect(await answer.text()).not.toContain(secret);
  for (const token of [secret, `${secret}' or 1=1 --`, `<script>${secret}</script>`]) {
    const body = { token, newPassword: secret };
    const refused = await own.call("/v1/auth/password/reset", { method: "POST", body: JSON.stringify(body) });
    expect(await refused.text()).not.toContain(secret);
  }
  const { raw } = await own.audited();
  expect(raw).not.toContain(secret);
});

const post = (name: string, form: Record<string, string>, headers: Record<string, string> = {}) =>
  edge.call(`/${name}`, { method: "POST", body: new URLSearchParams(form), headers });
const TOKEN = "T0ken-of-a-mail-0123456789abcdefghijklmnopqr";

test.each(MAILED_PAGES)(
  "without JavaScript the form of /%s makes its call, as a guest, by the link of the mail",
  async (name) => {
    const { call, takesToken, field } = PAGE_TEXTS[name];
    const html = await (await edge.call(`/${name}`)).text();
    expect(html).toContain(`<form id="form" method="post" action="/${name}"`);
    expect(html.includes('<noscript><label for="link">')).toBe(takesToken);
    const value = field === "email" ? "a@home.example" : "Kestrel-over-9-fjords!";
    for (const link of [`https://medvault.example/${name}#token=${TOKEN}`, ` ${TOKEN}\n`]) {
      const answer = await post(name, { token: link, ...(field && { [field]: value }), role: "admin" });
      expect(answer.status).toBe(200);
      const page = await answer.text();
      expect(page).toMatch(/<form [^>]* hidden>[\s\S]*<div id="done" tabindex="-1">/);
      expect(page).not.toContain(TOKEN);
      const { method, url, body, claims } = edge.services.auth.seen.at(-1) ?? {};
      expect(`${method} ${url}`).toBe(call);
      expect(JSON.parse(body ?? "")).toEqual({
        ...(takesToken && { token: TOKEN }),
        ...(field && { [field]: value }),
      });
      expect(claims).toMatchObject({ sub: "guest", role: "guest", sid: null, scope: "" });
    }
  },
);

test("a refused form says why in the problem's words, as a page, and holds nothing that was sent", async () => {
  const problem = {
    detail: "This password is not accepted.",
    errors: [{ path: "newPassword", message: "is <too> short" }],
  };
  edge.services.auth.handler = (_req, res) =>
    void res.writeHead(400, { "content-type": "application/problem+json" }).end(JSON.stringify(problem));
  const form = { token: TOKEN, newPassword: "<b>short</b>", removeFactors: "on" };
  const refused = await post("reset-password", form);
  expect(JSON.parse(edge.services.auth.seen.at(-1)?.body ?? "")).toMatchObject({ removeFactors: true });
  const page = await refused.text();
  expect([refused.status, refused.headers.get("content-type")]).toEqual([400, "text/html; charset=utf-8"]);
  expect(page).toContain("<p>This password is not accepted.</p><p>It is &#60;too&#62; short.</p>");
  expect(page).not.toMatch(/T0ken|<b>/);
  edge.services.auth.handler = (_req, res) => void res.writeHead(500).end('{"detail":"the inside"}');
  const failed = await (await post("reset-password", form)).text();
  expect(failed).toContain("MedVault cannot do this at the moment");
  expect(failed).not.toContain("the inside");
  edge.services.auth.handler = null;
});

test("threat: another site's page sends the form, or what is no form, or one that is too large", async () => {
  const before = edge.services.auth.seen.length;
  for (const site of ["cross-site", "same-site", "none"])
    expect(
      (await post("forgot-password", { email: "a@home.example" }, { "sec-fetch-site": site })).status,
    ).toBe(403);
  const own = { "sec-fetch-site": "same-origin", origin: "null" };
  const json = await edge.call("/forgot-password", { method: "POST", body: '{"email":"a@home.example"}' });
  expect(json.status).toBe(415);
  expect((await post("reset-password", { token: "x".repeat(9_000) })).status).toBe(413);
  expect((await edge.call("/forgot-password", { method: "PUT", body: "{}" })).status).toBe(404);
  expect(edge.services.auth.seen.length).toBe(before);
  expect((await post("forgot-password", { email: "a@home.example" }, own)).status).toBe(200);
});

test("threat: a form goes round the limit of the call that it makes", async () => {
  const own = await givenGateway({ MEDVAULT_FORGOT_RATE: "2" });
  const body = () => new URLSearchParams({ email: "a@home.example" });
  const json = JSON.stringify({ email: "a@home.example" });
  expect((await own.call("/v1/auth/password/forgot", { method: "POST", body: json })).status).toBeLessThan(
    300,
  );
  expect((await own.call("/forgot-password", { method: "POST", body: body() })).status).toBe(200);
  expect((await own.call("/forgot-password", { method: "POST", body: body() })).status).toBe(429);
});

test("a mail program's one click reaches auth as anyone's, with its form unread; a GET of it does not", async () => {
  const path = `/v1/auth/reminders/stop/${"A".repeat(44)}`;
  const body = new URLSearchParams({ "List-Unsubscribe": "One-Click" });
  const before = edge.services.auth.seen.length;
  expect((await edge.call(path)).status).toBe(401);
  expect(edge.services.auth.seen.length).toBe(before);
  expect((await edge.call(path, { method: "POST", body })).status).toBe(200);
  expect(edge.services.auth.seen.at(-1)).toMatchObject({
    method: "POST",
    url: path,
    claims: { role: "guest" },
  });
});
