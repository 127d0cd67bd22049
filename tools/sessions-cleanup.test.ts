import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { newId } from "@medvault/contracts";
import { createTestDatabase, pendingEvents, type TestDatabase } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runTool } from "./test/harness.ts";

const DAY_MS = 24 * 3600_000;
let db: TestDatabase;
let dataDir: string;
beforeAll(async () => {
  db = await createTestDatabase(["auth"]);
  dataDir = await mkdtemp(path.join(tmpdir(), "medvault-cleanup-"));
  const ops = { postgres: { services: { auth: db.url("auth") } } };
  await writeFile(path.join(dataDir, "ops.json"), JSON.stringify(ops), { mode: 0o600 });
});
afterAll(async () => {
  await rm(dataDir, { recursive: true });
  await db.drop();
});

const cleanup = (...args: string[]) => runTool("sessions-cleanup", args, { MEDVAULT_DATA: dataDir });

/**
 * A session that ended so many days ago (null: it lives), and could have run until so many days
 * ago.
 */
async function given(endedDays: number | null, absoluteDays: number): Promise<string> {
  const id = newId();
  const ago = (days: number) => new Date(Date.now() - days * DAY_MS);
  const ended = endedDays === null ? null : ago(endedDays);
  await db.pool("auth").query(
    `insert into sessions (id, user_id, role, kind, amr, auth_time, created_at, last_seen_at, idle_expires_at,
                           absolute_expires_at, ended_at, end_reason, rev, sealed)
     values ($1, $1, 'patient', 'full', '{}', $2, $2, $2, $2, $3, $4, case when $4::timestamptz is null then null else 'logout' end, 1, '')`,
    [id, ago(absoluteDays + 1), ago(absoluteDays), ended],
  );
  await db
    .pool("auth")
    .query(`insert into refresh_tokens (hash, session_id, created_at) values ($1, $2, now())`, [
      Buffer.from(id),
      id,
    ]);
  return id;
}
const left = async (): Promise<string[]> => {
  const { rows } = await db.pool("auth").query<{ id: string }>("select id from sessions order by id");
  return rows.map(({ id }) => id);
};

test("a dry run says what would go; the run deletes that, its tokens too, and says so in the log", async () => {
  const old = [await given(40, 39), await given(31, 30.5)];
  const kept = [await given(29, 28), await given(null, 100), await given(40, -1)];
  const dry = await cleanup("--dry-run", "--json");
  expect(JSON.parse(dry.out)).toMatchObject({
    command: "sessions:cleanup",
    ok: true,
    dryRun: true,
    days: 30,
    found: { sessions: 2, refreshTokens: 2 },
    deleted: 0,
  });
  expect(await left()).toEqual([...old, ...kept].sort());
  expect(await pendingEvents(db.pool("auth"))).toEqual([]);
  expect(await cleanup("--days", "30")).toEqual({
    code: 0,
    out: "Deleted 2 of 2 ended sessions and 2 refresh tokens older than 30 days.\n",
    err: "",
  });
  expect(await left()).toEqual(kept.sort());
  const { rows } = await db.pool("auth").query("select from refresh_tokens");
  expect(rows).toHaveLength(kept.length);
  expect(await pendingEvents(db.pool("auth"))).toMatchObject([
    { type: "medvault.auth.session.cleaned.v1", data: { actor: null, details: { count: 2, days: 30 } } },
  ]);
});

test("what it does not understand, or cannot find, is one sentence and an exit code", async () => {
  expect(await cleanup("--help")).toMatchObject({ code: 0, out: expect.stringContaining("--dry-run") });
  for (const args of [["--days", "0"], ["--days", "x"], ["--days", "3651"], ["--what"]]) {
    const { code, err } = await cleanup(...args);
    expect(code, args.join(" ")).toBe(2);
    expect(err).toMatch(/^sessions:cleanup: /);
  }
});
