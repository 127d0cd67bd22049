import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { MAILED_PAGES } from "@medvault/contracts";
import type { Router } from "express";
import { PAGE_TEXTS, pageHtml } from "./mailed-page.ts";

const asset = (name: string) => readFileSync(new URL(`./${name}`, import.meta.url), "utf8");
const hashOf = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** The pages that mails lead to: for everyone alike, with nothing of the request in them. */
export function mountMailedPages(router: Router): void {
  const parts = { script: asset("page.js"), style: asset("page.css") };
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(parts.script)}`,
    `style-src ${hashOf(parts.style)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join("; ");
  for (const name of MAILED_PAGES) {
    const html = pageHtml(PAGE_TEXTS[name], parts);
    router.get(`/${name}`, (_req, res) => {
      res.setHeader("Content-Security-Policy", policy);
      res.setHeader("Referrer-Policy", "no-referrer");
      res.setHeader("Cache-Control", "no-store");
      res.type("text/html; charset=utf-8").send(html);
    });
  }
}
