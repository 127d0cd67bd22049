import { expect, test } from "vitest";
import { givenGateway } from "../../test/harness.ts";
import { openApiJson } from "./openapi.ts";

const edge = await givenGateway();

test("readyz names all seven parts and is ok when they are", async () => {
  const answer = await edge.call("/readyz");
  const names = ["auth", "records", "files", "audit", "backup", "redis", "rabbitmq"];
  const checks = Object.fromEntries(names.map((name) => [name, "ok"]));
  expect([answer.status, await answer.json()]).toEqual([200, { status: "ok", checks }]);
});

test("the document is served as JSON, to anyone", async () => {
  const answer = await edge.call("/openapi.json");
  expect(answer.headers.get("content-type")).toContain("application/json");
  expect(await answer.json()).toEqual(JSON.parse(openApiJson()));
});

test.each([
  ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "/docs"],
  ["*/*", "/docs"],
  ["application/json", "/openapi.json"],
  ["text/csv", "/docs"],
])("who asks for the address alone with Accept: %s is led to %s", async (accept, place) => {
  for (const method of ["GET", "HEAD"]) {
    const answer = await edge.call("/", { method, headers: { accept }, redirect: "manual" });
    expect([answer.status, answer.headers.get("location")]).toEqual([302, place]);
    expect(answer.headers.get("vary")).toMatch(/accept/i);
  }
});

test("the page to read and try it runs no inline code, refers to no other origin, and its files are there", async () => {
  const answer = await edge.call("/docs");
  const html = await answer.text();
  expect(answer.headers.get("content-type")).toBe("text/html; charset=utf-8");
  const policy = answer.headers.get("content-security-policy") ?? "";
  for (const directive of [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
  ])
    expect(policy).toContain(directive);
  expect(policy).not.toMatch(/unsafe|data:|https?:|\*/);
  expect(html).not.toMatch(/<script(?![^>]*src=)|\son[a-z]+=|style=/i);
  const files = [...html.matchAll(/(?:src|href)="(\/docs[^"]+)"/g)].map(([, path = ""]) => path);
  expect(files.sort()).toEqual(["/docs/page.css", "/docs/page.js"]);
  for (const path of files) {
    const file = await edge.call(path);
    const text = await file.text();
    expect([file.status, file.headers.get("x-content-type-options")], path).toEqual([200, "nosniff"]);
    expect(text, path).not.toMatch(/https?:\/\/|@import|url\(/);
    // No text of an answer or the document becomes markup or code, and the token is not stored.
    expect(text, path).not.toMatch(
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function/,
    );
    expect(text, path).not.toMatch(/localStorage|sessionStorage|indexedDB|document\.cookie/);
  }
});

test("the public keys come from auth", async () => {
  const answer = await edge.call("/.well-known/jwks.json");
  expect(await answer.json()).toEqual({ keys: [edge.auth.publicJwk] });
});

test("refusals reach the audit queue, aggregated per kind and address, with a count and no token", async () => {
  const own = await givenGateway();
  for (let i = 0; i < 5; i++) {
    await own.call("/v1/patients", {
      as: "eyJhbGciOiJub25lIn0.secret-mark.x",
      headers: { "x-request-id": `refused-${i}` },
    });
  }
  await own.call("/v1/patients");
  const { raw, events } = await own.audited();
  expect(raw).not.toContain("secret-mark");
  const refused = events.filter((event) => event.type === "medvault.gateway.request.token_refused.v1");
  expect(refused).toHaveLength(1);
  expect(refused[0]).toMatchObject({
    source: "/medvault/gateway/gateway-1",
    subject: "address/127.0.0.1",
    requestid: "refused-0",
    data: { outcome: "denied", from: { ip: "127.0.0.1" }, details: { count: 5 } },
  });
  expect(events.map((event) => event.type)).toContain("medvault.gateway.request.session_required.v1");
});
