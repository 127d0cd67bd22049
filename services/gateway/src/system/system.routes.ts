import { readFileSync } from "node:fs";
import type { Router } from "express";
import { openApiJson } from "./openapi.ts";

const asset = (name: string) => readFileSync(new URL(`./docs/${name}`, import.meta.url), "utf8");

/** The page has its own files and no inline code, so that nothing injected could run in it. */
const DOCS_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** GET /openapi.json and GET /docs, where GET / leads: public, and the same for everyone. */
export function mountSystem(router: Router): void {
  const openApi = openApiJson();
  const files: [path: string, type: string, content: string][] = [
    ["/openapi.json", "application/json", openApi],
    ["/docs", "text/html; charset=utf-8", asset("page.html")],
    ["/docs/page.js", "text/javascript; charset=utf-8", asset("page.js")],
    ["/docs/page.css", "text/css; charset=utf-8", asset("page.css")],
  ];
  router.get("/", (req, res) => {
    res.redirect(req.accepts(["html", "json"]) === "json" ? "/openapi.json" : "/docs");
  });
  for (const [path, type, content] of files) {
    router.get(path, (_req, res) => {
      if (path === "/docs") res.setHeader("Content-Security-Policy", DOCS_POLICY);
      res.setHeader("Cache-Control", "no-cache").type(type).send(content);
    });
  }
}
