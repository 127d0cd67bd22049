// libs/client with its session in cookies, against the real gateway: in Node, and in a browser.
import fs from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import path from "node:path";
import { MedVaultClient } from "@medvault/client";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root } from "../dev/lib/paths.mjs";
import { openBrowser } from "./support/browser.ts";
import { ops } from "./support/ops.ts";
import { registerPatient } from "./support/people.ts";

const SOURCE = path.join(root, "libs/client/src");
let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
}, 360_000);
afterAll(() => browser?.close());

/** Counts what is sent, and can take a cookie away, as its end would. */
function watched(): { seen: string[]; fetch: typeof fetch; without: string | null } {
  const watch = {
    seen: [] as string[],
    without: null as string | null,
    fetch: (async (url: string, init: RequestInit) => {
      const headers = new Headers(init.headers);
      const path = new URL(url).pathname;
      watch.seen.push(`${init.method} ${path}`);
      expect(headers.has("authorization")).toBe(false);
      const cookies = headers.get("cookie")?.split("; ") ?? [];
      const left = cookies.filter((one) => watch.without === null || !one.startsWith(watch.without));
      if (path.endsWith("/refresh")) watch.without = null;
      if (left.length > 0) headers.set("cookie", left.join("; "));
      else headers.delete("cookie");
      return fetch(url, { ...init, headers });
    }) as typeof fetch,
  };
  return watch;
}

test("in Node the client holds a session in cookies: writes, one refresh for all, step-up, sign-out", async () => {
  const { username, password } = await registerPatient(ops());
  const watch = watched();
  const api = new MedVaultClient({ baseUrl: ops().gateway, transport: "cookie", fetch: watch.fetch });
  const { data } = await api.call("POST /v1/auth/login", { body: { identifier: username, password } });
  await api.session.keep(data);
  expect(data).not.toHaveProperty("accessToken");
  expect(api.session.tokens).toBeNull();
  const csrf = api.session.csrfToken;
  expect(csrf).toMatch(/^[\w-]{43}$/);
  await api.call("POST /v1/auth/step-up", { body: { password } });
  await api.call("PATCH /v1/auth/me", { body: { username: `${username}-2` } });

  watch.seen.length = 0;
  watch.without = "__Host-medvault-access=";
  const answers = await Promise.all(Array.from({ length: 8 }, () => api.call("GET /v1/auth/me")));
  expect(answers.map(({ data }) => data.username)).toEqual(Array(8).fill(`${username}-2`));
  expect(watch.seen.filter((call) => call === "POST /v1/auth/refresh")).toHaveLength(1);
  expect(api.session.csrfToken).toBe(csrf);

  await api.call("POST /v1/auth/logout");
  expect(api.session.csrfToken).toBeNull();
  await expect(api.call("GET /v1/auth/me")).rejects.toMatchObject({ code: "unauthenticated" });
});

test("a browser's page signs in with the client, writes, renews, and goes on after a reload", async () => {
  const { username, password } = await registerPatient(ops());
  const page = await browser.newPage();
  // The client as a bundler would give it out, at an address of the gateway's own origin.
  await page.route("**/client/*", (route) => {
    const name = path.basename(new URL(route.request().url()).pathname);
    const text = stripTypeScriptTypes(fs.readFileSync(path.join(SOURCE, name), "utf8"));
    return route.fulfill({ contentType: "text/javascript", body: text });
  });
  await page.route("**/page", (route) =>
    route.fulfill({ contentType: "text/html", body: "<!doctype html>" }),
  );
  const gateway = ops().gateway;
  await page.goto(`${gateway}/page`);
  const withClient = (work: string, csrfToken: string | null = null) =>
    page.evaluate(`(async () => {
      const { MedVaultClient } = await import("${gateway}/client/index.ts");
      const api = new MedVaultClient({
        baseUrl: "${gateway}", transport: "cookie", csrfToken: ${JSON.stringify(csrfToken)},
      });
      ${work}
    })()`);
  const signedIn = (await withClient(`
    const body = ${JSON.stringify({ identifier: username, password })};
    await api.call("POST /v1/auth/login", { body });
    await api.call("POST /v1/auth/step-up", { body: { password: body.password } });
    await api.call("PATCH /v1/auth/me", { body: { username: "${username}-3" } });
    return { csrf: api.session.csrfToken, cookies: document.cookie };
  `)) as { csrf: string; cookies: string };
  expect(signedIn).toEqual({ csrf: expect.stringMatching(/^[\w-]{43}$/), cookies: "" });

  await page.context().clearCookies({ name: "__Host-medvault-access" });
  await page.reload();
  let refreshes = 0;
  page.on("request", (request) => {
    if (request.url().endsWith("/v1/auth/refresh")) refreshes += 1;
  });
  const names = await withClient(
    `const answers = await Promise.all([1, 2, 3, 4].map(() => api.call("GET /v1/auth/me")));
     await api.call("POST /v1/auth/logout");
     return answers.map(({ data }) => data.username);`,
    signedIn.csrf,
  );
  expect(names).toEqual(Array(4).fill(`${username}-3`));
  expect(refreshes).toBe(1);
  const left = (await page.context().cookies()).map(({ name }) => name);
  expect(left).toEqual(["__Host-medvault-device"]);
});
