import { createHash } from "node:crypto";
import { MAILED_PAGES } from "@medvault/contracts";
import { expect, test } from "vitest";
import { givenGateway } from "../../test/harness.ts";
import { PUBLIC } from "../routing/route-table.ts";
import { PAGE_TEXTS } from "./mailed-page.ts";

const edge = await givenGateway();
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
      "form-action 'none'",
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
    expect(html).toMatch(/<title>[^<]+ – MedVault<\/title>[\s\S]*<main>[\s\S]*<noscript>[\s\S]*role="alert"/);
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
