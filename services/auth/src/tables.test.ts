import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readBoxHeader } from "@medvault/crypto";
import { applyPolicy, type SealedTable } from "@medvault/keys";
import { type RebuildOptions, rebuildIndexes, reseal } from "@medvault/keys/operations";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createHarness, type Harness, PASSWORD } from "../test/harness.ts";
import { sealedUsers } from "./accounts/account.table.ts";
import { sealedTables } from "./tables.ts";

const declared = sealedTables.map((table) => table.declaration);
let h: Harness;
let folder: string;
beforeAll(async () => {
  h = await createHarness();
  folder = await mkdtemp(join(tmpdir(), "medvault-policy-"));
});
afterAll(async () => {
  await h?.close();
  await rm(folder, { recursive: true });
});
afterEach(() => {
  for (const [at, declaration] of declared.entries()) sealedTables[at]?.adopt(declaration);
});

async function follow(auth: object): Promise<void> {
  const file = join(folder, "policy.json");
  await writeFile(file, JSON.stringify({ services: { auth } }));
  await applyPolicy({ file, service: "auth", tables: sealedTables });
}

const rebuild = (options: Partial<RebuildOptions> = {}) =>
  rebuildIndexes(h.ctx.pool, h.keyring, sealedUsers, {
    pausePerWork: 0,
    onStep: async () => undefined,
    ...options,
  });

test("the list has every table of the service that has boxes and revisions", async () => {
  const { rows } = await h.ctx.pool.query<{ name: string }>(
    `select table_name as name from information_schema.columns
      where table_schema in ('auth', 'auth_sys') and column_name in ('sealed', 'rev')
      group by table_name having count(*) = 2 order by 1`,
  );
  expect(sealedTables.map(({ declaration }) => declaration.table).sort()).toEqual(
    rows.map(({ name }) => name),
  );
});

test("accounts and sessions are sealed again on another suite; anyone who was signed in stays, and others sign in", async () => {
  const person = await h.person("patient");
  const { api } = await h.client(person);
  await follow({ users: { suite: "chacha20-poly1305" }, sessions: { suite: "chacha20-poly1305" } });
  const boxes: number[] = [];
  for (const table of sealedTables) {
    const done = await reseal(h.ctx.pool, h.keyring, table as SealedTable<never>, {
      pausePerWork: 0,
      onRows: async (_tx, rows) => void boxes.push(rows.length),
    });
    expect(done, table.declaration.table).toMatchObject({ overtaken: 0, refused: [] });
  }
  expect(boxes.length).toBeGreaterThan(1);
  const { rows } = await h.ctx.pool.query<{ sealed: Buffer; rev: number }>(
    "select sealed, rev from users union all select sealed, rev from sessions",
  );
  for (const { sealed } of rows) expect(readBoxHeader(sealed).suite).toBe("chacha20-poly1305");
  expect((await api.get("/v1/auth/sessions")).status).toBe(200);
  expect((await h.signIn(person)).status).toBe(200);
});

test("what signing in needs stays sealed and indexed: such a policy stops the boot with every fault", async () => {
  const users = {
    fields: { password_hash: { store: "open" }, username: { index: "none" }, email: { index: "substring" } },
  };
  await expect(
    follow({ users, sessions: { fields: { ip: { store: "open" } } }, login_lanes: {} }),
  ).rejects.toMatchObject({
    code: "policy_invalid",
    faults: [
      "auth.users.password_hash is a secret and stays sealed",
      "auth.users.username keeps its index: nothing else finds its rows",
      "auth.users.email keeps its index: nothing else finds its rows",
      "auth.sessions.ip is a secret and stays sealed",
      "auth.login_lanes is not a table with sealed fields",
    ],
  });
});

test("while the index of accounts is rebuilt people sign in, and a name that is taken stays taken", async () => {
  const old = await Promise.all([1, 2, 3].map(() => h.person("patient")));
  const register = (username: string, email = `${username}@new.example`) =>
    h.guest().post<{ code?: string }>("/v1/auth/register", { username, email, password: PASSWORD });
  const tried: Promise<void>[] = [];
  const expectAll = async () => {
    for (const person of old) {
      expect((await h.signIn(person)).status).toBe(200);
      const byMail = { identifier: person.account.email.toUpperCase(), password: PASSWORD };
      expect((await h.guest().post("/v1/auth/login", byMail)).status).toBe(200);
      expect(await register(person.account.username.toUpperCase())).toMatchObject({
        status: 409,
        body: { code: "username_taken" },
      });
    }
  };
  // Stopped when new tokens are written and old rows have none of them yet: both keys are in use.
  const stop = new AbortController();
  const stopped = rebuild({
    signal: stop.signal,
    onStep: async (_tx, step) => void (step === "begun" && stop.abort(new Error("stopped"))),
  });
  await expect(stopped).rejects.toThrow("stopped");
  await expectAll();
  const during = await register("during-the-rebuild");
  expect(during.status).toBe(201);
  expect((await register("During-the-rebuild", "x@new.example")).status).toBe(409);
  const owner = old[0]?.account.email ?? "";
  expect((await register("another-name", owner)).status).toBe(201); // answered as a new one; the owner gets a mail
  const { rows } = await h.ctx.pool.query("select count(*)::int as count from users");
  expect(await rebuild({ onProgress: () => void tried.push(expectAll()) })).toMatchObject({
    finished: true,
    refused: [],
  });
  await Promise.all(tried);
  await expectAll();
  expect(await h.ctx.pool.query("select count(*)::int as count from users")).toMatchObject({ rows });
}, 60_000);
