import { createTestDatabase, type TestDatabase } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type KeysPlace, makeKeysPlace, runTool } from "./test/harness.ts";

let db: TestDatabase;
let place: KeysPlace;
beforeAll(async () => {
  db = await createTestDatabase(["audit"]);
  place = await makeKeysPlace(db, ["audit"]);
});
afterAll(async () => {
  await place.remove();
  await db.drop();
});
const tried = (...args: string[]) => runTool("audit-alerts", args, place.env);

test("the rules are tried against the past, each with what it found, and nothing is written", async () => {
  const { code, out } = await tried("--since", "30d", "--dry-run");
  expect(code).toBe(0);
  expect(out).toContain("injection: none\n");
  expect(out).toMatch(/^0 alerts of \d+ rules in 0 entries since .*Z\. Nothing was written\.$/m);
  const one = await tried("--since", "12h", "--dry-run", "--rule", "denials", "--json");
  expect(JSON.parse(one.out)).toMatchObject({ ok: true, rules: ["denials"], entries: 0, alerts: [] });
});

test("what cannot be meant is wrong usage, and says what can", async () => {
  const wrong: [string[], string][] = [
    [["--since", "30d"], "say --dry-run"],
    [["--dry-run"], "--since needs a time"],
    [["--dry-run", "--since", "soon"], "--since needs a time"],
    [["--dry-run", "--since", "30d", "--rule", "x"], "there is no rule x: it is one of"],
    [["--dry-run", "--since", "30d", "--set", "MEDVAULT_ALERT_DENIALS"], "needs a name and a value"],
    [
      ["--dry-run", "--since", "30d", "--set", "MEDVAULT_ALERT_DENIALS=no"],
      "MEDVAULT_ALERT_DENIALS cannot be no",
    ],
    [["--dry-run", "--since", "30d", "--set", "PORT=1"], "there is no threshold PORT"],
  ];
  for (const [args, words] of wrong) {
    const { code, err } = await tried(...args);
    expect([code, err.includes(words)], `${args.join(" ")}: ${err}`).toEqual([2, true]);
  }
});
