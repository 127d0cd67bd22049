import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import {
  ASSERTION_HEADER,
  CsrfFailed,
  MAILED_PAGES,
  type MailedPage,
  REQUEST_ID_HEADER,
  UnsupportedMediaType,
} from "@medvault/contracts";
import { requestIdOf } from "@medvault/service-kit";
import type { Request, Response, Router } from "express";
import type { Context } from "../context.ts";
import { sourceOf } from "../identity/client.ts";
import { abandonBody, boundedBody } from "../limits/body-limit.ts";
import { callBody, FORM_TYPE, refusalLines } from "./mailed-form.ts";
import { PAGE_TEXTS, pageHtml, type Sent } from "./mailed-page.ts";

const FORM_BYTES = 8 * 1024;
/** Within the 3 s in which a person is answered. */
const ANSWER_MS = 2_500;

const asset = (name: string) => readFileSync(new URL(`./${name}`, import.meta.url), "utf8");
const hashOf = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** The pages that mails lead to: for everyone alike, with nothing of the request in them. */
export function mountMailedPages(router: Router, context: Context): void {
  const parts = { script: asset("page.js"), style: asset("page.css") };
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(parts.script)}`,
    `style-src ${hashOf(parts.style)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join("; ");
  const show = (res: Response, html: string) => {
    res.setHeader("Content-Security-Policy", policy);
    res.setHeader("Referrer-Policy", "no-referrer");
    res.setHeader("Cache-Control", "no-store");
    res.type("text/html; charset=utf-8").send(html);
  };
  for (const name of MAILED_PAGES) {
    const html = pageHtml(name, parts);
    router.get(`/${name}`, (_req, res) => show(res, html));
    router.post(`/${name}`, async (req, res) => {
      const { status, ...sent } = await sendForm(context, name, req, res);
      show(res.status(status), pageHtml(name, parts, sent));
    });
  }
}

/** Makes the call of a page for a browser without script, as anyone who is not signed in. */
async function sendForm(
  { upstreams, asserter, idleTimeoutMs }: Context,
  name: MailedPage,
  req: Request,
  res: Response,
): Promise<Sent & { status: number }> {
  // A page of ours says no referrer, and so no origin. Where a browser says whose page it is, it
  // must be ours.
  const site = req.get("sec-fetch-site");
  if (site !== undefined && site !== "same-origin") throw new CsrfFailed();
  if (!FORM_TYPE.test(req.get("content-type") ?? "")) throw new UnsupportedMediaType("Send a form.");
  const body = boundedBody(req, FORM_BYTES, idleTimeoutMs);
  const form = body ? await text(body).catch((error) => abandoned(req, res, error)) : "";
  const page = PAGE_TEXTS[name];
  const headers = {
    [ASSERTION_HEADER]: await asserter.forClient(sourceOf(req), { signedIn: null, guestScope: "" }, ["auth"]),
    [REQUEST_ID_HEADER]: requestIdOf(req),
  };
  const path = page.call.slice("POST ".length);
  const answer = await upstreams.auth.getJson(path, headers, ANSWER_MS, "POST", callBody(page, form));
  const isDone = answer.status < 300;
  return {
    status: isDone ? 200 : answer.status,
    isDone,
    lines: isDone ? [] : refusalLines(answer.status, answer.body),
  };
}

function abandoned(req: Request, res: Response, error: unknown): never {
  if (!req.readableEnded) abandonBody(req, res);
  throw error;
}
