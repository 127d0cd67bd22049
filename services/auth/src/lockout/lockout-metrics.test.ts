import { metricOf } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHarness, type Harness } from "../../test/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

const shown = (name: string, labels?: Record<string, string>) => metricOf(h.app, name, labels);
const happened = (name: string, outcome: string) =>
  shown("events_total", { type: `medvault.auth.${name}.v1`, outcome });

test("failed sign-ins, lockouts and live sessions can be read as numbers", async () => {
  const before = [await happened("login.failed", "denied"), await happened("account.locked", "denied")];
  const { account } = await h.person("patient");
  for (let n = 0; n < 5; n++)
    await h.guest().post("/v1/auth/login", { identifier: account.username, password: `Wrong-${n}` });
  expect(await happened("login.failed", "denied")).toBe((before[0] ?? Number.NaN) + 5);
  expect(await happened("account.locked", "denied")).toBe((before[1] ?? Number.NaN) + 1);
  expect(await shown("auth_lockouts_active")).toBe(1);
  await h.client(await h.person("patient"));
  await h.client(await h.person("patient"));
  expect(await shown("auth_sessions_live", { role: "patient" })).toBe(2);
  await expect.poll(() => shown("auth_mails", { state: "parked" })).toBe(0);
});
