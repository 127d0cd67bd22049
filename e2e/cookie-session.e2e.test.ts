import { expect, test } from "vitest";
import type { Json } from "./support/client.ts";
import { ops } from "./support/ops.ts";
import { registerPatient } from "./support/people.ts";

const AGENT = "Console/1.0";

/** A browser's cookies: keeps what is set, sends it back, and knows its CSRF token. */
class Browser {
  readonly jar = new Map<string, string>();
  csrf: string | null = null;
  agent = AGENT;

  async call(method: string, path: string, body?: Json, headers: Record<string, string> = {}) {
    const answer = await fetch(`${ops().gateway}${path}`, {
      method,
      headers: {
        "user-agent": this.agent,
        ...(this.jar.size > 0 && {
          cookie: [...this.jar].map(([name, value]) => `${name}=${value}`).join("; "),
        }),
        ...(this.csrf && { "x-csrf-token": this.csrf }),
        ...(body && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    for (const line of answer.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      expect(line).toMatch(
        /^__Host-medvault-(access|refresh|device)=[^;]*; Path=\/; Secure; HttpOnly; SameSite=Strict; /,
      );
      if (value === "") this.jar.delete(name);
      else this.jar.set(name, value);
    }
    const text = await answer.text();
    const json = (text === "" ? {} : JSON.parse(text)) as Json;
    if (typeof json.csrfToken === "string") this.csrf = json.csrfToken;
    return { status: answer.status, body: json };
  }

  /** As a patient of its own. */
  async signIn(): Promise<Json> {
    const { username, password } = await registerPatient(ops());
    const identity = { identifier: username, password };
    const login = await this.call("POST", "/v1/auth/login", identity, { "x-session-transport": "cookie" });
    expect(login.status).toBe(200);
    return login.body;
  }
}

test("a browser signs in, writes with its CSRF token, renews without a body, and signs out", async () => {
  const browser = new Browser();
  const tokens = await browser.signIn();
  expect(tokens).not.toHaveProperty("accessToken");
  expect(tokens).not.toHaveProperty("refreshToken");
  const device = "__Host-medvault-device";
  expect([...browser.jar.keys()].sort()).toEqual([
    "__Host-medvault-access",
    device,
    "__Host-medvault-refresh",
  ]);

  const me = await browser.call("GET", "/v1/auth/me");
  expect(me).toMatchObject({ status: 200, body: { csrfToken: tokens.csrfToken } });
  const { csrf } = browser;
  for (const wrong of [null, "x"]) {
    browser.csrf = wrong;
    for (const [method, path] of [
      ["DELETE", "/v1/auth/sessions"],
      ["POST", "/v1/auth/logout"],
      ["POST", "/v1/auth/refresh"],
      ["PATCH", "/v1/auth/me"],
    ] as const) {
      const refused = await browser.call(method, path, method === "PATCH" ? {} : undefined);
      expect([refused.status, refused.body.code], `${method} ${path}`).toEqual([403, "csrf_failed"]);
    }
  }
  browser.csrf = csrf;
  const before = new Map(browser.jar);
  expect((await browser.call("POST", "/v1/auth/refresh")).status).toBe(200);
  for (const [name, value] of before) expect(browser.jar.get(name) === value, name).toBe(name === device);
  expect((await browser.call("DELETE", "/v1/auth/sessions")).status).toBe(204);

  const token = browser.jar.get("__Host-medvault-access") ?? "";
  expect((await browser.call("POST", "/v1/auth/logout")).status).toBe(204);
  expect([...browser.jar.keys()]).toEqual([device]); // the device stays known
  browser.jar.set("__Host-medvault-access", token);
  expect((await browser.call("GET", "/v1/auth/me")).status).toBe(401);
});

test("a cookie that was copied into another program ends the session", async () => {
  const browser = new Browser();
  await browser.signIn();
  const thief = new Browser();
  for (const [name, value] of browser.jar) thief.jar.set(name, value);
  thief.agent = "Thief/1.0";
  expect((await thief.call("GET", "/v1/auth/me")).status).toBe(401);
  expect((await browser.call("GET", "/v1/auth/me")).status).toBe(401);
  expect((await browser.call("POST", "/v1/auth/refresh")).status).toBe(401);
});

test("nothing changes by GET: what ends sessions, signs out or renews answers 404 or 405", async () => {
  const browser = new Browser();
  await browser.signIn();
  for (const path of ["/v1/auth/logout", "/v1/auth/refresh", "/v1/auth/step-up", "/v1/auth/mfa/disable"]) {
    expect([404, 405], path).toContain((await browser.call("GET", path)).status);
    expect([404, 405], path).toContain((await browser.call("HEAD", path)).status);
  }
  expect((await browser.call("GET", "/v1/auth/me")).status).toBe(200);
});
